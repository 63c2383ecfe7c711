"""Reductions over the first axes of large arrays.

Before 32768 elements and more, jaxlib 0.10 reduces column by column, each across the whole array.
Slices give whole rows instead. Of many rows the sum is a product with ones, and the extreme is
found by a loop over blocks of rows.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.lowering.kernels.kernel import SINCE_0_10, Evidence, Kernel, product
from compiler.ops.parameters import integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_KEPT: Final = 1 << 15
"""Before fewer elements the reduction goes row by row."""

ROWS: Final = range(4, 33)
"""So many slices: fewer were not measured, more take long to compile."""

MAX_ROWS: Final = 1024
"""More rows were not measured."""

BLOCK: Final = 16
"""So many rows are combined in one step of a loop."""

_COMBINE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "reduce_sum": lax.add,
    "reduce_max": lax.max,
    "reduce_min": lax.min,
}
_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "reduce_sum": jnp.sum,
    "reduce_max": jnp.max,
    "reduce_min": jnp.min,
}


def _rows_combined(m: Match) -> Callable[..., Any]:
    """The rows combined one after the other."""
    axes, combine = len(integers(m.root, "axes")), _COMBINE[m.root.name]
    rows = product(shape(m.x)[:axes])
    of_many = _sum_of_many if m.root.name == "reduce_sum" else partial(_extreme_of_many, combine)

    def combined(x: Any) -> Any:
        x = x.reshape(rows, *x.shape[axes:])
        return reduce(combine, _rows(x)) if rows < ROWS.stop else of_many(x)

    return combined


def _rows(x: Any) -> list[Any]:
    return [x[row] for row in range(x.shape[0])]


def _sum_of_many(x: Any) -> Any:
    ones = lax.full(x.shape[:1], 1, x.dtype)
    rows = lax.dot(ones, x.reshape(x.shape[0], -1), precision=lax.Precision.HIGHEST)
    return rows.reshape(x.shape[1:])


def _extreme_of_many(combine: Callable[[Any, Any], Any], x: Any) -> Any:
    """The extremes of blocks of rows, and of the rows that are left."""
    count = x.shape[0] // BLOCK
    blocks = x[: count * BLOCK].reshape(count, BLOCK, *x.shape[1:])

    def step(i: Any, found: Any) -> Any:
        block = lax.dynamic_index_in_dim(blocks, i, keepdims=False)
        return reduce(combine, _rows(block), found)

    found = lax.fori_loop(1, count, step, reduce(combine, _rows(blocks[0])))
    return reduce(combine, _rows(x[count * BLOCK :]), found)


def _over_first_axes(m: Match) -> str | None:
    axes, sizes = integers(m.root, "axes"), shape(m.x)
    if sorted(axes) != list(range(len(axes))) or not product(sizes[: len(axes)]) or not axes:
        return "it reduces other axes than the first ones"
    return None


def _rows_are_long(m: Match) -> str | None:
    count, sizes = len(integers(m.root, "axes")), shape(m.x)
    rows, kept = product(sizes[:count]), product(sizes[count:])
    if number_type(m.x).itemsize != 4:
        return "only numbers of 32 bits were measured"
    if not ROWS.start <= rows <= MAX_ROWS:
        return f"there are {rows} rows"
    return None if kept >= MIN_KEPT else "the rows are short"


def _by_rows(name: str, names: tuple[str, ...], numerics: Numerics, *ratios: float) -> Kernel:
    combined = _NUMPY[names[0]]

    def first(x: Any) -> Any:
        return combined(x, 0)

    def first_two(x: Any) -> Any:
        return combined(x, (0, 1))

    return Kernel(
        name=name,
        law="reduce(x, axis 0) = x[0] + x[1] + ..., and so for other reductions",
        pattern=op[names](_x),
        form=_rows_combined,
        numerics=numerics,
        guards=(_over_first_axes,),
        pays=_rows_are_long,
        since=SINCE_0_10,
        until=(0, 12, 0),
        examples=(
            *(example(lambda x, f=_NUMPY[one]: f(x, 0), "f32[a,b,c]") for one in names),
            *(example(lambda x, f=_NUMPY[one]: f(x, (0, 1)), "f32[3,13,5]") for one in names),
        ),
        rejects=(example(lambda x: combined(x, 1), "f32[a,b]"),),
        evidence=(
            Evidence(example(first, "f32[32,256,256]"), ratios[0]),
            Evidence(example(first, "f32[16,1024,64]"), ratios[1]),
            Evidence(example(first, "f32[1024,32768]"), ratios[2]),
            Evidence(example(first_two, "f32[8,8,256,256]"), ratios[3]),
        ),
    )


_x = var("x", FLOAT)

KERNELS: Final = (
    _by_rows("sum-by-rows", ("reduce_sum",), Numerics.ROUNDING, 40.2, 23.1, 30.8, 55.9),
    _by_rows("extreme-by-rows", ("reduce_max", "reduce_min"), Numerics.EXACT, 14.8, 11.9, 9.7, 7.4),
)
