"""Reductions of what repeats or scales: broadcasts, paddings, products, and axes of one element."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from math import prod
from typing import Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Value
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import BOOL, COMPLEX, FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import (
    COMBINERS,
    IDEMPOTENT,
    constant_axes,
    count,
    dropped,
    is_identity,
    reduced,
    reshaped,
    spread,
    without,
)

x, b, axes = var("x"), var("b"), var("axes")
MAX_POWER: Final = 64


def _of_broadcast(m: Match) -> Replacement:
    """Reduces what is repeated, and repeats what is left; how often it was repeated is left out."""
    sizes, source = shape(m.inner.result), shape(m.x)
    dims = integers(m.inner, "broadcast_dimensions")
    moving = [dim for dim, size in zip(dims, source, strict=True) if size == sizes[dim]]
    repeated = [axis for axis in m.axes if axis not in moving]
    if prod(sizes[axis] for axis in repeated) <= 1 or m.inner.attributes.get("sharding"):
        return Refusal("the axes are not those along which the broadcast repeats")
    left = [i for i, dim in enumerate(dims) if dim not in m.axes]
    name = m.root.name
    term = reduced(name, m.x, [i for i, dim in enumerate(dims) if dim in m.axes])
    repeats = prod(sizes[axis] for axis in repeated)
    times = _many_times(name, term, repeats)
    if times is None:
        return Refusal(f"{repeats} times the element has no op of one step")
    kept = [axis for axis in range(len(sizes)) if axis not in m.axes]
    return spread(times, shape(m.root.result), [kept.index(dims[i]) for i in left])


def _many_times(name: str, term: Term, repeats: int) -> Term | None:
    """What a reduction makes of a term that it meets so often."""
    if name in IDEMPOTENT:
        return term
    if name == "reduce_prod":
        return new("integer_pow", term, y=repeats) if repeats <= MAX_POWER else None
    number = count(repeats, term)
    return None if number is None else new("mul", term, number)


def _fixed(value: Value, m: Match) -> list[int]:
    """The reduced axes, some of more than one element, along which a factor never changes."""
    sizes = shape(m.inner.result)
    fixed = [axis for axis in m.axes if axis in constant_axes(value, sizes)]
    full = shape(m.x) and all(shape(m.x)[axis] == sizes[axis] for axis in fixed)
    return fixed if full and prod(sizes[axis] for axis in fixed) > 1 else []


def _of_scaled(m: Match) -> Replacement:
    fixed = _fixed(m.b, m)
    if not fixed:
        return Refusal("the factor changes along the axes")
    inner = reduced("reduce_sum", m.x, fixed)
    scaled = new(m.inner.name, inner, dropped(m.b, fixed))
    kept = without(range(len(shape(m.inner.result))), fixed)
    return reduced("reduce_sum", scaled, [kept.index(axis) for axis in m.axes if axis in kept])


def _of_shifted(m: Match) -> Replacement:
    fixed = _fixed(m.b, m)
    if len(fixed) < len(m.axes):
        return Refusal("the term changes along the axes")
    total = reduced("reduce_sum", m.x, fixed)
    term = dropped(m.b, fixed)
    number = count(prod(shape(m.inner.result)[axis] for axis in fixed), term)
    if number is None:
        return Refusal("how often the term is added is no number of its type")
    many = new("mul", term, number)
    first = total if m.inner.operands[0] is m.x else many
    return new(m.inner.name, first, many if first is total else total)


def _of_pad(m: Match) -> Replacement:
    """Reduces what is padded; paddings that stay give what reducing only padding gives."""
    name, table = m.root.name, m.config
    if not is_identity(name, m.c):
        return Refusal(f"the padding counts in {name}")
    if any(low < 0 or high < 0 for low, high, _ in table):
        return Refusal("a negative padding cuts elements off")
    term = reduced(name, m.x, m.axes)
    rest = without(table, m.axes)
    if not any(any(row) for row in rest):
        return term
    return new("pad", term, m.inner.operands[1], padding_config=rest)


def _of_single(m: Match) -> Replacement:
    sizes = shape(m.x)
    single = [axis for axis in m.axes if sizes[axis] == 1]
    if not single:
        return Refusal("no axis has one element only")
    kept = without(range(len(sizes)), single)
    inner = reshaped(m.x, [sizes[axis] for axis in kept])
    return reduced(m.root.name, inner, [kept.index(axis) for axis in m.axes if axis in kept])


def _of_same(m: Match) -> Replacement:
    if m.inner.name != m.root.name:
        return Refusal("the two are different reductions")
    kept = without(range(len(shape(m.x))), m.within)
    return reduced(m.root.name, m.x, sorted({*m.within, *(kept[axis] for axis in m.axes)}))


_BROADCAST: Final = op.broadcast_in_dim(var("x", FLOAT + INTEGER + BOOL)).named("inner")
_NUMBER: Final = var("x", FLOAT + COMPLEX)

RULES: Final = (
    Rule(
        name="reduce-of-unit-axis",
        law="reducing an axis of one element is a reshape",
        pattern=op[tuple(COMBINERS)](x, axes=axes),
        replace=_of_single,
        transparent=True,
        normal_form="no axis of one element is reduced",
        examples=(
            example(lambda x: x[:, None].sum(1) * 2, "f32[a,b]"),
            example(lambda x: jnp.max(x[:, None], (1, 2)), "f32[a,b]"),
        ),
        elsewhere="XLA: algebraic simplifier, at the end only",
    ),
    Rule(
        name="extreme-of-broadcast",
        law="max(broadcast(x)) over the repeated axes = max(x); so for min, all and any",
        pattern=op[IDEMPOTENT](_BROADCAST, axes=axes),
        replace=_of_broadcast,
        transparent=True,
        examples=(
            example(lambda x: jnp.broadcast_to(x, (4, *x.shape)).max(0), "f32[a,b]"),
            example(lambda x: jnp.min(jnp.broadcast_to(x[:, None], (*x.shape, 5))), "f32[a]"),
        ),
        elsewhere="XLA: algebraic simplifier, for sums of a scalar",
    ),
    Rule(
        name="extreme-of-extreme",
        law="max(max(x, a), b) = max(x, a and b); so for min, all and any",
        pattern=op[IDEMPOTENT](op[IDEMPOTENT](x, axes=var("within")).named("inner"), axes=axes),
        replace=_of_same,
        normal_form="extremes are taken over all their axes at once",
        examples=(
            example(lambda x: x.max(0).max(-1), "f32[a,b,c]"),
            example(lambda x: x.min(1).min(), "i32[a,b,c]"),
            example(lambda x: (x > 0).all(1).all(0), "f32[a,b]"),
        ),
        rejects=(example(lambda x: x.max(0).min(0), "f32[a,b]", reason="different"),),
        elsewhere="XLA: algebraic simplifier",
    ),
    Rule(
        name="sum-of-broadcast",
        law="sum(broadcast(x)) over n repeats = n*sum(x); prod(broadcast(x)) = prod(x)**n",
        pattern=op["reduce_sum", "reduce_prod"](_BROADCAST, axes=axes),
        replace=_of_broadcast,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.broadcast_to(x, (4, *x.shape)).sum(), "f32[a,b]"),
            example(lambda x: jnp.broadcast_to(x[:, None], (*x.shape, 5)).sum(1), "f32[a]"),
            example(lambda x: jnp.prod(jnp.broadcast_to(x, (4, *x.shape)), 0), "f32[a]"),
        ),
        rejects=(
            example(
                lambda x: jnp.broadcast_to(x, (4, *x.shape)).sum(1), "f32[a]", reason="repeats"
            ),
        ),
        elsewhere="XLA: algebraic simplifier, for sums over the new axes alone",
    ),
    Rule(
        name="sum-of-scaled",
        law="sum(x*b) = b*sum(x) and sum(x/b) = sum(x)/b, b the same along the axes",
        pattern=op.reduce_sum(op.mul(_NUMBER, b).named("inner"), axes=axes)
        | op.reduce_sum(op.div(_NUMBER, b).named("inner"), axes=axes),
        replace=_of_scaled,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda x, s: (s[:, None] * x).sum(1), "f32[a,b]", "f32[a]"),
            example(lambda x, c: (c * x).sum(), "f32[a,b]", "f32"),
            example(lambda x, s: (s[:, None] * x).sum(), "f32[a,b]", "f32[a]", b=8),
            example(lambda x: (x / 3).sum(1), "f32[a,b]"),
        ),
        rejects=(example(lambda x, y: (x * y).sum(1), "f32[a,b]", "f32[a,b]", reason="changes"),),
        elsewhere="-",
    ),
    Rule(
        name="sum-of-shifted",
        law="sum(x+b) = sum(x) + n*b, b the same along the n elements that are added",
        pattern=op.reduce_sum(op.add(_NUMBER, b).named("inner"), axes=axes)
        | op.reduce_sum(op.sub(_NUMBER, b).named("inner"), axes=axes)
        | op.reduce_sum(op.sub(b, _NUMBER).named("inner"), axes=axes),
        replace=_of_shifted,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda x, v: (x + v).sum(0), "f32[a,b]", "f32[b]"),
            example(lambda x, v: (v[:, None] - x).sum(1), "f32[a,b]", "f32[a]"),
        ),
        rejects=(example(lambda x, v: (x + v).sum(1), "f32[a,b]", "f32[b]", reason="changes"),),
        elsewhere="-",
    ),
    Rule(
        name="reduction-of-pad",
        law="sum(pad(x, 0)) = sum(x); so for every reduction padded with its neutral element",
        pattern=op[tuple(COMBINERS)](
            op.pad(x, num("c"), padding_config=var("config")).named("inner"), axes=axes
        ),
        replace=_of_pad,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.pad(x, ((0, 0), (1, 4))).sum(1), "f32[a,b]"),
            example(lambda x: lax.pad(x, 0.0, ((1, 2, 0), (0, 0, 1))).sum(1), "f32[a,b]"),
            example(
                lambda x: jnp.pad(x, ((0, 0), (0, 4)), constant_values=-jnp.inf).max(1), "f32[a,b]"
            ),
        ),
        rejects=(
            example(
                lambda x: jnp.pad(x, ((0, 0), (0, 4)), constant_values=1.0).sum(1),
                "f32[a,b]",
                reason="counts",
            ),
        ),
        elsewhere="Enzyme-JAX: ReducePad",
    ),
)
