"""Elements in another order along an axis: turned round twice, or before a reduction of it all."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, broadcast
from compiler.rules.reduction_terms import COMBINERS
from compiler.rules.slice_terms import cuts_of

x, axes = var("x"), var("axes")


def _turned(term: Term, dims: tuple[int, ...]) -> Term:
    return new("rev", term, dimensions=dims) if dims else term


def _turn_once(m: Match) -> Term:
    return _turned(m.x, tuple(sorted({*m.first} ^ {*m.then})))


def _turn_before(m: Match) -> Term:
    """What repeats is the same from either end."""
    places = integers(m.inner, "broadcast_dimensions")
    own, wide = shape(m.x), shape(m.root.result)
    turned = tuple(
        i for i, dim in enumerate(places) if dim in m.dims and own[i] == wide[dim] and own[i] > 1
    )
    return broadcast(_turned(m.x, turned), wide, places)


def _in_any_order(m: Match) -> Replacement:
    inner = m.inner
    if inner.name == "rev":
        return _of_reverse(m.root, inner)
    if inner.name == "sort":
        axis, source = integer(inner, "dimension"), inner.operands[0]
    else:
        axis, source = integer(inner, "dimension"), _rotated(inner)
    if source is None or axis not in m.axes:
        return Refusal("the axes are not all of what changed its order")
    return like(m.root, [source])[0]


def _of_reverse(root: Operation, inner: Operation) -> Replacement:
    """Turns round only what is left."""
    dims, axes = integers(inner, "dimensions"), integers(root, "axes")
    if not set(dims) & set(axes):
        return Refusal("the axes are not all of what changed its order")
    kept = [dim for dim in range(len(shape(inner.result))) if dim not in axes]
    (term,) = like(root, [inner.operands[0]])
    return _turned(term, tuple(kept.index(dim) for dim in dims if dim in kept))


def _rotated(joined: Operation) -> Value | None:
    """The value of which a join holds each slice along its axis once."""
    axis = integer(joined, "dimension")
    producers = [piece.producer for piece in joined.operands]
    slices = [one for one in producers if one is not None and one.name == "slice"]
    if len(slices) != len(producers) or len(slices) < 2:
        return None
    source, size = slices[0].operands[0], shape(slices[0].operands[0])[axis]
    cuts = [cuts_of(one) for one in slices]
    if any(one.operands[0] is not source for one in slices) or any(c.keys() - {axis} for c in cuts):
        return None
    rows = sorted(found.get(axis, Cut(0, size)) for found in cuts)
    ends = [(row.start, row.limit) for row in rows]
    whole = [0, *(limit for _, limit in ends)] == [*(start for start, _ in ends), size]
    return source if whole and all(row.stride == 1 for row in rows) else None


RULES: Final = (
    Rule(
        name="reverse-twice",
        law="rev(rev(x, a), b) = rev(x, a xor b)",
        pattern=op.rev(op.rev(x, dimensions=var("first")).shared(), dimensions=var("then")),
        replace=_turn_once,
        transparent=True,
        normal_form="an axis is turned round once",
        examples=(
            example(lambda x: jnp.flip(jnp.flip(x), 0), "f32[m,k]"),
            example(lambda x: jnp.sin(x[::-1][::-1]), "f32[m]"),
        ),
        elsewhere="Enzyme-JAX: NoopReverse; XLA: algebraic simplifier",
    ),
    Rule(
        name="reverse-of-broadcast",
        law="rev(broadcast(x)) = broadcast(rev(x)), and broadcast(x) along what it repeats",
        pattern=op.rev(op.broadcast_in_dim(x).named("inner"), dimensions=var("dims")),
        replace=_turn_before,
        transparent=True,
        examples=(
            example(lambda v: jnp.broadcast_to(v, (4, v.size))[::-1], "f32[m]"),
            example(lambda v: jnp.flip(jnp.broadcast_to(v[:, None], (v.size, 4))), "f32[m]"),
        ),
        elsewhere="Enzyme-JAX: NoopReverse, ReverseBroadcast; XLA: algebraic simplifier",
    ),
    Rule(
        name="reduction-of-rearranged",
        law="sum(rev(x)) = sum(roll(x)) = sum(sort(x)) = sum(x), and so for other reductions",
        pattern=op[tuple(COMBINERS)](
            op["rev", "sort", "concatenate"].any().named("inner"), axes=axes
        ),
        replace=_in_any_order,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.flip(x).sum(1), "f32[m,k]"),
            example(lambda x: jnp.roll(x, 2, 0).sum(0), "f32[m,k]"),
            example(lambda x: jnp.max(jnp.sort(x, 1), 1), "f32[m,k]"),
        ),
        rejects=(example(lambda x: jnp.roll(x, 2, 0).sum(1), "f32[m,k]", reason="not all of"),),
        elsewhere="XLA: algebraic simplifier, for whole reversals",
    ),
)
