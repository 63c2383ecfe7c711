"""Dots of operands of a known form: repeated, negated, chosen, converted, padded or diagonal."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Final, NamedTuple

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Value
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import (
    Dot,
    Labels,
    broadcast,
    dot,
    dot_of,
    reshape,
    reshape_groups,
    same_arithmetic,
    steady,
)

x, y = var("x"), var("y")
REPEATED: Final = op.broadcast_in_dim(x, broadcast_dimensions=var("dims")).named("repeated")
MERGED: Final = op.reshape(REPEATED).named("merged")
NEGATED: Final = op.neg(x).named("negated")


class _Side(NamedTuple):
    """An operand of a dot with its labels."""

    term: Term
    labels: Labels


def _dot_of_broadcast(m: Match) -> Replacement:
    """The dot of what was not yet repeated; repeated rows are repeated of the result."""
    found = dot_of(m.root)
    whole = m.merged.result if m.get("merged") else m.repeated.result
    side = 0 if m.root.operands[0] is whole else 1
    split = _split(found, side, m.repeated.result)
    if split is None or m.root.operands[0] is m.root.operands[1]:
        return Refusal("the repeated dimensions are merged with others")
    labels, other, out = split
    sizes = dict(zip(labels, shape(m.repeated.result), strict=True))
    sizes |= dict(zip(other.labels, shape(other.term), strict=True))
    kept = [n for n, d in enumerate(m.dims) if shape(m.x)[n] == sizes[labels[d]]]
    own = tuple(labels[m.dims[n]] for n in kept)
    missing = set(labels) - set(own)
    summed = set(labels) & set(other.labels) - set(out)
    if missing & summed or not summed:
        return Refusal("the repeated dimension is added up")
    one = _Side(reshape(m.x, [sizes[label] for label in own]), own)
    inner = tuple(n for n in out if n in own or n in other.labels)
    pair = (other, one) if side else (one, other)
    result = dot(*pair[0], *pair[1], inner, m.root)
    places = [out.index(label) for label in inner]
    return reshape(broadcast(result, [sizes[n] for n in out], places), shape(m.root.result))


def _split(found: Dot, side: int, repeated: Value) -> tuple[Labels, _Side, Labels] | None:
    """The labels of the repeated operand, the other operand and the result, before a merge.

    Where neighbouring dimensions were merged by a reshape, each has a label of its own here, and
    the other operand and the result are seen as if they had not been merged either.
    """
    value, merged = found.sides[side]
    other, other_labels = found.sides[1 - side]
    groups = reshape_groups(shape(repeated), shape(value))
    if groups is None or any(len(group.after) != 1 for group in groups):
        return None
    names = {
        merged[group.after[0]]: tuple(found.fresh + d for d in group.before) for group in groups
    }
    sizes = dict(enumerate(shape(repeated), found.fresh))
    sizes |= {label: shape(other)[d] for d, label in enumerate(other_labels)}
    labels = tuple(label for name in merged for label in names[name])
    others = tuple(label for name in other_labels for label in names.get(name, (name,)))
    out = tuple(label for name in found.out for label in names.get(name, (name,)))
    return labels, _Side(reshape(other, [sizes[label] for label in others]), others), out


def _select_of_dots(m: Match) -> Replacement:
    if shape(m.p):
        return Refusal("the predicate is no scalar")
    first, second = m.first, m.second
    if not same_arithmetic(first, second) or first.attributes != second.attributes:
        return Refusal("the dots are of different kinds")
    side = next((i for i in (0, 1) if first.operands[i] is second.operands[i]), None)
    if side is None or shape(first.operands[1 - side]) != shape(second.operands[1 - side]):
        return Refusal("the dots have no operand in common")
    chosen = new("select_n", m.p, first.operands[1 - side], second.operands[1 - side])
    shared = first.operands[side]
    return like(first, (chosen, shared) if side else (shared, chosen))[0]


def _dot_of_negated(m: Match) -> Replacement:
    operands = [m.x if value is m.negated.result else value for value in m.root.operands]
    return new("neg", like(m.root, operands)[0])


RULES: Final = (
    Rule(
        name="dot-of-broadcast",
        law="repeat(v) @ B = repeat(v @ B), and A[i] @ repeat(W) = A[i] @ W",
        pattern=op.dot_general(REPEATED | MERGED, y) | op.dot_general(y, REPEATED | MERGED),
        replace=_dot_of_broadcast,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(
            example(
                lambda v, b: jnp.broadcast_to(v, (5, v.shape[0])) @ b, "f32[k]", "f32[k,n]", k=8
            ),
            example(
                lambda a, w: a @ jnp.broadcast_to(w, (a.shape[0], *w.shape)),
                "f32[3,m,k]",
                "f32[k,5]",
            ),
            example(
                lambda q, k: jnp.einsum("bhsd,bhtd->bhst", q, jnp.repeat(k, 4, axis=1)),
                "f32[2,12,s,4]",
                "f32[2,3,5,4]",
            ),
        ),
        rejects=(
            example(
                lambda v, b: lax.dot(
                    jnp.broadcast_to(v, (5, v.shape[0])), b, precision=("highest", "default")
                ),
                "f32[k]",
                "f32[k,n]",
                reason="treated unlike",
            ),
            example(
                lambda c, b: jnp.broadcast_to(c[:, None], (c.shape[0], b.shape[0])) @ b,
                "f32[m]",
                "f32[k,n]",
                reason="added up",
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralBroadcastInDim",
    ),
    Rule(
        name="select-of-dots",
        law="where(p, x @ A, x @ B) = x @ where(p, A, B), for one p",
        pattern=op.select_n(
            var("p"), op.dot_general.any().named("first"), op.dot_general.any().named("second")
        ),
        replace=_select_of_dots,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda p, x, a, b: jnp.where(p, x @ a, x @ b),
                "bool",
                "f32[m,k]",
                "f32[k,n]",
                "f32[k,n]",
                m=16,
            ),
        ),
        rejects=(
            example(
                lambda p, x, a, b: jnp.where(p, x @ a, x @ b),
                "bool[n]",
                "f32[m,k]",
                "f32[k,n]",
                "f32[k,n]",
                reason="no scalar",
            ),
        ),
    ),
    Rule(
        name="dot-of-negated",
        law="(-A) @ B = -(A @ B), where the result is the smaller",
        pattern=op.dot_general(NEGATED, y) | op.dot_general(y, NEGATED),
        replace=_dot_of_negated,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(example(lambda a, v: (-a) @ v, "f32[m,k]", "f32[k]"),),
    ),
)
