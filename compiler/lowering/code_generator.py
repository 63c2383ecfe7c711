"""Which of XLA's two ways to write the code of a program serves it better on the CPU.

XLA fuses ops into loops and writes each loop's code in one of two ways: through MLIR, as it does
unless it is told otherwise, or element by element, straight to LLVM. Element by element a loop
compiles in two thirds of the time, and an op that stands alone runs up to three times as fast: in
MLIR such a loop is not vectorised. But a loop that overwrites what it reads is not vectorised by
the other way, and neither joins nor loops within loops are as good there. XLA takes one way for a
whole program, so only programs are named here of which every op is measured to run as fast.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.kernel import SINCE_0_10, is_between
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL

Option: TypeAlias = tuple[str, str | bool | int]
"""An option of XLA's and its value."""

ELEMENT_BY_ELEMENT: Final[Option] = ("xla_cpu_use_fusion_emitters", False)

IS_MEASURED: Final = is_between(SINCE_0_10, (0, 11, 0))
"""Whether the installed jaxlib is one that was measured: 0.7.2 gains less, 0.11.1 lost the way."""


class Leaves(Enum):
    """What a kernel leaves to those that read its result."""

    FUSED = "its loop goes on in theirs"
    STORED = "its result is stored, and they read it"


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
            Leaves.FUSED,
        ),
        **dict.fromkeys(
            (
                "argsort-of-packed",
                "colour-convolution-by-strips",
                "convolution-by-depth",
                "convolution-of-patches",
                "convolution-over-holes",
                "dot-of-matrices",
                "extreme-of-slices",
                "gradient-of-patches",
                "narrow-convolution-by-strips",
                "pointwise-convolution-by-dot",
                "sort-by-integers",
                "sort-of-packed",
                "sum-by-rows",
                "sum-of-groups-by-rows",
                "sum-of-slices",
                "top-of-blocks",
            ),
            Leaves.STORED,
        ),
    }
)
"""The kernels that run as fast, within a twentieth, on all programs on which they were measured."""

MOST_OPS: Final = 256
"""Programs of more ops were not measured; Adam over 200 leaves compiles four times as long."""

MOST_LOOPS: Final = 8
MOST_ALIKE: Final = 2
"""Steps of gradient descent over 10 leaves, which are equal loops, take three times as long."""

SMALL: Final = 1024
"""Bytes of an array of which it does not matter how fast it is overwritten."""

_FREE: Final = frozenset(
    {
        *("bitcast_convert_type", "broadcast_in_dim", "constant", "expand_dims", "iota"),
        *("platform_index", "random_unwrap", "reshape", "return", "squeeze", "stop_gradient"),
    }
)
"""Ops of which nothing is left in a loop, or next to nothing."""

_PICKING: Final = frozenset({"dynamic_slice", "gather", "slice"})
_STORING: Final = frozenset(
    {
        *("cholesky", "dot_general", "lu", "reduce_and", "reduce_or", "sort", "top_k"),
        "triangular_solve",
    }
)
"""Ops that a library computes, or a loop of their own that is as fast either way."""

_SERIES: Final = frozenset(
    {
        *("atan2", "erf", "erf_inv", "exp", "expm1", "lgamma", "log", "log1p", "logistic", "pow"),
        *("rsqrt", "sqrt", "tanh"),
    }
)
"""Ops of a series that were measured. Sines are not vectorised; a cube root has other bits."""

_DEAR: Final = TRANSCENDENTAL | {"div", "rem"}
"""Ops that XLA does not compute anew for each reader."""

_LOOPS: Final = (ELEMENTWISE - TRANSCENDENTAL) | _SERIES | {"convert_element_type", "copy"}
_SINGLE: Final = frozenset(["float16", "float32"])
_DTYPES: Final = _SINGLE | {"bfloat16", "float64", "bool"}
"""With integers, what was measured. Products of complex numbers are rounded otherwise."""


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
    stored = {name for name in kernels if KERNELS_AS_FAST[name] is Leaves.STORED}
    program = _Program(Leaves.STORED if stored else Leaves.FUSED)
    if not all(map(program.serves, graph.body)) or not program.is_of_few_loops(graph.body):
        return ()
    return (ELEMENT_BY_ELEMENT,)


class _Program:
    """A walk through a program's ops, in order.

    Args:
        kernel: what its kernels leave to others.
    """

    def __init__(self, kernel: Leaves) -> None:
        self._kernel = kernel
        self._stored: set[Value] = set()
        """What may be overwritten by the loop that reads it: large arrays that are no arguments."""
        self._computed: set[Value] = set()
        """What a loop computes, and would have to compute again for each other loop."""
        self._has_loops = False

    def serves(self, op: Operation) -> bool:
        """Whether the op runs as fast element by element."""
        if not all(map(_is_known, op.results)):
            return False
        self._has_loops = self._has_loops or _is_kernel(op) or _is_written(op)
        if op.name in _PICKING:
            return op.operands[0] not in self._computed
        reads_stored = any(value in self._stored for value in op.operands)
        stores = self._stores(op)
        if stores or reads_stored:
            self._stored.update(value for value in op.results if not _is_small(value))
        if stores:
            return True
        if op.name not in _FREE or any(value in self._computed for value in op.operands):
            self._computed.update(op.results)
        if op.name in _FREE:
            return True
        overwrites = reads_stored or _is_kept(op)
        return (_is_kernel(op) or _is_loop(op)) and (not overwrites or _are_small(op.results))

    def is_of_few_loops(self, body: Region) -> bool:
        """Whether there are loops, none computes what another does, and they are few.

        What several loops need XLA computes in loops of its own, each of which overwrites what it
        reads. And equal loops are compiled once in MLIR, each for itself the other way.
        """
        ends: dict[Value, frozenset[Value]] = {}
        for op in reversed(body):
            for value in op.results:
                ends[value] = self._ends(value, ends)
        computed = [found for value, found in ends.items() if value in self._computed]
        loops = frozenset[Value]().union(*computed)
        alike = Counter(map(_likeness, loops)).values()
        few = len(loops) <= MOST_LOOPS and max(alike, default=0) <= MOST_ALIKE
        return self._has_loops and few and all(len(found) <= 1 for found in computed)

    def _ends(self, value: Value, ends: Mapping[Value, frozenset[Value]]) -> frozenset[Value]:
        """The stored values that the loops end in which compute a value."""
        readers = value.readers
        is_end = any(reader.name == "return" or self._stores(reader) for reader in readers)
        results = (result for reader in readers for result in reader.results)
        beyond = (ends[result] for result in results if result in self._computed)
        return frozenset({value} if is_end else ()).union(*beyond)

    def _stores(self, op: Operation) -> bool:
        """Whether an op's operands and results are stored."""
        return op.name in _STORING or (_is_kernel(op) and self._kernel is Leaves.STORED)


def _is_kernel(op: Operation) -> bool:
    """Whether it is a kernel beside the op that it stands in for."""
    if op.name != "cond" or not op.operands:
        return False
    owner = op.operands[0].owner
    return isinstance(owner, Operation) and owner.name == "platform_index"


def _is_kept(op: Operation) -> bool:
    """Whether XLA stores what the op computes, as computing it for each reader would be dear."""
    if op.name not in _DEAR and not _is_kernel(op):
        return False
    return sum(_count_readers(value) for value in op.results) > 1


def _count_readers(value: Value) -> int:
    """How many ops read a value, through those of which nothing is left."""
    through = [reader for reader in value.readers if reader.name in _FREE - {"return"}]
    behind = sum(_count_readers(result) for reader in through for result in reader.results)
    return value.use_count - len(through) + behind


def _is_written(op: Operation) -> bool:
    """Whether XLA writes a loop for it, and calls no library."""
    if op.name == "dot_general":
        return any(isinstance(v.type, ArrayType) and len(v.type.shape) == 1 for v in op.operands)
    return op.name not in _FREE and op.name not in _STORING


def _is_loop(op: Operation) -> bool:
    if op.name not in _LOOPS:
        return False
    return op.name not in _SERIES or all(_dtype(value) in _SINGLE for value in op.operands)


def _dtype(value: Value) -> str:
    return str(value.type.dtype) if isinstance(value.type, ArrayType) else ""


def _is_known(value: Value) -> bool:
    """Whether it is an array of known size, of elements that were measured."""
    type = value.type
    if not isinstance(type, ArrayType) or not type.is_static:
        return False
    if not isinstance(type.dtype, np.dtype):
        return False
    return type.dtype.name in _DTYPES or type.dtype.kind in "iu"


def _are_small(values: Iterable[Value]) -> bool:
    return all(map(_is_small, values))


def _likeness(value: Value) -> tuple[str, str]:
    """What loops that may be equal agree in: the op that they end in, and its type."""
    name = value.owner.name if isinstance(value.owner, Operation) else ""
    return name, str(value.type)


def _is_small(value: Value) -> bool:
    return isinstance(value.type, ArrayType) and value.type.nbytes <= SMALL
