"""Terms that rules about dots are made of: dimensions by label, and the ops that only move.

A label is a number that stands for an index of an einsum: a dot multiplies what has the labels of
its operands and adds up over the labels that its result does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Final, NamedTuple, TypeAlias

from compiler.ir.attributes import Attribute, EnumValue
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_plain
from compiler.ops.definition import lookup
from compiler.ops.parameters import dot_dimensions
from compiler.rewrite.expression import Expr, Term, dtype, like, new, shape
from compiler.rewrite.match import Match

Labels: TypeAlias = tuple[int, ...]
DOT: Final = "dot_general"
UNSTEADY: Final = "what a complex dot makes of infinities depends on its shape"
UNIT_MOVES: Final = frozenset({"reshape", "squeeze"})


class Dot(NamedTuple):
    """A dot with its dimensions by label.

    Attributes:
        op: the dot.
        lhs: the labels of the left operand.
        rhs: those of the right one.
        out: those of the result.
    """

    op: Operation
    lhs: Labels
    rhs: Labels
    out: Labels

    @property
    def contracted(self) -> frozenset[int]:
        """The labels over which it adds up."""
        return frozenset(self.lhs) & frozenset(self.rhs) - frozenset(self.out)

    @property
    def batch(self) -> frozenset[int]:
        """The labels that both operands and the result have."""
        return frozenset(self.lhs) & frozenset(self.rhs) & frozenset(self.out)

    @property
    def fresh(self) -> int:
        """The smallest number from which on no label is taken."""
        return len(self.lhs) + len(self.rhs)

    @property
    def sides(self) -> tuple[tuple[Value, Labels], tuple[Value, Labels]]:
        """Both operands with their labels."""
        lhs, rhs = self.op.operands
        return (lhs, self.lhs), (rhs, self.rhs)


def dot_of(op: Operation) -> Dot:
    """The labels of a dot: the left operand's dimensions in order, then new ones of the right."""
    (lhs_sum, rhs_sum), (lhs_batch, rhs_batch) = dot_dimensions(op)
    lhs = tuple(range(len(shape(op.operands[0]))))
    rank = len(shape(op.operands[1]))
    same = dict(zip((*rhs_sum, *rhs_batch), (*lhs_sum, *lhs_batch), strict=True))
    rhs = tuple(same.get(d, len(lhs) + d) for d in range(rank))
    lhs_free = [d for d in lhs if d not in (*lhs_sum, *lhs_batch)]
    rhs_free = [rhs[d] for d in range(rank) if d not in same]
    return Dot(op, lhs, rhs, (*lhs_batch, *lhs_free, *rhs_free))


def is_plain_dot(op: Operation) -> bool:
    """Whether its operands may change places, and nothing about it needs another result type."""
    precision = op.attributes.get("precision")
    even = precision is None or isinstance(precision, EnumValue)
    if isinstance(precision, tuple):
        even = len(precision) == 2 and precision[0] == precision[1]
    return op.name == DOT and even and op.attributes.get("out_sharding") is None and _has_bytes(op)


def _has_bytes(op: Operation) -> bool:
    """Whether all elements fill bytes: of smaller ones XLA's CPU backend knows few dots."""
    names = [str(dtype(value)) for value in op.operands]
    return not any(small in name for name in names for small in ("int2", "int4", "float4"))


def swappable(m: Match) -> str | None:
    """A guard: the dot, the match's ``dot`` or its root, must be plain."""
    root = m.get("dot") or m.root
    return None if is_plain_dot(root) else "its operands are treated unlike, or its sharding is set"


def steady(m: Match) -> str | None:
    """A guard: the dot is plain, and not complex: there inf may give nan in another place."""
    root: Operation = m.get("dot") or m.root
    return UNSTEADY if is_complex(root) else swappable(m)


def is_complex(op: Operation) -> bool:
    """Whether a dot is of complex numbers: what it makes of inf depends on its shape."""
    return dtype(op.result).kind == "c"


def keeps_dtype(op: Operation) -> bool:
    """Whether a dot gives elements of the one type that both its operands have."""
    lhs, rhs = op.operands
    return dtype(lhs) == dtype(rhs) == dtype(op.result)


def same_arithmetic(first: Operation, second: Operation) -> bool:
    """Whether two dots multiply and add up with the same precision, to the same type."""
    types = [[dtype(value) for value in (*op.operands, op.result)] for op in (first, second)]
    precisions = [op.attributes.get("precision") for op in (first, second)]
    return types[0] == types[1] and precisions[0] == precisions[1]


def dot(
    lhs: Term, lhs_labels: Labels, rhs: Term, rhs_labels: Labels, out: Labels, like_op: Operation
) -> Term:
    """A dot of two terms, of the arithmetic of ``like_op``, with its result's labels in order.

    The operands change places where that saves a transpose of the result.

    Args:
        lhs: the left operand.
        lhs_labels: its labels, all different.
        rhs: the right operand.
        rhs_labels: its labels, all different.
        out: the labels of the result; holds each label that only one operand has.
        like_op: a plain dot.
    """
    if _natural(lhs_labels, rhs_labels, out) != out == _natural(rhs_labels, lhs_labels, out):
        lhs, lhs_labels, rhs, rhs_labels = rhs, rhs_labels, lhs, lhs_labels
    found = _natural(lhs_labels, rhs_labels, out)
    batch = [label for label in found if label in lhs_labels and label in rhs_labels]
    summed = [label for label in lhs_labels if label in rhs_labels and label not in out]
    numbers: Attribute = (
        (_places(summed, lhs_labels), _places(summed, rhs_labels)),
        (_places(batch, lhs_labels), _places(batch, rhs_labels)),
    )
    (result,) = like(like_op, (lhs, rhs), dimension_numbers=numbers)
    return arrange(result, found, out)


def from_the_end(found: Dot, inner: Dot, side: int) -> Term | None:
    """(U @ V) @ y as U @ (V @ y), where y meets one of U and V only; None where it meets both.

    Args:
        found: the outer dot.
        inner: the dot that is one of its operands.
        side: which operand; both are plain.
    """
    names = dict(zip(inner.out, found.sides[side][1], strict=True))
    start = found.fresh
    ends: list[tuple[Term, Labels]] = [
        (value, tuple(names.get(n, start + n) for n in labels)) for value, labels in inner.sides
    ]
    met = [i for i in (0, 1) if found.contracted & set(ends[i][1])]
    if len(met) != 1:
        return None
    near, far = ends[met[0]], ends[1 - met[0]]
    other = found.sides[1 - side]
    needed = {*far[1], *found.out}
    given = tuple(n for n in dict.fromkeys((*near[1], *other[1])) if n in needed)
    half = dot(*near, *other, given, found.op)
    return dot(*far, half, given, found.out, found.op)


def _natural(lhs: Labels, rhs: Labels, out: Labels) -> Labels:
    """The order in which a dot gives its labels: batch as wanted, then the left's, the right's."""
    batch = [label for label in out if label in lhs and label in rhs]
    free = [label for label in (*lhs, *rhs) if label in out and label not in batch]
    return (*batch, *free)


def _places(labels: Sequence[int], among: Labels) -> tuple[int, ...]:
    return tuple(among.index(label) for label in labels)


def arrange(term: Term, labels: Labels, wanted: Labels) -> Term:
    """The term with its dimensions in the wanted order."""
    return term if labels == wanted else transpose(term, _places(wanted, labels))


def transpose(term: Term, permutation: Sequence[int]) -> Expr:
    """The term transposed."""
    return new("transpose", term, permutation=tuple(permutation))


def reshape(term: Term, sizes: Sequence[int]) -> Term:
    """The term in another shape; itself where it has that shape."""
    if shape(term) == tuple(sizes):
        return term
    return new("reshape", term, new_sizes=tuple(sizes), dimensions=None)


def broadcast(term: Term, sizes: Sequence[int], dims: Sequence[int]) -> Term:
    """The term with its dimensions at these places of a larger shape; itself if that is it."""
    if shape(term) == tuple(sizes):
        return term
    return new("broadcast_in_dim", term, shape=tuple(sizes), broadcast_dimensions=tuple(dims))


def spread(term: Term, labels: Labels, out: Labels, sizes: Mapping[int, int]) -> Term:
    """The term repeated along the labels that it lacks; its own stand in their order."""
    return broadcast(term, [sizes[label] for label in out], _places(labels, out))


def sum_over(term: Term, axes: Sequence[int]) -> Term:
    """The sum over some dimensions; the term itself where there are none."""
    if not axes:
        return term
    return new("reduce_sum", term, axes=tuple(sorted(axes)))


class Cut(NamedTuple):
    """A slice of one dimension."""

    start: int
    limit: int
    stride: int = 1


def cut(term: Term, cuts: Mapping[int, Cut]) -> Term:
    """The term sliced along some dimensions; itself where there are none."""
    if not cuts:
        return term
    whole = [cuts.get(d, Cut(0, size)) for d, size in enumerate(shape(term))]
    strides = tuple(c.stride for c in whole)
    return new(
        "slice",
        term,
        start_indices=tuple(c.start for c in whole),
        limit_indices=tuple(c.limit for c in whole),
        strides=strides if any(s != 1 for s in strides) else None,
    )


class Group(NamedTuple):
    """Neighbouring dimensions before a reshape, and those that they are after it."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def reshape_groups(before: Sequence[int], after: Sequence[int]) -> list[Group] | None:
    """The smallest groups of dimensions that a reshape turns into one another.

    Returns:
        the groups in order; None for arrays without elements.
    """
    if 0 in before:
        return None
    groups: list[Group] = []
    i = j = 0
    while i < len(before) or j < len(after):
        first, then = i, j
        i, j = i + 1, j + 1
        while prod(before[first:i]) != prod(after[then:j]):
            if prod(before[first:i]) < prod(after[then:j]):
                i += 1
            else:
                j += 1
        groups.append(Group(tuple(range(first, min(i, len(before)))), _upto(then, j, after)))
    return groups


def _upto(start: int, stop: int, sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(start, min(stop, len(sizes))))


def is_elementwise(value: Value) -> bool:
    """Whether an elementwise op makes it: XLA fuses such an op into the loops around it."""
    return value.producer is not None and lookup(value.producer.name).family == "elementwise"


def is_static(value: Value) -> bool:
    """Whether rules may compute with its type."""
    return is_plain(value.type)
