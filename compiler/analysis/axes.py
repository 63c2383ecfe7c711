"""Where an axis of an op's operands lies in its results: what a loop over the axis has to know.

An op *carries* an axis if each place along it in the results depends on the same place in the
operands alone, or if it sums over the axis. Then it can be computed for some places at a time. What
is asked here is one op and one axis; any of its ends may be known. Sorts and running sums are no
such ops here: kernels compute them many times faster as a whole than XLA does in a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import dot_dimensions, field, integers

Axis: TypeAlias = "int | None"
"""The place of the axis in a value; None where the value does not have it, or it is not known."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where one axis lies at an op.

    Attributes:
        operands: its place in each operand; None where the operand is read whole.
        result: its place in the results; None where they have none.
        sums: whether the results are sums over the axis.
    """

    operands: tuple[Axis, ...]
    result: Axis
    sums: bool = False


_Carry: TypeAlias = "Callable[[Operation, Sequence[Axis], Axis], Ends | None]"


def carried(op: Operation, operands: Sequence[Axis], result: Axis = None) -> Ends | None:
    """Where an axis lies at all ends of an op that carries it; None if it is not known to.

    Args:
        op: the op.
        operands: its place in each operand; None where it is not known.
        result: its place in the results; None where it is not known.
    """
    carry = _CARRIES.get(op.name)
    if carry is None or op.regions or op.effects:
        return None
    found = carry(op, operands, result)
    return found if found is not None and _agrees(found, operands, result) else None


def _agrees(found: Ends, operands: Sequence[Axis], result: Axis) -> bool:
    """Whether what was known is so."""
    pairs = [*zip(operands, found.operands, strict=True), (result, found.result)]
    return all(known is None or known == place for known, place in pairs)


def _sizes(value: Value) -> tuple[object, ...]:
    return value.type.shape if isinstance(value.type, ArrayType) else ()


def _first(places: Sequence[Axis]) -> Axis:
    return next((place for place in places if place is not None), None)


def _same(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    """Elementwise: the same place everywhere but in scalars, and where one number is repeated."""
    axis = _first([*operands, result])
    if axis is None:
        return None
    size = _sizes(op.results[0])[axis]
    places = (axis if _sizes(value)[axis : axis + 1] == (size,) else None for value in op.operands)
    return Ends(tuple(places), axis)


def _through(op: Operation, places: Sequence[int], operands: Sequence[Axis], axis: Axis) -> Ends:
    """An op of one operand whose axis ``i`` becomes the result's axis ``places[i]``."""
    first = operands[0]
    if first is not None:
        axis = places[first]
    source = places.index(axis) if axis in places else None
    if source is not None and _sizes(op.operands[0])[source] != _sizes(op.results[0])[axis or 0]:
        source = None  # it is of size one there, and repeated
    return Ends((source,), axis)


def _broadcast(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    return _through(op, integers(op, "broadcast_dimensions"), operands, result)


def _transpose(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    order = integers(op, "permutation")
    return _through(op, [order.index(i) for i in range(len(order))], operands, result)


def _reshape(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    """An axis stays one if it keeps its size, and as many elements lie before it."""
    if op.attributes.get("dimensions") is not None:
        return None
    old, new = _sizes(op.operands[0]), _sizes(op.results[0])
    places = [_same_place(old, i, new) for i in range(len(old))]
    source = operands[0] if operands[0] is not None else _index(places, result)
    if source is None or places[source] is None:
        return None
    return Ends((source,), places[source])


def _same_place(old: Sequence[object], axis: int, new: Sequence[object]) -> Axis:
    before = _product(old[:axis])
    for place, size in enumerate(new):
        if size == old[axis] and size != 1 and _product(new[:place]) == before:
            return place
    return None


def _index(places: Sequence[Axis], result: Axis) -> Axis:
    return places.index(result) if result is not None and result in places else None


def _product(sizes: Sequence[object]) -> int:
    found = 1
    for size in sizes:
        found *= size if isinstance(size, int) else 0
    return found


def _squeeze(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    return _without(op, integers(op, "dimensions"), operands, result)


def _without(
    op: Operation, gone: Sequence[int], operands: Sequence[Axis], result: Axis
) -> Ends | None:
    """The operand's axes but those that go."""
    kept = [i for i in range(len(_sizes(op.operands[0]))) if i not in gone]
    source = operands[0]
    if source is None:
        source = kept[result] if result is not None else None
    if source is None or source in gone:
        return None
    return Ends((source, *(None for _ in op.operands[1:])), kept.index(source))


def _reduce(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    axes = integers(op, "axes")
    if operands[0] in axes:
        return Ends((operands[0],), None, sums=True) if op.name == "reduce_sum" else None
    return _without(op, axes, operands, result)


def _iota(_op: Operation, _operands: Sequence[Axis], result: Axis) -> Ends | None:
    return Ends((), result)


def _dot(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    """A batch axis is one of both and of the result; a summed one of both; any other of one."""
    contracting, batch = dot_dimensions(op)
    frees = [
        [i for i in range(len(_sizes(value))) if i not in (*contracting[side], *batch[side])]
        for side, value in enumerate(op.operands)
    ]
    starts = (len(batch[0]), len(batch[0]) + len(frees[0]))
    found = [Ends((a, b), i) for i, (a, b) in enumerate(zip(*batch, strict=True))]
    found += [Ends(pair, None, sums=True) for pair in zip(*contracting, strict=True)]
    found += [Ends((a, None), starts[0] + i) for i, a in enumerate(frees[0])]
    found += [Ends((None, b), starts[1] + i) for i, b in enumerate(frees[1])]
    known = [*operands, result]
    if all(place is None for place in known):
        return None
    return next((ends for ends in found if _agrees(ends, operands, result)), None)


def _gather(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    """Each row reads at places of its own: the axis is a batching one of both."""
    rows = _own_rows(op, op.results[0], "start_indices_batching_dims", "offset_dims")
    found = (Ends((a, b), c) for a, b, c in rows)
    return next((ends for ends in found if _agrees(ends, operands, result)), None)


def _scatter(op: Operation, operands: Sequence[Axis], result: Axis) -> Ends | None:
    """Each row is written to at places of its own, by updates of its own."""
    updates = op.operands[2]
    rows = _own_rows(op, updates, "scatter_indices_batching_dims", "update_window_dims")
    found = (Ends((a, b, c), a) for a, b, c in rows)
    return next((ends for ends in found if _agrees(ends, operands, result)), None)


def _own_rows(
    op: Operation, parts: Value, batching: str, windows: str
) -> Iterator[tuple[int, int, int]]:
    """The axes whose places have indices of their own: in the array, the indices and the parts."""
    numbers = "dimension_numbers"
    inner = field(op, numbers, windows)
    outer = [i for i in range(len(_sizes(parts))) if i not in inner]
    pairs = zip(
        field(op, numbers, "operand_batching_dims"), field(op, numbers, batching), strict=True
    )
    return ((axis, of_indices, outer[of_indices]) for axis, of_indices in pairs)


_ROW_BY_ROW: Final = ("convert_element_type", "copy", "name", "stop_gradient")
_REDUCE: Final = (
    *("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod"),
    *("reduce_sum", "reduce_xor"),
)

_CARRIES: Final[Mapping[str, _Carry]] = {
    **dict.fromkeys([*ELEMENTWISE, *_ROW_BY_ROW], _same),
    **dict.fromkeys(_REDUCE, _reduce),
    "broadcast_in_dim": _broadcast,
    "dot_general": _dot,
    "gather": _gather,
    "iota": _iota,
    "reshape": _reshape,
    "scatter-add": _scatter,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
