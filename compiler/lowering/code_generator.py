"""Which of XLA's two ways to write the code of a program serves it better on the CPU.

XLA fuses ops into loops and writes each loop's code in one of two ways: through MLIR, as it does
unless it is told otherwise, or element by element, straight to LLVM. Element by element a loop
compiles in two thirds of the time, and an op that stands alone runs up to three times as fast: in
MLIR such a loop is not vectorised. But a loop that overwrites what it reads is not vectorised by
the other way, and neither joins nor loops within loops are as good there. XLA takes one way for a
whole program, so only programs are named here that lose next to nothing by it.
``compiler.lowering.code_loops`` says so by their ops, this file by their kernels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, TypeAlias

from compiler.ir.graph import Graph
from compiler.lowering.code_loops import Kind, Loops
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.kernel import SINCE_0_10, is_between

Option: TypeAlias = tuple[str, str | bool | int]
"""An option of XLA's and its value."""

ELEMENT_BY_ELEMENT: Final[Option] = ("xla_cpu_use_fusion_emitters", False)

IS_MEASURED: Final = is_between(SINCE_0_10, (0, 11, 0))
"""Whether the installed jaxlib is one that was measured: 0.7.2 gains less, 0.11.1 lost the way."""

KERNELS_AS_FAST: Final = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "angle-by-polynomial",
                "angle-of-point-by-polynomial",
                "arctangent-by-polynomial",
                "function-of-angle-by-polynomial",
                "sum-beside-narrow-axis",
                "sum-over-narrow-axis",
                "threefry-written-out",
            ),
            Kind.FUSED,
        ),
        **dict.fromkeys(
            ("extreme-gradient-of-slices", "extreme-of-slices", "sum-of-slices"), Kind.WINDOWED
        ),
        **dict.fromkeys(
            (
                "argsort-of-packed",
                "colour-convolution-by-strips",
                "convolution-by-depth",
                "convolution-of-patches",
                "convolution-over-holes",
                "cumsum-by-blocks",
                "dot-of-matrices",
                "gradient-of-patches",
                "narrow-convolution-by-strips",
                "pointwise-convolution-by-dot",
                "sort-by-integers",
                "sort-of-packed",
                "sum-by-rows",
                "sum-of-groups-by-rows",
                "top-of-blocks",
            ),
            Kind.STORED,
        ),
    }
)
"""The kernels that run as fast, within a twentieth, on all programs on which they were measured."""

MOST_OPS: Final = 256
"""Programs of more ops were not measured; Adam over 200 leaves compiles four times as long."""


def xla_options(graph: Graph, fired: Iterable[str]) -> tuple[Option, ...]:
    """What XLA is to be told so that it compiles a program sooner, and runs it as fast or faster.

    The results are those of the other way within a rounding, and mostly to the bit.

    Args:
        graph: the optimized graph.
        fired: the rules and kernels that fired in it.
    """
    kernels = KERNELS.keys() & frozenset(fired)
    if not IS_MEASURED or not kernels <= KERNELS_AS_FAST.keys() or len(graph.body) > MOST_OPS:
        return ()
    if any(info.donated for info in graph.parameter_info):
        return ()  # their buffers are overwritten
    if ELEMENT_BY_ELEMENT[0] in os.environ.get("XLA_FLAGS", ""):
        return ()  # the user has said which
    if not Loops(graph, KERNELS_AS_FAST).are_as_fast():
        return ()
    return (ELEMENT_BY_ELEMENT,)
