"""Slices as terms: read through ops that only move, and taken of an op's operands instead.

A cut per dimension says what a slice takes; dimensions that it takes whole have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Final, TypeAlias

from compiler.ir.graph import Operation, Value
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from compiler.ops.parameters import integer, integer_table, integers, optional_integers
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rules.dot_terms import Cut, broadcast, cut, is_static, reshape, reshape_groups

Cuts: TypeAlias = Mapping[int, Cut]
APPROXIMATED: Final = TRANSCENDENTAL
"""Elementwise ops whose last bit may depend on where in an array an element stands.

A device computes most elements in vectors, and those that are left over one by one.
"""
CORRECT: Final = ELEMENTWISE - TRANSCENDENTAL
"""Elementwise ops that give an element the same bits wherever it stands."""
WORTH_A_BROADCAST: Final = 3
"""How much smaller a slice of what is repeated must be than the slice of the repetition."""


def cuts_of(op: Operation) -> Cuts:
    """What a slice takes."""
    sizes = shape(op.operands[0])
    starts, limits = integers(op, "start_indices"), integers(op, "limit_indices")
    strides = optional_integers(op, "strides") or (1,) * len(sizes)
    every = enumerate(zip(starts, limits, strides, sizes, strict=True))
    found = {dim: _plain(Cut(*numbers)) for dim, (*numbers, _) in every}
    return {dim: one for dim, one in found.items() if one != Cut(0, sizes[dim])}


def _plain(one: Cut) -> Cut:
    """The same elements with the smallest limit, and with stride one if there is only one."""
    length = taken(one)
    if length == 0:
        return Cut(0, 0)  # a start may lie beyond what the cut is moved to
    last = one.start + (length - 1) * one.stride
    return Cut(one.start, last + 1, one.stride if length > 1 else 1)


def pieces_of(op: Operation) -> list[Cuts] | None:
    """What each result of a slice or split takes of the operand; None for other ops."""
    if op.name == "slice":
        return [cuts_of(op)]
    if op.name != "split":
        return None
    axis, found, start = integer(op, "axis"), list[Cuts](), 0
    for size in integers(op, "sizes"):
        found.append({axis: Cut(start, start + size)})
        start += size
    return found


def taken(one: Cut) -> int:
    """How many elements a cut takes."""
    return max(0, -(-(one.limit - one.start) // one.stride))


def cut_sizes(sizes: tuple[int, ...], cuts: Cuts) -> tuple[int, ...]:
    """The sizes of what the cuts take."""
    return tuple(taken(cuts[dim]) if dim in cuts else size for dim, size in enumerate(sizes))


def part(value: Value, cuts: Cuts) -> Term:
    """A slice of a value, taken as far behind ops that only move as is free."""
    sizes = shape(value)
    cuts = {dim: one for dim, one in cuts.items() if one != Cut(0, sizes[dim])}
    if not cuts:
        return value
    op = value.producer
    through = _THROUGH.get(op.name) if op is not None else None
    if op is None or through is None or not all(map(is_static, op.operands)):
        return cut(value, cuts)
    found = through(op, value, cuts)
    return cut(value, cuts) if found is None else found


def is_plain_part(term: Term, value: Value) -> bool:
    """Whether the part was not taken from behind any op."""
    return not isinstance(term, Value) and term.node.operands == (value,)


def _of_slice(op: Operation, value: Value, cuts: Cuts) -> Term:
    del value
    return part(op.operands[0], nested(cuts_of(op), cuts))


def nested(outer: Cuts, inner: Cuts) -> Cuts:
    """The cuts that take at once what the inner ones take of what the outer ones took."""
    found = dict(outer)
    for dim, one in inner.items():
        base = outer.get(dim, Cut(0, 0))
        start = base.start + one.start * base.stride
        found[dim] = _plain(
            Cut(start, start + (one.limit - one.start) * base.stride, one.stride * base.stride)
        )
    return found


def _of_split(op: Operation, value: Value, cuts: Cuts) -> Term:
    outer = (pieces_of(op) or [])[value.index]
    return part(op.operands[0], nested(outer, cuts))


def _of_concatenate(op: Operation, value: Value, cuts: Cuts) -> Term | None:
    """A slice that lies within one piece."""
    del value
    axis = integer(op, "dimension")
    one = cuts.get(axis)
    if one is None or not taken(one):
        return None
    start = 0
    for piece in op.operands:
        size = shape(piece)[axis]
        if start <= one.start and one.limit <= start + size:
            moved = Cut(one.start - start, one.limit - start, one.stride)
            return part(piece, {**cuts, axis: moved})
        start += size
    return None


def _of_stack(op: Operation, value: Value, cuts: Cuts) -> Term | None:
    axis = integer(op, "axis")
    one = cuts.get(axis)
    if one is None or taken(one) != 1:
        return None
    inner = {d - (d > axis): c for d, c in cuts.items() if d != axis}
    return reshape(part(op.operands[one.start], inner), cut_sizes(shape(value), cuts))


def _of_unstack(op: Operation, value: Value, cuts: Cuts) -> Term:
    axis = integer(op, "axis")
    inner = {d + (d >= axis): c for d, c in cuts.items()} | {
        axis: Cut(value.index, value.index + 1)
    }
    return reshape(part(op.operands[0], inner), cut_sizes(shape(value), cuts))


def _of_pad(op: Operation, value: Value, cuts: Cuts) -> Term | None:
    """A slice that takes nothing of the padding."""
    del value
    sizes = shape(op.operands[0])
    found: dict[int, Cut] = {}
    for dim, (low, high, interior) in enumerate(integer_table(op, "padding_config")):
        one = cuts.get(dim)
        if (low, high, interior) == (0, 0, 0):
            found |= {dim: one} if one is not None else {}
            continue
        if one is None or interior or one.start < low or one.limit > low + sizes[dim]:
            return None
        found[dim] = Cut(one.start - low, one.limit - low, one.stride)
    return part(op.operands[0], found)


def _of_broadcast(op: Operation, value: Value, cuts: Cuts) -> Term | None:
    if op.attributes.get("sharding"):
        return None
    whole = cut_sizes(shape(value), cuts)
    inner = broadcast_cuts(op, cuts)
    small = cut_sizes(shape(op.operands[0]), inner)
    if prod(small) * WORTH_A_BROADCAST > prod(whole) and inner:
        return None
    return broadcast(part(op.operands[0], inner), whole, integers(op, "broadcast_dimensions"))


def broadcast_cuts(op: Operation, cuts: Cuts) -> Cuts:
    """What is to be cut off a broadcast's operand."""
    sizes, dims = shape(op.operands[0]), integers(op, "broadcast_dimensions")
    wide = shape(op.result)
    return {i: cuts[dim] for i, dim in enumerate(dims) if dim in cuts and sizes[i] == wide[dim]}


def _of_reshape(op: Operation, value: Value, cuts: Cuts) -> Term | None:
    if op.attributes.get("dimensions") is not None and op.name == "reshape":
        return None
    before, after = shape(op.operands[0]), shape(value)
    groups = reshape_groups(before, after)
    if groups is None:
        return None
    inner: dict[int, Cut] = {}
    for group in groups:
        touched = [dim for dim in group.after if dim in cuts]
        if not touched:
            continue
        wide = [dim for dim in group.before if before[dim] != 1]
        if (
            len(touched) != 1
            or len(wide) != 1
            or any(after[dim] != 1 for dim in group.after if dim < touched[0])
        ):
            return None
        step = prod(after[dim] for dim in group.after if dim > touched[0])
        start, limit, stride = cuts[touched[0]]
        if stride != 1 and step != 1:
            return None
        inner[wide[0]] = Cut(start * step, limit * step, stride)
    return reshape(part(op.operands[0], inner), cut_sizes(after, cuts))


def _of_identity(op: Operation, value: Value, cuts: Cuts) -> Term:
    del value
    return like(op, [part(op.operands[0], cuts)])[0]


_THROUGH: Final[Mapping[str, Callable[[Operation, Value, Cuts], Term | None]]] = {
    "broadcast_in_dim": _of_broadcast,
    "concatenate": _of_concatenate,
    "pad": _of_pad,
    "reshape": _of_reshape,
    "slice": _of_slice,
    "split": _of_split,
    "squeeze": _of_reshape,
    "stack": _of_stack,
    "stop_gradient": _of_identity,
    "unstack": _of_unstack,
}


def full(number: Term, sizes: tuple[int, ...]) -> Term:
    """A number repeated."""
    return new("broadcast_in_dim", number, shape=sizes, broadcast_dimensions=(), sharding=None)
