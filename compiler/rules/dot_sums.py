"""Sums of dots, and dots of sums: factored, or taken apart where a part of the sum is thin."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, dtype, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import (
    Cut,
    Dot,
    Labels,
    broadcast,
    cut,
    dot,
    dot_of,
    from_the_end,
    is_plain_dot,
    keeps_dtype,
    reshape,
    same_arithmetic,
    swappable,
)

y = var("y")
FIRST: Final = op.dot_general.any().named("first")
SECOND: Final = op.dot_general.any().named("second")
INNER: Final = op.dot_general.any().named("inner")
SUM: Final = op["add", "sub"](INNER, var("d")).named("sum") | op["add", "sub"](
    var("d"), INNER
).named("sum")
CONCAT: Final = op.concatenate.any().named("concat")


def _sum_of_dots(m: Match) -> Replacement:
    """One dot of the sum of what the dots do not share, each with its own number before it."""
    first, second = m.first, m.second
    if first.attributes != second.attributes or not same_arithmetic(first, second):
        return Refusal("the dots are of different kinds")
    side = next((i for i in (0, 1) if first.operands[i] is second.operands[i]), None)
    if side is None or not keeps_dtype(first):
        return Refusal("the dots have no operand in common")
    others = [one.operands[1 - side] for one in (first, second)]
    if shape(others[0]) != shape(others[1]):
        return Refusal("what they do not share is of different shapes")
    scaled: list[Term] = []
    for value, factor in zip(others, (m.get("s"), m.get("t")), strict=True):
        if factor is not None and any(size != 1 for size in shape(factor)):
            return Refusal("a dot is multiplied by more than a number")
        scaled.append(value if factor is None else new("mul", value, reshape(factor, ())))
    total, shared = new(m.root.name, *scaled), first.operands[side]
    return like(first, (total, shared) if side else (shared, total))[0]


def _dot_of_sum(m: Match) -> Replacement:
    """The dot of each part, that of the inner dot from its other end."""
    found, inner = dot_of(m.root), dot_of(m.inner)
    if not (is_plain_dot(m.inner) and same_arithmetic(m.root, m.inner) and keeps_dtype(m.root)):
        return Refusal("the dots are of different kinds")
    if shape(m.d) != shape(m.sum.result):
        return Refusal("what is added is repeated")
    side = 0 if m.root.operands[0] is m.sum.result else 1
    thin = from_the_end(found, inner, side)
    if thin is None:
        return Refusal("the inner dot is contracted over both of its operands")
    operands = [m.d if i == side else value for i, value in enumerate(m.root.operands)]
    plain = like(m.root, operands)[0]
    parts = (plain, thin) if m.sum.operands[0] is m.d else (thin, plain)
    return new(m.sum.name, *parts)


def _dot_of_concat(m: Match) -> Replacement:
    """The sum of the dots of the parts, those that are repeated before they are."""
    found = dot_of(m.root)
    side = 0 if m.root.operands[0] is m.concat.result else 1
    labels, (other, other_labels) = found.sides[side][1], found.sides[1 - side]
    axis = integer(m.concat, "dimension")
    if labels[axis] not in found.contracted or not keeps_dtype(m.root):
        return Refusal("the parts are not added up")
    runs = _runs(m.concat.operands, axis)
    if len(runs) == 1 and runs[0][0] is None:
        return Refusal("no part is repeated")
    total: Term | None = None
    start = 0
    for repeated, values in runs:
        size = sum(shape(value)[axis] for value in values)
        rows = cut(other, {other_labels.index(labels[axis]): Cut(start, start + size)})
        start += size
        whole = values[0] if len(values) == 1 else new("concatenate", *values, dimension=axis)
        part = (whole, labels) if repeated is None else _before_repeats(repeated, labels)
        term = _dot_and_repeat(part, (rows, other_labels), found)
        total = term if total is None else new("add", total, term)
    return total if total is not None else Refusal("there is no part")


def _runs(values: Sequence[Value], axis: int) -> list[tuple[Operation | None, list[Value]]]:
    """The parts by the broadcast that repeats them; neighbours that none repeats stay together."""
    runs: list[tuple[Operation | None, list[Value]]] = []
    for value in values:
        made = value.producer
        repeats = made is not None and made.name == "broadcast_in_dim" and _keeps(made, axis)
        if not repeats and runs and runs[-1][0] is None:
            runs[-1][1].append(value)
        else:
            runs.append((made if repeats else None, [value]))
    return runs


def _keeps(made: Operation, axis: int) -> bool:
    """Whether a broadcast repeats what it reads, and not along this axis."""
    dims, sizes = integers(made, "broadcast_dimensions"), shape(made.operands[0])
    own = {d for d, size in zip(dims, sizes, strict=True) if size == shape(made.result)[d]}
    return axis in own and len(own) < len(shape(made.result))


def _before_repeats(made: Operation, labels: Labels) -> tuple[Term, Labels]:
    dims, source = integers(made, "broadcast_dimensions"), made.operands[0]
    own = [n for n, d in enumerate(dims) if shape(source)[n] == shape(made.result)[d]]
    term = reshape(source, [shape(source)[n] for n in own])
    return term, tuple(labels[dims[n]] for n in own)


def _dot_and_repeat(one: tuple[Term, Labels], other: tuple[Term, Labels], found: Dot) -> Term:
    out = tuple(n for n in found.out if n in one[1] or n in other[1])
    places = [found.out.index(n) for n in out]
    return broadcast(dot(*one, *other, out, found.op), shape(found.op.result), places)


def _adds_numbers(m: Match) -> str | None:
    return None if dtype(m.root.result).kind != "b" else "booleans are not added"


RULES: Final = (
    Rule(
        name="sum-of-dots",
        law="s * (A @ W) + t * (B @ W) = (s * A + t * B) @ W, and so for differences",
        pattern=op["add", "sub"](
            FIRST | op.mul(FIRST, var("s")), SECOND | op.mul(SECOND, var("t"))
        ),
        replace=_sum_of_dots,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda a, b, w: a @ w - b @ w, "f32[m,k]", "f32[m,k]", "f32[k,32]", m=16),
            example(
                lambda x, a, b, s: s * (x @ a) + x @ b,
                "f32[64,8]",
                "f32[8,n]",
                "f32[8,n]",
                "f32",
            ),
        ),
        rejects=(
            example(
                lambda x, a, b: x @ a + x @ b,
                "f32[m,k]",
                "f32[k,n]",
                "f32[k,1]",
                reason="of different shapes",
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralDistributiveSimplify",
    ),
    Rule(
        name="dot-of-sum",
        law="(D + U @ V) @ x = D @ x + U @ (V @ x), where U and V are thin",
        pattern=op.dot_general(SUM, y) | op.dot_general(y, SUM),
        replace=_dot_of_sum,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        guards=(swappable,),
        examples=(
            example(
                lambda d, u, v, x: (d + u @ v) @ x,
                "f32[64,k]",
                "f32[64,r]",
                "f32[r,k]",
                "f32[k]",
                k=64,
            ),
            example(
                lambda x, w, a, b: x @ (w - a @ b),
                "f32[s,64]",
                "f32[64,64]",
                "f32[64,2]",
                "f32[2,64]",
            ),
        ),
        rejects=(
            example(
                lambda d, u, v, x: jnp.matmul(d + u @ v, x, precision=("highest", "default")),
                "f32[m,k]",
                "f32[m,r]",
                "f32[r,k]",
                "f32[k]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Relax: ExpandMatmulOfSum",
    ),
    Rule(
        name="dot-of-concat",
        law="concat([X, repeat(v)], 1) @ W = X @ W[:k] + repeat(v @ W[k:])",
        pattern=op.dot_general(CONCAT, y) | op.dot_general(y, CONCAT),
        replace=_dot_of_concat,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        guards=(swappable, _adds_numbers),
        examples=(
            example(
                lambda x, v, w: (
                    jnp.concatenate([x, jnp.broadcast_to(v, (x.shape[0], v.shape[0]))], 1) @ w
                ),
                "f32[m,k]",
                "f32[16]",
                "f32[20,n]",
                m=32,
                k=4,
            ),
        ),
        rejects=(
            example(
                lambda x, v, w: jnp.matmul(
                    jnp.concatenate([x, v], 1), w, precision=("highest", "default")
                ),
                "f32[m,k]",
                "f32[m,k]",
                "f32[8,n]",
                reason="treated unlike",
            ),
            example(
                lambda x, w: jnp.concatenate([x, x], 1) @ w,
                "bool[m,k]",
                "bool[8,n]",
                reason="not added",
            ),
        ),
    ),
)
