"""Paddings: two in a row made one, made of joined constants, and sums of paddings made joins."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer_table
from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, cut
from compiler.rules.slice_terms import full

x, y, c, d, config = var("x"), var("y"), var("c"), var("d"), var("config")
ADDING: Final = ("add", "add_any")
MAX_TERMS: Final = 256
"""Longer sums are left as they are."""


def _pad_once(m: Match) -> Replacement:
    """The widths added up; elements between others only where the other padding has none."""
    if not _is_same(m.c, m.d):
        return Refusal("they put in different numbers")
    rows: list[tuple[int, int, int]] = []
    for inner, outer in zip(m.inner, m.outer, strict=True):
        if min(*inner, *outer) < 0:
            return Refusal("a negative padding cuts elements off")
        if outer[2] and any(inner):
            return Refusal("it puts elements between those of a padding")
        rows.append((inner[0] + outer[0], inner[1] + outer[1], inner[2] or outer[2]))
    return new("pad", m.x, m.c, padding_config=tuple(rows))


def _is_same(a: Value, b: Value) -> bool:
    """Whether both are one value, or one known number."""
    numbers = uniform(a), uniform(b)
    if a is b or numbers[0] is None or numbers[1] is None:
        return a is b
    return numbers[0].tobytes() == numbers[1].tobytes()


def _cut_first(m: Match) -> Replacement:
    """Slices off what negative widths take away, and pads with what is left of the widths."""
    sizes, cuts = shape(m.x), dict[int, Cut]()
    if all(low >= 0 and high >= 0 for low, high, _ in m.config):
        return Refusal("no width is negative")
    for dim, (low, high, interior) in enumerate(m.config):
        if low >= 0 and high >= 0:
            continue
        start, limit = max(-low, 0), sizes[dim] - max(-high, 0)
        if interior or not 0 <= start <= limit <= sizes[dim]:
            return Refusal("it cuts off elements that it puts in itself")
        cuts[dim] = Cut(start, limit)
    rows = tuple((max(low, 0), max(high, 0), interior) for low, high, interior in m.config)
    term = cut(m.x, {d: one for d, one in cuts.items() if one != Cut(0, sizes[d])})
    if not any(any(row) for row in rows):
        return term
    return new("pad", term, m.c, padding_config=rows)


def _pad_instead(m: Match) -> Replacement:
    """Joined constants at either end are a padding."""
    pieces: list[Value] = list(m.pieces)
    numbers = [uniform(piece) for piece in pieces]
    inside = [i for i, number in enumerate(numbers) if number is None]
    if len(inside) != 1:
        return Refusal("there is not one piece among constants")
    (place,) = inside
    bits = {number.tobytes() for number in numbers if number is not None}
    if len(bits) != 1:
        return Refusal("the constants are not one number")
    number = next(number for number in numbers if number is not None)
    axis, operand = m.axis, pieces[place]
    low = sum(shape(piece)[axis] for piece in pieces[:place])
    high = sum(shape(piece)[axis] for piece in pieces[place + 1 :])
    rows = [(0, 0, 0)] * len(shape(operand))
    rows[axis] = (low, high, 0)
    return new("pad", operand, constant(number[()]), padding_config=tuple(rows))


class _Span(NamedTuple):
    """A term of a sum that is zero but for one range of an axis."""

    start: int
    value: Value
    limit: int


class _Sum(NamedTuple):
    """A sum of terms that are padded along one axis and do not overlap, and of one more term."""

    axis: int
    spans: Sequence[_Span]
    rest: Value | None


def _join(m: Match) -> Replacement:
    """Terms that are zero where the others are not are put side by side."""
    found = _sum_of_pads(m.root)
    if isinstance(found, Refusal):
        return found
    readers = m.root.result.readers
    longer = len(readers) == 1 and readers[0].name in ADDING and _sum_of_pads(readers[0])
    if isinstance(longer, _Sum):
        return Refusal("it is part of a longer sum")
    joined = _side_by_side(found.spans, found.axis, shape(m.root.result))
    return joined if found.rest is None else new("add", found.rest, joined)


def _sum_of_pads(add: Operation) -> _Sum | Refusal:
    axes = [_padded_axis(value) for value in add.operands]
    axis = axes[0] if axes[0] is not None else axes[1]
    if axis is None:
        return Refusal("no term is padded with zeros along one axis")
    terms = _terms(add.result)
    padded = [_span(term, axis) for term in terms if _padded_axis(term) == axis]
    spans = sorted(padded, key=lambda span: (span.start, span.limit))
    rest = [term for term in terms if _padded_axis(term) != axis]
    if len(rest) > 1:
        return Refusal("several terms are not padded along that axis")
    if len(spans) < 2:
        return Refusal("only one term is padded along that axis")
    if any(a.limit > b.start for a, b in pairwise(spans)):
        return Refusal("the padded terms overlap")
    return _Sum(axis, spans, rest[0] if rest else None)


def _terms(value: Value) -> list[Value]:
    """The terms of a sum of sums that nobody else reads, in order."""
    found: list[Value] = []
    pending = [value]
    while pending:
        term = pending.pop()
        op = term.producer
        is_inner = op is not None and op.name in ADDING and (term is value or term.use_count == 1)
        if op is None or not is_inner or len(found) > MAX_TERMS:
            found.append(term)
            continue
        pending += op.operands[::-1]
    return found


def _padded_axis(value: Value) -> int | None:
    """The one axis along which a value that nobody else reads is padded with zeros."""
    op = value.producer
    if op is None or op.name != "pad" or value.use_count != 1:
        return None
    number = uniform(op.operands[1])
    rows = integer_table(op, "padding_config")
    padded = [dim for dim, row in enumerate(rows) if any(row)]
    if number is None or bool(number != 0) or len(padded) != 1 or 0 in shape(op.operands[0]):
        return None
    low, high, interior = rows[padded[0]]
    return padded[0] if min(low, high) >= 0 and not interior else None


def _span(value: Value, axis: int) -> _Span:
    op = value.producer
    assert op is not None
    low, _, _ = integer_table(op, "padding_config")[axis]
    operand = op.operands[0]
    return _Span(low, operand, low + shape(operand)[axis])


def _side_by_side(spans: Sequence[_Span], axis: int, sizes: tuple[int, ...]) -> Term:
    """The spans with zeros between them; each plus 0.0, which is what -0.0 becomes in the sum."""
    zero = constant(0, like=spans[0].value)
    pieces: list[Term] = []
    end = 0
    for span in (*spans, None):
        start = sizes[axis] if span is None else span.start
        if start > end:
            gap = (*sizes[:axis], start - end, *sizes[axis + 1 :])
            pieces.append(full(zero, gap))
        if span is not None:
            is_exact = dtype(span.value).kind in "iub"
            pieces.append(span.value if is_exact else new("add", span.value, zero))
            end = span.limit
    return new("concatenate", *pieces, dimension=axis)


RULES: Final = (
    Rule(
        name="pad-of-pad",
        law="pad(pad(x, c, widths), c, more) = pad(x, c, widths + more)",
        pattern=op.pad(op.pad(x, c, padding_config=var("inner")), d, padding_config=var("outer")),
        replace=_pad_once,
        transparent=True,
        examples=(
            example(lambda x: jnp.pad(jnp.pad(x, 1), ((2, 0), (0, 3))), "f32[m,k]"),
            example(
                lambda x, c: lax.pad(lax.pad(x, c, ((1, 0, 2),)), c, ((2, 1, 0),)), "f32[m]", "f32"
            ),
        ),
        rejects=(
            example(
                lambda x: lax.pad(jnp.pad(x, 1), 0.0, ((0, 0, 1),)), "f32[m]", reason="between"
            ),
        ),
        elsewhere="Enzyme-JAX: PadPad; ONNX Runtime: PadFusion",
    ),
    Rule(
        name="pad-of-negative-width",
        law="a negative padding = a slice",
        pattern=op.pad(x, c, padding_config=config),
        replace=_cut_first,
        transparent=True,
        normal_form="what is cut off is cut off by slices",
        examples=(
            example(
                lambda x: lax.pad(x, x[0, 0] * 0, ((-1, -1, 0), (0, -2, 0))), "f32[m,k]", m=5, k=5
            ),
            example(lambda x: jax.vjp(lambda x: jnp.pad(x, 2), x)[1](jnp.pad(x, 2)), "f32[m,k]"),
        ),
        elsewhere="Enzyme-JAX: NegativePadToSlice; XLA: algebraic simplifier",
    ),
    Rule(
        name="concat-with-constants",
        law="concat(c, x, c) = pad(x, c) for a number c",
        pattern=op.concatenate(rest("pieces"), dimension=var("axis")),
        replace=_pad_instead,
        transparent=True,
        examples=(
            example(lambda x: jnp.concatenate([x, jnp.zeros_like(x)], 1), "f32[m,k]"),
            example(lambda x: jnp.concatenate([jnp.ones_like(x), x, jnp.ones_like(x)]), "f32[m]"),
        ),
        rejects=(
            example(
                lambda x: jnp.concatenate([jnp.zeros_like(x), x, jnp.ones_like(x)]),
                "f32[m]",
                reason="not one number",
            ),
        ),
        elsewhere="Enzyme-JAX: ConcatToPad; XLA: algebraic simplifier",
    ),
    Rule(
        name="sum-of-pads",
        law="pad(x, 0) + pad(y, 0) = concat(x + 0, y + 0) where they do not overlap; so for more",
        pattern=op[ADDING](op.pad.any().shared(), y) | op[ADDING](x, op.pad.any().shared()),
        replace=_join,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda x, y: jnp.pad(x, ((0, 5), (0, 0))) + jnp.pad(y, ((4, 0), (0, 0))),
                "f32[3,k]",
                "f32[4,k]",
            ),
            example(
                jax.grad(lambda x: (x[5:7] * 3).sum() + (x[:2] ** 2).sum() + x[3:5].sum()),
                "f32[8]",
            ),
        ),
        rejects=(
            example(
                lambda x, y: jnp.pad(x, (0, 3)) + jnp.pad(y, (3, 0)),
                "f32[4]",
                "f32[4]",
                reason="overlap",
            ),
        ),
        elsewhere="Enzyme-JAX: AddPadPadToConcat",
    ),
)
