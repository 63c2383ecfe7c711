"""Running sums along the last axis, block by block: products with a triangle of ones.

A loop over single columns reads the memory across. The sums within all blocks of a row are one
product of matrices instead, and what came before each block is a running sum of the blocks' totals.
In a product every element meets all others of its block, an infinity a zero; so where the totals
are not finite, the sums are computed once more, column by column.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.cumulative import plus, row_by_row, summed_up
from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.kernel import SINCE_0_10, Evidence, Kernel, lies_in_rows, product
from compiler.ops.parameters import integer, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

BLOCK: Final = 32
"""With 64 elements 0.6 to 0.95 times as fast, with 16 about 0.75, by size."""

MAX_BLOCKS: Final = 512
"""Of more blocks the totals are summed up in a loop that keeps what it rounds away: a triangle
would be large, and so many roundings would add up."""

MIN_AXIS: Final = 256
"""Shorter rows have too few blocks."""

MIN_ROWS: Final = 32
"""For fewer rows the loop over columns is as good."""

MIN_SIZE: Final = 1 << 16
"""Smaller arrays are summed up before the difference can be measured."""


def _by_blocks(m: Match) -> Callable[..., Any]:
    """The sums, by blocks if all of them are finite."""
    by_column, backwards = row_by_row(m), bool(m.root.attributes["reverse"])

    def running(x: Any) -> Any:
        sums, are_finite = _sums(x.reshape(-1, x.shape[-1]), backwards)

        return or_else(sums.reshape(x.shape), jnp.logical_not(are_finite), lambda: by_column(x))

    return running


def _sums(x: Any, backwards: bool) -> tuple[Any, Any]:
    """The running sums of rows, and whether all of them are finite."""
    rows, size = x.shape
    within = _dot(x.reshape(-1, BLOCK), _triangle(backwards))
    within = within.reshape(rows, size // BLOCK, BLOCK)
    totals = within[:, :, 0 if backwards else -1]
    before = _before(totals, backwards)
    sums = within + before[:, :, None]
    return sums.reshape(rows, size), jnp.all(jnp.isfinite(before + totals))


def _before(totals: Any, backwards: bool) -> Any:
    """What comes before each block of a row: few blocks are one more product."""
    rows, blocks = totals.shape
    if blocks <= MAX_BLOCKS:
        return _dot(totals, _strict_triangle(blocks, backwards))
    start = jnp.zeros(rows, totals.dtype)
    found = summed_up(plus, start, totals.T, backwards)
    edges = (-1, 1, 0) if backwards else (1, -1, 0)
    return lax.pad(found, np.float32(0), [edges, (0, 0, 0)]).T


def _triangle(backwards: bool) -> Any:
    """Ones where an element of a block's row is added to a sum of its column.

    A number each, not computed: XLA writes out the loops of so small a triangle, and a running sum
    compiles for twice as long.
    """
    ones = np.ones((BLOCK, BLOCK), np.float32)
    return np.tril(ones) if backwards else np.triu(ones)


def _strict_triangle(size: int, backwards: bool) -> Any:
    """Ones where a block's total is added to what comes before another block."""
    one, other = lax.iota(np.int32, size)[:, None], lax.iota(np.int32, size)[None]
    return (one > other if backwards else one < other).astype(np.float32)


def _dot(x: Any, y: Any) -> Any:
    return lax.dot(x, y, precision=lax.Precision.HIGHEST)


def _along_rows_of_blocks(m: Match) -> str | None:
    sizes = shape(m.x)
    if number_type(m.x) != np.float32:
        return "it is not of 32-bit floats"
    if integer(m.root, "axis") != len(sizes) - 1 or not product(sizes):
        return "it is along another axis than the last one, or of nothing"
    return None if sizes[-1] % BLOCK == 0 else f"the rows are not made of blocks of {BLOCK}"


def _has_enough(m: Match) -> str | None:
    sizes = shape(m.x)
    if sizes[-1] < MIN_AXIS or product(sizes[:-1]) < MIN_ROWS or product(sizes) < MIN_SIZE:
        return "the rows are short, or few"
    return None


def _cumsum(x: Any) -> Any:
    return lax.cumsum(x, axis=x.ndim - 1)


KERNELS: Final = (
    Kernel(
        name="cumsum-by-blocks",
        law="cumsum(x)[b, i] = sum(x[:b]) + x[b] @ triangle[:, i]",
        pattern=op.cumsum(var("x", FLOAT)),
        form=_by_blocks,
        numerics=Numerics.ROUNDING,
        guards=(_along_rows_of_blocks,),
        since=SINCE_0_10,
        pays=lambda m: _has_enough(m) or lies_in_rows(m),
        examples=(
            example(_cumsum, "f32[a,256]"),
            example(lambda x: lax.cumsum(x, axis=2, reverse=True), "f32[a,b,96]"),
        ),
        rejects=(
            example(lambda x: lax.cumsum(x, axis=0), "f32[64,a]"),
            example(_cumsum, "f32[31]"),
            example(_cumsum, "f16[64]"),
        ),
        evidence=(
            Evidence(example(_cumsum, "f32[64,8192]"), 3.5),
            Evidence(example(_cumsum, "f32[512,1024]"), 2.2),
            Evidence(example(_cumsum, "f32[2048,256]"), 2.5),
        ),
    ),
)
