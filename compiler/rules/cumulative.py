"""Running sums and extremes: turned round, read at the end only, of one number, and undone."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Expr, Term, dtype, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import count, reshaped, spread

TOTALS: Final[Mapping[str, str]] = {
    "cummax": "reduce_max",
    "cummin": "reduce_min",
    "cumprod": "reduce_prod",
    "cumsum": "reduce_sum",
}
"""Running reductions and what their last element is."""

_EXTREMES: Final = ("cummax", "cummin")

x, dims = var("x"), var("dims")
real = var("x", FLOAT + INTEGER)


def _turned(m: Match) -> Replacement:
    axis = integer(m.inner, "axis")
    is_turned = axis in m.dims
    backwards = bool(m.inner.attributes["reverse"]) != is_turned
    return like(m.inner, (m.x,), reverse=backwards)[0]


def _cut(term: Term, start: tuple[int, ...], limit: tuple[int, ...]) -> Expr:
    return new("slice", term, start_indices=start, limit_indices=limit, strides=None)


def _total(m: Match) -> Replacement:
    """The total of what runs up to the one element along the axis that is read."""
    axis, sizes = integer(m.inner, "axis"), shape(m.x)
    starts, limits = integers(m.root, "start_indices"), integers(m.root, "limit_indices")
    last = 0 if m.inner.attributes["reverse"] else sizes[axis] - 1
    strides = m.root.attributes.get("strides")
    if m.inner.name in _EXTREMES and dtype(m.x).kind not in "iu":
        return Refusal("a nan may get lost in XLA's extreme of many numbers")
    if sizes[axis] < 2 or (starts[axis], limits[axis]) != (last, last + 1) or strides:
        return Refusal("more than the last element is read")
    low = tuple(0 if i == axis else start for i, start in enumerate(starts))
    high = tuple(sizes[axis] if i == axis else limit for i, limit in enumerate(limits))
    part = m.x if (low, high) == ((0,) * len(sizes), sizes) else _cut(m.x, low, high)
    total = new(TOTALS[m.inner.name], part, axes=(axis,))
    return reshaped(total, shape(m.root.results[0]))


def _of_repeated(m: Match) -> Replacement:
    """The running sum of a number: the number times how often it has been met."""
    axis, sizes = integer(m.root, "axis"), shape(m.inner.result)
    last = count(sizes[axis], m.x)
    if not _repeats(m.inner, axis) or last is None:
        return Refusal("the elements along the axis are not one repeated, or too many")
    if m.root.name != "cumsum":
        return m.inner.result
    row = tuple(size if i == axis else 1 for i, size in enumerate(sizes))
    once = tuple(1 if i == axis else size for i, size in enumerate(sizes))
    steps = new("iota", dtype=dtype(m.x), shape=row, dimension=axis, sharding=None)
    is_backward = bool(m.root.attributes["reverse"])
    times = new("sub", last, steps) if is_backward else new("add", steps, 1)
    return new("mul", spread(m.x, once, integers(m.inner, "broadcast_dimensions")), times)


def _repeats(broadcast: Operation, axis: int) -> bool:
    """Whether the broadcast repeats one element along the axis."""
    dims, source = integers(broadcast, "broadcast_dimensions"), shape(broadcast.operands[0])
    moving = [dim for dim, size in zip(dims, source, strict=True) if size != 1]
    return axis not in moving and not broadcast.attributes.get("sharding")


def _shift(m: Match, sizes: tuple[int, ...]) -> int | None:
    """The axis along which the two slices are all but the first and all but the last element."""
    later, earlier = m.later, m.earlier
    if later.attributes.get("strides") or earlier.attributes.get("strides"):
        return None
    starts = integers(later, "start_indices")
    moved = [axis for axis, start in enumerate(starts) if start]
    whole = integers(later, "limit_indices") == sizes and not any(
        integers(earlier, "start_indices")
    )
    if not whole or len(moved) != 1 or starts[moved[0]] != 1:
        return None
    axis = moved[0]
    ends = tuple(size - (i == axis) for i, size in enumerate(sizes))
    return axis if integers(earlier, "limit_indices") == ends else None


def _of_differences(m: Match) -> Replacement:
    axis = integer(m.root, "axis")
    sizes = shape(m.x)
    if _shift(m, sizes) != axis or m.root.attributes["reverse"]:
        return Refusal("what is added up is not the difference of neighbours along the axis")
    first = tuple(1 if i == axis else size for i, size in enumerate(sizes))
    return new("sub", m.later.result, _cut(m.x, (0,) * len(sizes), first))


def _differences(m: Match) -> Replacement:
    sizes = shape(m.x)
    axis = _shift(m, sizes)
    if axis is None or axis != integer(m.running, "axis") or m.running.attributes["reverse"]:
        return Refusal("these are not the differences of neighbours along the axis")
    starts = tuple(int(i == axis) for i in range(len(sizes)))
    return _cut(m.x, starts, sizes)


_RUNNING: Final = op[tuple(TOTALS)]
_SUM: Final = op.cumsum(var("x", FLOAT)).named("running")

RULES: Final = (
    Rule(
        name="cumulative-of-reverse",
        law="flip(cumsum(flip(x))) = cumsum(x) from the end; so for every running reduction",
        pattern=op.rev(
            op[(*TOTALS, "cumlogsumexp")](op.rev(real, dimensions=dims)).named("inner"),
            dimensions=dims,
        ),
        replace=_turned,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.flip(jnp.cumsum(jnp.flip(x, 1), 1), 1), "f32[a,b]"),
            example(lambda x: jnp.flip(lax.cummax(jnp.flip(x), axis=0)), "f32[a,b]"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="last-of-cumulative",
        law="cumsum(x)[-1] = sum(x); so for running products, and extremes of whole numbers",
        pattern=op.slice(_RUNNING(x).named("inner")),
        replace=_total,
        numerics=Numerics.ROUNDING,
        examples=(
            example(lambda x: jnp.cumsum(x, 1)[:, -1:], "f32[a,b]"),
            example(lambda x: lax.cummax(x, axis=0)[-1:, 1:], "i32[a,2]"),
            example(lambda x: lax.cumsum(x, axis=0, reverse=True)[:1], "f32[a]"),
        ),
        rejects=(
            example(lambda x: jnp.cumsum(x, 1)[:, -2:], "f32[a,b]", reason="more than the last"),
            example(lambda x: lax.cummax(x, axis=0)[-1:], "f32[a,2]", reason="a nan may get lost"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="cumulative-of-broadcast",
        law="cumsum(broadcast(x)) = x*(1, 2, 3, ...); a running extreme of one number is it",
        pattern=op["cumsum", "cummax", "cummin"](op.broadcast_in_dim(real).named("inner")),
        replace=_of_repeated,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.cumsum(jnp.broadcast_to(x[:, None], (*x.shape, 5)), 1), "f32[a]"),
            example(
                lambda x: lax.cumsum(jnp.broadcast_to(x, (5, *x.shape)), 0, reverse=True), "f32[a]"
            ),
        ),
        rejects=(
            example(
                lambda x: jnp.cumsum(jnp.broadcast_to(x, (5, *x.shape)), 1),
                "f32[a]",
                reason="not one repeated",
            ),
        ),
        elsewhere="-",
    ),
    Rule(
        name="cumsum-of-differences",
        law="cumsum(diff(x)) = x[1:] - x[0]",
        pattern=op.cumsum(
            op.sub(
                op.slice(var("x", FLOAT)).named("later"),
                op.slice(var("x", FLOAT)).named("earlier"),
            )
        ),
        replace=_of_differences,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.cumsum(jnp.diff(x, axis=1), 1), "f32[a,b]"),),
        rejects=(
            example(
                lambda x: jnp.cumsum(jnp.diff(x, axis=1), 0),
                "f32[a,b]",
                reason="not the difference",
            ),
        ),
        elsewhere="-",
    ),
    Rule(
        name="differences-of-cumsum",
        law="diff(cumsum(x)) = x[1:]",
        pattern=op.sub(op.slice(_SUM).named("later"), op.slice(_SUM).named("earlier")),
        replace=_differences,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.diff(jnp.cumsum(x, 1), axis=1), "f32[a,b]"),),
        rejects=(
            example(
                lambda x: jnp.diff(jnp.cumsum(x, 1), axis=0),
                "f32[a,b]",
                reason="not the difference",
            ),
        ),
        elsewhere="-",
    ),
)
