"""Joined pieces as one term: what was cut up, treated alike and joined again was never cut up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from compiler.analysis.constants import uniform
from compiler.ir.attributes import Attribute, attribute_key
from compiler.ir.graph import Operation, Value
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, constant, dtype, like, shape
from compiler.rules.dot_terms import Cut, broadcast, is_static, transpose
from compiler.rules.slice_terms import APPROXIMATED, Cuts, full, part, pieces_of

MAX_JOINS: Final = 64
"""So many ops are joined behind one join."""


class Join:
    """Joins pieces that ops of these names made alike, without an op that joins.

    Whether others read those ops too is not asked: the cost model sees that they stay.

    Args:
        names: the ops through which pieces may be followed.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._made: dict[tuple[bool, int, tuple[Value, ...]], Term | None] = {}

    def joined(self, pieces: Sequence[Value], axis: int) -> Term | None:
        """What joining the pieces along an axis gives; None if they must be joined for it."""
        key = (False, axis, tuple(pieces))
        if key not in self._made:
            self._made[key] = None
            source = neighbours(pieces, axis)
            sizes = list(shape(pieces[0]))
            sizes[axis] = sum(shape(piece)[axis] for piece in pieces)
            found = self._treated(pieces, axis, _JOINED) if source is None else source
            self._made[key] = _of_sizes(found, sizes)
        return self._made[key]

    def stacked(self, pieces: Sequence[Value], axis: int) -> Term | None:
        """What stacking the pieces along a new axis gives; None if they must be stacked for it."""
        key = (True, axis, tuple(pieces))
        if key not in self._made:
            self._made[key] = None
            source = _unstacked(pieces, axis)
            sizes = list(shape(pieces[0]))
            sizes.insert(axis, len(pieces))
            found = self._treated(pieces, axis, _STACKED) if source is None else source
            self._made[key] = _of_sizes(found, sizes)
        return self._made[key]

    def _treated(
        self, pieces: Sequence[Value], axis: int, table: Mapping[str, Joiner]
    ) -> Term | None:
        """What the ops that make the pieces make of all of them together."""
        ops = _alike(pieces)
        if not ops or ops[0].name not in self._names or len(self._made) > MAX_JOINS:
            return None
        if _are_divided_alike(ops):
            return None
        return table[ops[0].name](self, ops, axis)


def _are_divided_alike(ops: Sequence[Operation]) -> bool:
    """Whether all are quotients by one array, which XLA would multiply by its reciprocals."""
    if ops[0].name != "div" or any(op.operands[1] is not ops[0].operands[1] for op in ops):
        return False
    by = ops[0].operands[1]
    is_repeated = by.producer is not None and by.producer.name == "broadcast_in_dim"
    return bool(shape(by)) and not is_repeated and uniform(by) is None


def _of_sizes(found: Term | None, sizes: Sequence[int]) -> Term | None:
    """What was found, if it has these sizes: of scalars that are all the same it has none."""
    return found if found is not None and shape(found) == tuple(sizes) else None


def _alike(pieces: Sequence[Value]) -> list[Operation]:
    """The ops that make the pieces; none unless they are of one kind."""
    ops = [piece.producer for piece in pieces if piece.producer is not None]
    if len(ops) != len(pieces) or any(op.name != ops[0].name for op in ops):
        return []
    if any(len(op.results) != 1 or len(op.operands) != len(ops[0].operands) for op in ops):
        return []
    if not all(_same_attributes(op, ops[0]) for op in ops):
        return []
    return ops if all(is_static(v) for op in ops for v in (*op.operands, op.result)) else []


def neighbours(pieces: Sequence[Value], axis: int) -> Term | None:
    """The part of one value of which the pieces are neighbouring parts; None if they are not."""
    found = [_piece(piece) for piece in pieces]
    sources = [one[0] for one in found if one is not None]
    if len(sources) != len(pieces) or any(source is not sources[0] for source in sources):
        return None
    source, sizes = sources[0], shape(sources[0])
    cuts = [one[1] for one in found if one is not None]
    rows = [one.get(axis, Cut(0, sizes[axis])) for one in cuts]
    others = [{dim: one for dim, one in every.items() if dim != axis} for every in cuts]
    if any(row.stride != 1 for row in rows) or any(other != others[0] for other in others):
        return None
    if any(row.limit != after.start for row, after in pairwise(rows)):
        return None
    return part(source, {**others[0], axis: Cut(rows[0].start, rows[-1].limit)})


def _unstacked(pieces: Sequence[Value], axis: int) -> Term | None:
    """The value that was unstacked into just these pieces."""
    op = pieces[0].producer
    if op is None or op.name != "unstack" or tuple(pieces) != op.results:
        return None
    return _moved(op.operands[0], integer(op, "axis"), axis)


def _piece(value: Value) -> tuple[Value, Cuts] | None:
    op = value.producer
    cuts = pieces_of(op) if op is not None else None
    return None if op is None or cuts is None else (op.operands[0], cuts[value.index])


def _same_attributes(op: Operation, first: Operation) -> bool:
    """Whether they agree, but for the sizes of a result, which the pieces may differ in."""
    free = _SIZES if op.name == "broadcast_in_dim" else ()
    names = sorted({*op.attributes, *first.attributes} - set(free))
    both = [[attribute_key(one.attributes.get(name)) for name in names] for one in (op, first)]
    return both[0] == both[1]


def _same(values: Sequence[Value]) -> bool:
    """Whether they are one value, or one known number in one element type."""
    first = values[0]
    if all(value is first for value in values):
        return True
    numbers = [uniform(value) for value in values]
    bits = {number.tobytes() for number in numbers if number is not None}
    return None not in numbers and len(bits) == 1 and len({dtype(v) for v in values}) == 1


def _number(values: Sequence[Value], sizes: tuple[int, ...]) -> Term | None:
    """One known number that all of the values are, repeated; None if they are not."""
    number = uniform(values[0]) if _same(values) else None
    return None if number is None else full(constant(number[()], like=values[0]), sizes)


def _columns(ops: Sequence[Operation]) -> list[list[Value]]:
    """The operands of the ops by their place."""
    return [list(column) for column in zip(*(op.operands for op in ops), strict=True)]


def _applied(op: Operation, terms: Sequence[Term | None], **changed: Attribute) -> Term | None:
    found = [term for term in terms if term is not None]
    return like(op, found, **changed)[0] if len(found) == len(terms) else None


def _joined_elements(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    sizes = [shape(op.result) for op in ops]
    total = sum(size[axis] for size in sizes)

    def operand(column: Sequence[Value]) -> Term | None:
        own = shape(column[0])
        if _is_mixed(column):
            return None
        if not own or any(shape(v)[axis] != s[axis] for v, s in zip(column, sizes, strict=True)):
            return column[0] if _same(column) and shape(column[-1]) == own else None
        number = _number(column, (*own[:axis], total, *own[axis + 1 :]))
        return number if number is not None else join.joined(column, axis)

    return _applied(ops[0], [operand(column) for column in _columns(ops)])


def _is_mixed(column: Sequence[Value]) -> bool:
    """Whether an operand is a single number in one op, and an array in another."""
    return len({len(shape(value)) for value in column}) > 1


def _stacked_elements(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    def operand(column: Sequence[Value]) -> Term | None:
        own = shape(column[0])
        if _is_mixed(column):
            return None
        if not own:
            return column[0] if _same(column) else None
        sizes = (*own[:axis], len(ops), *own[axis:])
        if all(value is column[0] for value in column):
            return broadcast(column[0], sizes, [d for d in range(len(sizes)) if d != axis])
        number = _number(column, sizes)
        return number if number is not None else join.stacked(column, axis)

    return _applied(ops[0], [operand(column) for column in _columns(ops)])


def _joined_reduction(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    kept = _without(len(shape(column[0])), integers(ops[0], "axes"))
    return _applied(ops[0], [join.joined(column, kept[axis])])


def _stacked_reduction(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    rank, axes = len(shape(column[0])), integers(ops[0], "axes")
    place = [*_without(rank, axes), rank][axis]
    moved = tuple(dim + (dim >= place) for dim in axes)
    return _applied(ops[0], [join.stacked(column, place)], axes=moved)


def _joined_squeeze(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    kept = _without(len(shape(column[0])), integers(ops[0], "dimensions"))
    return _applied(ops[0], [join.joined(column, kept[axis])])


def _stacked_squeeze(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    """Joins along one of the axes that would be dropped, which is then the new axis."""
    (column,) = _columns(ops)
    dropped = integers(ops[0], "dimensions")
    for place in dropped:
        term = join.joined(column, place)
        if term is None:
            continue
        rest = tuple(dim for dim in dropped if dim != place)
        kept = like(ops[0], [term], dimensions=rest)[0] if rest else term
        return _moved(kept, place - sum(dim < place for dim in rest), axis)
    return None


def _joined_transpose(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    return _applied(ops[0], [join.joined(column, integers(ops[0], "permutation")[axis])])


def _joined_broadcast(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    """Repeats once what all pieces repeat, or stacks what has got a new axis."""
    (column,) = _columns(ops)
    dims, sizes = integers(ops[0], "broadcast_dimensions"), shape(ops[0].result)
    own = shape(column[0])
    is_new = axis not in dims or own[dims.index(axis)] == 1
    total = sum(shape(op.result)[axis] for op in ops)
    if is_new and all(value is column[0] for value in column):
        return broadcast(column[0], (*sizes[:axis], total, *sizes[axis + 1 :]), dims)
    if (*own[:axis], 1, *own[axis:]) != sizes or total != len(ops) or axis in dims:
        return None
    return join.stacked(column, axis)


def _without(rank: int, axes: Sequence[int]) -> list[int]:
    return [dim for dim in range(rank) if dim not in axes]


def _moved(term: Term, place: int, wanted: int) -> Term:
    """The term with one of its axes at another place."""
    order = _without(len(shape(term)), [place])
    order.insert(wanted, place)
    return term if order == sorted(order) else transpose(term, order)


def _stacked_broadcast(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    dims, sizes = integers(ops[0], "broadcast_dimensions"), shape(ops[0].result)
    if any(shape(op.result) != sizes for op in ops):
        return None
    moved, wide = [d + (d >= axis) for d in dims], (*sizes[:axis], len(ops), *sizes[axis:])
    if _same(column):
        return broadcast(column[0], wide, moved)
    term = join.stacked(column, sum(dim < axis for dim in dims))
    return None if term is None else broadcast(term, wide, sorted([*moved, axis]))


def _stacked_transpose(join: Join, ops: Sequence[Operation], axis: int) -> Term | None:
    (column,) = _columns(ops)
    order = [dim + 1 for dim in integers(ops[0], "permutation")]
    order.insert(axis, 0)
    return _applied(ops[0], [join.stacked(column, 0)], permutation=tuple(order))


Joiner = Callable[[Join, Sequence[Operation], int], Term | None]
_SIZES: Final = ("shape",)
_PICKING: Final = ("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or")
_ADDING: Final = ("reduce_prod", "reduce_sum")
_ELEMENTS: Final = (*sorted(ELEMENTWISE), "convert_element_type", "stop_gradient")
_JOINED: Final[Mapping[str, Joiner]] = {
    **dict.fromkeys(_ELEMENTS, _joined_elements),
    **dict.fromkeys((*_PICKING, *_ADDING), _joined_reduction),
    "broadcast_in_dim": _joined_broadcast,
    "squeeze": _joined_squeeze,
    "transpose": _joined_transpose,
}
_STACKED: Final[Mapping[str, Joiner]] = {
    **dict.fromkeys(_ELEMENTS, _stacked_elements),
    **dict.fromkeys((*_PICKING, *_ADDING), _stacked_reduction),
    "broadcast_in_dim": _stacked_broadcast,
    "squeeze": _stacked_squeeze,
    "transpose": _stacked_transpose,
}

ALL_JOINS: Final = frozenset(_JOINED)
"""The ops through which pieces may be followed."""
EXACT_JOINS: Final = ALL_JOINS.difference(_ADDING, APPROXIMATED)
"""Those that give the same bits whatever the size."""
