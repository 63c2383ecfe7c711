"""What becomes of an op in XLA's loops: where its result lies, and what its code needs."""

from __future__ import annotations

from math import prod
from typing import Final

import numpy as np

from compiler.analysis.flops import elements
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from compiler.ops.parameters import integers

LARGE_WINDOW: Final = 4
"""Elements of a window of which more were not as fast: of 3 x 3 a gradient runs at 0.8."""

FREE: Final = frozenset(
    {
        *("bitcast_convert_type", "broadcast_in_dim", "constant", "iota"),
        *("platform_index", "random_unwrap", "reshape", "return", "squeeze", "stop_gradient"),
    }
)
"""Ops of which nothing is left in a loop, or next to nothing."""

FACTORS: Final = frozenset({"cholesky", "lu", "triangular_solve"})
PICKING: Final = frozenset({"dynamic_slice", "gather", "slice"})
TRUTHS: Final = frozenset({"reduce_and", "reduce_or"})
STORING: Final = FACTORS | TRUTHS | {"dot_general", "sort", "top_k"}
"""Ops that a library computes, or a loop of their own that is as fast either way."""

_SERIES: Final = frozenset(
    {
        *("atan2", "erf", "erf_inv", "exp", "expm1", "lgamma", "log", "log1p", "logistic", "pow"),
        *("rsqrt", "sqrt", "tanh"),
    }
)
"""Ops of a series that were measured. Sines are not vectorised; a cube root has other bits."""

DEAR: Final = TRANSCENDENTAL | {"div", "rem"}
"""Ops that XLA does not compute anew for each reader."""

CASTS: Final = frozenset({"convert_element_type"})
LOOPS: Final = (ELEMENTWISE - TRANSCENDENTAL) | _SERIES | CASTS | {"copy"}
_SINGLE: Final = frozenset(["float16", "float32"])
_DTYPES: Final = _SINGLE | {"bfloat16", "float64", "bool"}
"""With integers, what was measured. Products of complex numbers are rounded otherwise."""


def is_kernel(op: Operation) -> bool:
    """Whether it is a kernel beside the op that it stands in for."""
    if op.name != "cond" or not op.operands:
        return False
    owner = op.operands[0].owner
    return isinstance(owner, Operation) and owner.name == "platform_index"


def is_shrinking(op: Operation) -> bool:
    """Whether it is a kernel of fewer elements than it reads, which it computes with."""
    return is_kernel(op) and elements(op.results[0]) < max(map(elements, op.operands))


def are_apart(op: Operation) -> bool:
    """Whether a kernel's windows are small, share no element, and lie beside the rows."""
    inner = [one for region in op.regions for one in region if "window_strides" in one.attributes]
    sizes = [integers(one, "window_dimensions") for one in inner]
    strides = [integers(one, "window_strides") for one in inner]
    pairs = [pair for row in zip(sizes, strides, strict=True) for pair in zip(*row, strict=True)]
    if not inner or any(a > b for a, b in pairs):
        return False
    return all(one[-1] == 1 and prod(one) <= LARGE_WINDOW for one in sizes)


def is_across(op: Operation) -> bool:
    """Whether it is a reduction of truth values over several axes, but not over the rows."""
    if op.name not in TRUTHS:
        return False
    axes, value = integers(op, "axes"), op.operands[0]
    rank = len(value.type.shape) if isinstance(value.type, ArrayType) else 0
    return len(axes) > 1 and rank - 1 not in axes


def is_unwritten(op: Operation) -> bool:
    """Whether XLA may have no such loop for it: of extremes of truth values it makes a clamp."""
    return op.name in ("clamp", "max", "min") and _dtype(op.result) == "bool"


def is_return(op: Operation) -> bool:
    """Whether it ends the program."""
    return op.name == "return"


def is_kept(op: Operation) -> bool:
    """Whether XLA stores what the op computes, as computing it for each reader would be dear."""
    if op.name not in DEAR and not is_kernel(op):
        return False
    return sum(_count_readers(value) for value in op.results) > 1


def _count_readers(value: Value) -> int:
    """How many ops read a value, through those of which nothing is left."""
    through = [reader for reader in value.readers if reader.name in FREE - {"return"}]
    behind = sum(_count_readers(result) for reader in through for result in reader.results)
    return value.use_count - len(through) + behind


def is_written(op: Operation) -> bool:
    """Whether XLA writes a loop for it, and calls no library."""
    return is_of_vector(op) or (op.name not in FREE and op.name not in STORING)


def is_of_vector(op: Operation) -> bool:
    """Whether it is a product with a vector, for which XLA writes a loop."""
    if op.name != "dot_general":
        return False
    return any(isinstance(v.type, ArrayType) and len(v.type.shape) == 1 for v in op.operands)


def is_loop(op: Operation) -> bool:
    """Whether XLA computes it in loops of which both ways were measured."""
    if op.name not in LOOPS:
        return False
    return op.name not in _SERIES or all(_dtype(value) in _SINGLE for value in op.operands)


def _dtype(value: Value) -> str:
    return str(value.type.dtype) if isinstance(value.type, ArrayType) else ""


def is_half(value: Value) -> bool:
    """Whether it is of bfloat16, which x86 computes in 32 bits."""
    return _dtype(value) == "bfloat16"


def is_known(value: Value) -> bool:
    """Whether it is an array of known size, of elements that were measured."""
    type = value.type
    if not isinstance(type, ArrayType) or not type.is_static:
        return False
    if not isinstance(type.dtype, np.dtype):
        return False
    return type.dtype.name in _DTYPES or type.dtype.kind in "iu"


def rows(value: Value) -> tuple[int, ...]:
    """A shape without the axes of one element, of one at least."""
    sizes = value.type.shape if isinstance(value.type, ArrayType) else ()
    return tuple(size for size in sizes if isinstance(size, int) and size != 1) or (1,)
