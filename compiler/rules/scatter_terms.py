"""Writes into arrays at known places, read from scatters and dynamic_update_slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import field
from compiler.rewrite.expression import Term, shape
from compiler.rules.dot_terms import reshape, transpose
from compiler.rules.index_terms import known_integers

ADDING: Final = frozenset({"scatter-add", "scatter_add"})


class Writes(NamedTuple):
    """A scatter of whole rows at known places of one dimension, each in range and another one.

    Attributes:
        op: the scatter.
        dim: the dimension.
        places: where the rows go.
        update: the rows, in the place of that dimension.
    """

    op: Operation
    dim: int
    places: Array
    update: Term

    @property
    def operand(self) -> Value:
        """What is written into."""
        return self.op.operands[0]

    @property
    def size(self) -> int:
        """How many places there are."""
        return shape(self.operand)[self.dim]

    @property
    def adds(self) -> bool:
        """Whether the rows are added to what is there."""
        return self.op.name in ADDING


def writes_of(op: Operation) -> Writes | None:
    """The scatter read as rows at known places; None if it does something else."""
    if applies_a_function(op):
        return None
    operand, indices, updates = op.operands
    windows, inserted, mapped, batching = _numbers(op)
    index = known_integers(indices)
    if index is None or len(mapped) != 1 or batching or index.shape[-1:] != (1,):
        return None
    (dim,) = mapped
    if inserted == (dim,) and index.ndim <= 2:
        places = index.reshape(-1).astype(np.int64)
        update = _rows_in_place(updates, windows, dim)
    elif not inserted and index.ndim == 1:
        places = int(index[0]) + np.arange(shape(updates)[dim])
        update = updates
    else:
        return None
    whole = [size for d, size in enumerate(shape(operand)) if d != dim]
    fits = [size for d, size in enumerate(shape(update)) if d != dim] == whole
    inside = places.size > 0 and places.min() >= 0 and places.max() < shape(operand)[dim]
    different = len(set(places.tolist())) == places.size
    return Writes(op, dim, places, update) if fits and inside and different else None


def _numbers(op: Operation) -> Sequence[tuple[int, ...]]:
    names = ("update_window_dims", "inserted_window_dims", "scatter_dims_to_operand_dims")
    return [field(op, "dimension_numbers", n) for n in (*names, "operand_batching_dims")]


def _rows_in_place(updates: Value, windows: Sequence[int], dim: int) -> Term:
    """The updates with the dimension that counts the rows in the place of the one written to."""
    sizes = shape(updates)
    counting = [d for d in range(len(sizes)) if d not in windows]
    if not counting:
        return reshape(updates, (*sizes[:dim], 1, *sizes[dim:]))
    order = [*windows[:dim], *counting, *windows[dim:]]
    return updates if order == sorted(order) else transpose(updates, order)


class Window(NamedTuple):
    """A write of one piece at a known place.

    Attributes:
        starts: where the piece begins, by dimension.
        sizes: its sizes.
        whole: the sizes of what it is written into.
        update: the piece; of the given sizes but for dimensions of size one.
    """

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    whole: tuple[int, ...]
    update: Value


def window_of(op: Operation) -> Window | None:
    """The op read as a write of one piece; None if it is something else."""
    if op.name == "dynamic_update_slice":
        return _of_update(op)
    return _of_scatter(op) if op.name == "scatter" and not applies_a_function(op) else None


def applies_a_function(op: Operation) -> bool:
    """Whether a scatter writes what a function of the user's makes of the old element."""
    return op.name == "scatter" and op.attributes.get("update_jaxpr") is not None


def _of_update(op: Operation) -> Window | None:
    operand, update, *starts = op.operands
    known = [known_integers(start) for start in starts]
    whole, sizes = shape(operand), shape(update)
    numbers = [int(start) for start in known if start is not None]
    if len(numbers) < len(starts):
        return None
    room = [size - own for size, own in zip(whole, sizes, strict=True)]
    places = tuple(min(max(n, 0), most) for n, most in zip(numbers, room, strict=True))
    return Window(places, sizes, whole, update)


def _of_scatter(op: Operation) -> Window | None:
    operand, indices, updates = op.operands
    windows, inserted, mapped, batching = _numbers(op)
    index = known_integers(indices)
    if (
        index is None
        or index.size != len(mapped)
        or batching
        or len(windows) != len(shape(updates))
    ):
        return None
    whole, rest = shape(operand), iter(shape(updates))
    sizes = tuple(1 if d in inserted else next(rest) for d in range(len(whole)))
    at = dict(zip(mapped, index.reshape(-1).tolist(), strict=True))
    starts = tuple(int(at.get(d, 0)) for d in range(len(whole)))
    inside = all(
        0 <= start <= size - own for start, size, own in zip(starts, whole, sizes, strict=True)
    )
    return Window(starts, sizes, whole, updates) if inside else None
