"""The kernels of tracegraph: tables of other ways to compute an op, one module per subject.

Importing it offers those that hold for the installed jaxlib to the pass ``lower-platform``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from compiler.lowering.kernels import (
    attention,
    convolution_gradients,
    convolution_patches,
    convolution_shapes,
    convolution_strips,
    convolutions,
    cumulative,
    cumulative_blocks,
    dot_shapes,
    dots,
    elementary,
    extremes,
    grouped_gradients,
    grouped_sums,
    narrow,
    ordering,
    ordinary_convolutions,
    places,
    random_bits,
    resizes,
    rolls,
    searches,
    small_factors,
    top,
    window_gradients,
    windows,
)
from compiler.lowering.kernels.kernel import Kernel
from compiler.passes.lower_platform import offer

_TABLES: Final = (
    attention,
    convolution_patches,
    convolution_strips,
    convolution_shapes,
    convolution_gradients,
    ordinary_convolutions,
    convolutions,
    cumulative_blocks,
    cumulative,
    resizes,
    dot_shapes,
    dots,
    elementary,
    extremes,
    grouped_gradients,
    grouped_sums,
    narrow,
    ordering,
    places,
    random_bits,
    rolls,
    searches,
    small_factors,
    top,
    window_gradients,
    windows,
)

GROUPS: Final[Mapping[str, tuple[Kernel, ...]]] = MappingProxyType(
    {module.__name__.rpartition(".")[2]: module.KERNELS for module in _TABLES}
)
"""All kernels by the name of their table, in the order in which they are tried."""

KERNELS: Final[Mapping[str, Kernel]] = MappingProxyType(
    {kernel.name: kernel for kernels in GROUPS.values() for kernel in kernels}
)
"""All kernels by their names."""

for _kernel in KERNELS.values():
    if _kernel.is_current:
        offer(_kernel.rule(), _kernel.needs)
