"""Functions of rows, computed for a block of rows at a time, so that what lies between stays small.

What a kernel stores on its way is then as large as a block and stays in the cache, where plain XLA
stores nothing at all.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
from jax import lax

from compiler.lowering.kernels.kernel import product

MIN_SIZE: Final = 1 << 20
"""Elements of an array from which on it is taken block by block."""

BLOCK: Final = 1 << 17
"""Elements of a block at most."""

SMALLEST: Final = 1 << 13
"""Elements of a block at least: a run of the loop is to cost nothing beside its work."""


def by_row_blocks(function: Callable[[Any], Any], x: Any, axis: int) -> Any:
    """What a function of all rows gives, whose rows do not depend on each other.

    Args:
        function: takes an array of rows, which lie along its last axis, and gives arrays that begin
            with as many.
        x: the array.
        axis: along which the rows lie. Only those along the last one are taken in blocks.
    """
    rows = _rows_of_a_block(x.shape) if axis == x.ndim - 1 else 0
    if not rows:
        return function(x)
    count = product(x.shape[:-1]) // rows
    found = lax.map(function, x.reshape(count, rows, x.shape[-1]))

    def joined(blocks: Any) -> Any:
        return blocks.reshape(*x.shape[:-1], *blocks.shape[2:])

    return jax.tree.map(joined, found)


def _rows_of_a_block(sizes: tuple[int, ...]) -> int:
    """So many rows that blocks come out even; 0 where they do not, or are not worth it."""
    total, length = product(sizes[:-1]), sizes[-1]
    if total * length < MIN_SIZE:
        return 0
    most = BLOCK // length
    rows = next((n for n in range(most, 0, -1) if total % n == 0), 0)
    return rows if rows * length >= SMALLEST else 0
