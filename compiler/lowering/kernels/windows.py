"""Pooling windows as slices of the whole array.

XLA's CPU backend runs over a window's elements inside the loop over the result, where nothing
vectorises. A slice for each place of a window gives loops over whole rows instead. Where there is
padding, the padded array is stored: up to 1.3 times the array.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation
from compiler.lowering.kernels.fences import apart, stored
from compiler.lowering.kernels.kernel import IS_EARLY, Evidence, Kernel, product
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import integer_table, integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, op, var
from compiler.rewrite.rule import example
from compiler.rules.reduction_terms import highest, lowest

MAX_WINDOW: Final = 5
"""So many slices at most along each dimension; of a window of 7 by 7 XLA's loop is faster."""

SMALL_EARLY_WINDOW: Final = 3
"""The small window of a jaxlib before 0.10."""

SMALL_WINDOW: Final = SMALL_EARLY_WINDOW if IS_EARLY else 2
"""Storing the padding takes longer than what windows of so many elements along a dimension save."""

MIN_SIZE: Final = 4096
"""Smaller arrays are pooled before the difference can be measured."""

_COMBINE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "reduce_window_sum": lax.add,
    "reduce_window_max": lax.max,
    "reduce_window_min": lax.min,
}


def neutral(name: str, dtype: Any) -> Any:
    """What padding counts as in a pool."""
    if name == "reduce_window_sum":
        return 0
    return lowest(dtype) if name == "reduce_window_max" else highest(dtype)


def _pooled(m: Match) -> Callable[..., Any]:
    """One dimension after the other, the one that leaves the fewest elements first."""
    window, strides = integers(m.root, "window_dimensions"), integers(m.root, "window_strides")
    base, dilation = integers(m.root, "base_dilation"), integers(m.root, "window_dilation")
    padding = integer_table(m.root, "padding")
    name, combine = m.root.name, _COMBINE[m.root.name]
    axes = sorted(range(len(window)), key=lambda axis: -strides[axis])
    is_read_again = _is_read_again(m)

    def pooled(x: Any) -> Any:
        edges = [(low, high, step - 1) for (low, high), step in zip(padding, base, strict=True)]
        x = lax.pad(x, jnp.asarray(neutral(name, x.dtype), x.dtype), edges)
        for axis in axes:
            places = [place * dilation[axis] for place in range(window[axis])]
            count = (x.shape[axis] - places[-1] - 1) // strides[axis] + 1
            parts = [every(x, axis, place, strides[axis], count) for place in places]
            x = reduce(combine, parts)
        return stored(x) if is_read_again else apart(x)

    return pooled


def _is_read_again(m: Match) -> bool:
    """Whether several convolutions read it, or what elementwise operations make of it.

    The gradient by a window reads its image transposed, and XLA would pool it once more for that,
    in an order in which nothing vectorises: in eleven times the time.
    """
    pending, seen = [m.root.result], set[Operation]()
    while pending:
        new = [reader for reader in pending.pop().readers if reader not in seen]
        seen.update(new)
        pending += [v for reader in new if reader.name in ELEMENTWISE for v in reader.results]
    return sum(reader.name == "conv_general_dilated" for reader in seen) > 1


def every(x: Any, axis: int, start: int, stride: int, count: int) -> Any:
    """So many elements along an axis, each a stride behind the one before."""
    if (start, stride, count) == (0, 1, x.shape[axis]):
        return x
    start = min(start, x.shape[axis])
    return lax.slice_in_dim(x, start, start + max(0, (count - 1) * stride + 1), stride, axis)


def _pool_is_slow(m: Match) -> str | None:
    window, dtype = integers(m.root, "window_dimensions"), number_type(m.x)
    if max(window, default=0) > MAX_WINDOW:
        return f"a window has {max(window)} elements along one dimension"
    if sum(size > 1 for size in window) < 2:
        return "along one dimension XLA's own loops are as good"
    if _is_padded(m) and _is_sparse(m):
        return "padding is stored, and the windows overlap little"
    if dtype.itemsize == 2 and jnp.issubdtype(dtype, np.floating):
        return "numbers of 16 bits are widened for each step"
    return None if product(shape(m.x)) >= MIN_SIZE else "the array is small"


def _is_padded(m: Match) -> bool:
    """Whether the padding is stored before slices are taken, which XLA's windows do not need."""
    maker = m.x.producer
    is_made = maker is not None and maker.name == "pad"
    return is_made or any(map(any, integer_table(m.root, "padding")))


def _is_sparse(m: Match) -> bool:
    """Whether elements are in one window only, or in no more than two along each dimension."""
    window, strides = integers(m.root, "window_dimensions"), integers(m.root, "window_strides")
    pairs = zip(window, strides, strict=True)
    return max(window) <= SMALL_WINDOW or all(n <= stride for n, stride in pairs)


def pool(x: Any, size: int, stride: int, padding: str = "VALID", combine: Any = lax.max) -> Any:
    """A pool over images whose channels come last."""
    start = np.asarray(neutral(_NAMES[combine], x.dtype)).astype(x.dtype)
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, start, combine, window, strides, padding)


_NAMES: Final = {
    lax.max: "reduce_window_max",
    lax.min: "reduce_window_min",
    lax.add: "reduce_window_sum",
}
_x = var("x", FLOAT + INTEGER)


def _pools(
    name: str, law: str, combines: tuple[Any, ...], ratios: tuple[float, ...], **others: Any
) -> Kernel:
    measured = ((2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME"), (5, 1, "SAME"))
    names = tuple(_NAMES[combine] for combine in combines)
    return Kernel(
        name=name,
        law=law,
        pattern=op[names](_x),
        form=_pooled,
        context=_is_read_again,
        pays=_pool_is_slow,
        examples=tuple(
            example(
                lambda x, c=combine, one=one: pool(x, one[0], one[1], one[2], c), "f32[a,7,9,c]"
            )
            for combine in combines
            for one in ((3, 2, "SAME"), (2, 2, "VALID"), (2, 3, "SAME"))
        ),
        evidence=tuple(
            Evidence(
                example(
                    lambda x, one=one: pool(jax.nn.relu(x), one[0], one[1], one[2], combines[0]),
                    "f32[16,64,64,32]",
                ),
                ratio,
                early=one[0] > SMALL_EARLY_WINDOW or one[2] == "VALID",
            )
            for one, ratio in zip(measured, ratios, strict=True)
        ),
        **others,
    )


KERNELS: Final = (
    _pools(
        "extreme-of-slices",
        "max pool(x)[i] = max of x[i * stride + j] over the places j of a window",
        (lax.max, lax.min),
        (2.2, 3.1, 7.5, 9.5),
    ),
    _pools(
        "sum-of-slices",
        "sum pool(x)[i] = sum of x[i * stride + j] over the places j of a window",
        (lax.add,),
        (4.5, 2.2, 3.4, 4.1),
        numerics=Numerics.ROUNDING,
    ),
)
