"""Reads and writes at places known only when the program runs: whether they keep to their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from compiler.analysis.row_types import Rows, rank, size_in
from compiler.ir.graph import Operation, Use, Value
from compiler.ops.parameters import field

_NUMBERS: Final = "dimension_numbers"
_READS: Final = "it reads along the rows at places known only when it runs"
_WRITES: Final = "it writes along the rows at places known only when it runs"
_ACROSS: Final = "rows write into an array that all rows share"


def check_dynamic_slice(op: Operation, rows: Rows) -> str | None:
    """A window that spans all rows starts at the first, wherever it is asked to start."""
    return None if _same_rows(op.operands[0], op.results[0], rows) else _READS


def check_dynamic_update_slice(op: Operation, rows: Rows) -> str | None:
    """An update of all rows starts at the first; one of no rows changes no row of an array."""
    return None if _same_rows(op.operands[0], op.operands[1], rows) else _WRITES


def is_window_start(use: Use, rows: Rows) -> bool:
    """Whether a value is read as the place along the rows of a window that spans them all."""
    op, slot = use
    window = {"dynamic_slice": 1, "dynamic_update_slice": 2}.get(op.name)
    if window is None or slot - window != rows.axis(op.operands[0]):
        return False
    part = op.results[0] if window == 1 else op.operands[1]
    return _same_rows(op.operands[0], part, rows)


class _Indexing(NamedTuple):
    """The operand's axes and the indices' axes by what becomes of them.

    Attributes:
        windows: the operand's axes of which the window keeps all or part, in order.
        window_places: where they stand in the result of a gather, in the updates of a scatter.
        indexed: the operand's axes whose place the indices say.
        batching: the operand's axes that go with an axis of the indices.
        index_batching: those axes of the indices.
    """

    windows: Sequence[int]
    window_places: Sequence[int]
    indexed: Sequence[int]
    batching: Sequence[int]
    index_batching: Sequence[int]


def check_gather(op: Operation, rows: Rows) -> str | None:
    """Rows of the indices read a table, or each its own row; or whole columns of rows are read."""
    operand, indices = op.operands[:2]
    dropped = field(op, _NUMBERS, "collapsed_slice_dims")
    batching = field(op, _NUMBERS, "operand_batching_dims")
    indexing = _Indexing(
        [i for i in range(rank(operand)) if i not in dropped and i not in batching],
        field(op, _NUMBERS, "offset_dims"),
        field(op, _NUMBERS, "start_index_map"),
        batching,
        field(op, _NUMBERS, "start_indices_batching_dims"),
    )
    return None if _keeps_rows(indexing, operand, indices, op.results[0], rows) else _READS


def check_scatter(op: Operation, rows: Rows) -> str | None:
    """Each row is written to by its own row of the updates, or rows are written to alike."""
    operand, indices, updates = op.operands[:3]
    dropped = field(op, _NUMBERS, "inserted_window_dims")
    batching = field(op, _NUMBERS, "operand_batching_dims")
    indexing = _Indexing(
        [i for i in range(rank(operand)) if i not in dropped and i not in batching],
        field(op, _NUMBERS, "update_window_dims"),
        field(op, _NUMBERS, "scatter_dims_to_operand_dims"),
        batching,
        field(op, _NUMBERS, "scatter_indices_batching_dims"),
    )
    if rows.axis(operand) is None:
        return _ACROSS if rows.any_in([indices, updates]) else None
    return None if _keeps_rows(indexing, operand, indices, updates, rows) else _WRITES


def _keeps_rows(
    indexing: _Indexing, operand: Value, indices: Value, other: Value, rows: Rows
) -> bool:
    """Whether rows of the operand, the indices and the result (or updates) go with each other."""
    axis, index_axis, other_axis = rows.axis(operand), rows.axis(indices), rows.axis(other)
    if axis is None:
        return index_axis == other_axis or _index_place(indexing, indices, other, rows)
    if index_axis is not None:
        pairs = zip(indexing.batching, indexing.index_batching, strict=True)
        paired = (axis, index_axis) in pairs
        return paired and _index_place(indexing, indices, other, rows)
    if axis in indexing.indexed or axis not in indexing.windows or other_axis is None:
        return False
    place = indexing.window_places[list(indexing.windows).index(axis)]
    return place == other_axis and size_in(operand, axis) == size_in(other, place)


def _index_place(indexing: _Indexing, indices: Value, other: Value, rows: Rows) -> bool:
    """Whether the rows of the indices are the rows of the result or updates."""
    index_axis, other_axis = rows.axis(indices), rows.axis(other)
    if index_axis is None or other_axis is None or index_axis == rank(indices) - 1:
        return False
    outer = [i for i in range(rank(other)) if i not in indexing.window_places]
    return outer[index_axis] == other_axis


def _same_rows(first: Value, second: Value, rows: Rows) -> bool:
    """Whether both have all rows in one axis, or neither has any."""
    axis, other = rows.axis(first), rows.axis(second)
    if axis is None or other is None:
        return axis is other
    return axis == other and size_in(first, axis) == size_in(second, axis)
