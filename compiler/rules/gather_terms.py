"""Gathers of whole rows, read and made: what rules about gathers are written with."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from compiler.ir.attributes import EnumValue
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import element_kind, field, integers
from compiler.rewrite.expression import Term, array_type, shape, traced
from compiler.rules.index_terms import index_range


class Rows(NamedTuple):
    """A gather of whole rows along one dimension, which the index's dimensions take the place of.

    Attributes:
        op: the gather.
        dim: the dimension.
        mode: what happens out of range: ``CLIP``, ``PROMISE_IN_BOUNDS`` or ``FILL_OR_DROP``.
    """

    op: Operation
    dim: int
    mode: str

    @property
    def operand(self) -> Value:
        """What the rows are taken from."""
        return self.op.operands[0]

    @property
    def indices(self) -> Value:
        """Which rows: the last dimension is of size one."""
        return self.op.operands[1]

    @property
    def batch(self) -> tuple[int, ...]:
        """The sizes of the index without its last dimension."""
        return shape(self.indices)[:-1]

    @property
    def size(self) -> int:
        """How many rows there are to take from."""
        return shape(self.operand)[self.dim]

    @property
    def is_inside(self) -> bool:
        """Whether each index is known to be in range."""
        found = index_range(self.indices)
        return found is not None and found.low >= 0 and found.high < self.size

    @property
    def clips(self) -> bool:
        """Whether an index out of range takes the nearest row: so XLA treats a broken promise."""
        return self.mode in ("CLIP", "PROMISE_IN_BOUNDS") or self.is_inside

    @property
    def fills_with_nan(self) -> bool:
        """Whether a row out of range is nan."""
        fill = self.op.attributes.get("fill_value")
        is_float = array_type(self.op.result).dtype
        floating = isinstance(is_float, np.dtype) and element_kind(is_float) == "f"
        return floating and (fill is None or (isinstance(fill, float) and fill != fill))


def rows_of(op: Operation) -> Rows | None:
    """The gather read as rows; None if it does something else."""
    records = ("collapsed_slice_dims", "start_index_map", "operand_batching_dims", "offset_dims")
    collapsed, mapped, batching, offsets = (
        field(op, "dimension_numbers", name) for name in records
    )
    if len(collapsed) != 1 or collapsed != mapped or batching:
        return None
    (dim,) = collapsed
    sizes = list(shape(op.operands[0]))
    sizes[dim] = 1
    rank, width = len(sizes), len(shape(op.operands[1])) - 1
    places = tuple(d if d < dim else d + width - 1 for d in range(rank) if d != dim)
    mode = op.attributes.get("mode")
    if tuple(sizes) != integers(op, "slice_sizes") or offsets != places:
        return None
    return Rows(op, dim, mode.member) if isinstance(mode, EnumValue) else None


def take_rows(rows: Rows, operand: Term, indices: Term, dim: int) -> Any:
    """Rows of another array along some dimension, treated out of range as ``rows`` does."""
    mode, fill = rows.mode, rows.op.attributes.get("fill_value")
    return gathered_rows(operand, indices, dim, mode, fill)


def gathered_rows(operand: Term, indices: Term, dim: int, mode: str, fill: object = None) -> Any:
    """Whole rows along a dimension; the index's dimensions but its last take the place of it."""
    rank, width = len(shape(operand)), len(shape(indices)) - 1
    offsets = tuple(d if d < dim else d + width - 1 for d in range(rank) if d != dim)
    numbers = lax.GatherDimensionNumbers(offsets, (dim,), (dim,))
    sizes = tuple(1 if d == dim else size for d, size in enumerate(shape(operand)))

    def gather(x: jax.Array, i: jax.Array) -> jax.Array:
        how = lax.GatherScatterMode[mode]
        return lax.gather(x, i, numbers, sizes, mode=how, fill_value=fill)  # pyright: ignore[reportArgumentType]

    return traced(gather, operand, indices)


def picks_along(op: Operation) -> int | None:
    """The dimension along which a gather picks elements, each index in its own row of the others.

    So does ``take_along_axis``. None for a gather that does something else. What the index lacks of
    the operand's sizes is only the picked dimension, and it may pick any number of elements.
    """
    rank = len(shape(op.operands[0]))
    collapsed, batching, paired, offsets = (
        field(op, "dimension_numbers", name)
        for name in (
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "offset_dims",
        )
    )
    if len(collapsed) != 1 or collapsed != field(op, "dimension_numbers", "start_index_map"):
        return None
    others = tuple(d for d in range(rank) if d not in collapsed)
    whole = batching == others and paired == others and not offsets
    return collapsed[0] if whole and set(integers(op, "slice_sizes")) <= {1} else None
