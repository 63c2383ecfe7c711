"""Reductions of truth values: counts that are only compared, and tests that an extreme decides."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from compiler.rewrite.expression import Term, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import BOOL, FLOAT, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import constant_axes, dropped

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "ne": operator.ne,
}
_MIRRORS: Final = (("eq", "eq"), ("ge", "le"), ("gt", "lt"), ("ne", "ne"))
SWAPPED: Final[Mapping[str, str]] = {
    **dict(_MIRRORS),
    **{right: left for left, right in _MIRRORS},
}
"""Each comparison as it reads with its sides exchanged."""

x, axes = var("x", FLOAT), var("axes")
bound = var("b", FLOAT)


def _counted(m: Match) -> Replacement:
    """A count compared with none or with all, as whether there is any or whether there are all."""
    sizes = shape(m.mask)
    most = prod(sizes[axis] for axis in m.axes)
    if most == 0 or not _counts_to(dtype(m.total.result), most):
        return Refusal("the count is zero, or may be no number of its type")
    name = m.root.name if m.root.operands[0] is m.total.result else SWAPPED[m.root.name]
    compare = COMPARISONS[name]
    if compare(0, m.c) != compare(1, m.c) and (name not in ("eq", "ne") or m.c == 0):
        return _said(new("reduce_or", m.mask, axes=m.axes), compare(1, m.c))
    if compare(most, m.c) != compare(most - 1, m.c) and (name not in ("eq", "ne") or m.c == most):
        return _said(new("reduce_and", m.mask, axes=m.axes), compare(most, m.c))
    return Refusal("the comparison is neither with none nor with all")


def _counts_to(type: np.dtype[Any], most: int) -> bool:
    """Whether adding up so many ones gives each count between, to the last."""
    if type.kind in "iu":
        return most <= np.iinfo(type).max
    return type.kind in "fV" and most <= 2 ** (int(ml_dtypes.finfo(type).nmant) + 1)


def _said(found: Term, truth: object) -> Term:
    return found if truth else new("not", found)


def _any_nan(m: Match) -> Replacement:
    largest = new("reduce_max", m.x, axes=m.axes)
    return new("ne", largest, largest)


def _all_finite(m: Match) -> Replacement:
    sizes = shape(m.x)
    if 0 in sizes:
        return Refusal("there may be nothing to look at")
    if len(sizes) - 1 not in m.axes:
        return Refusal("the last axis stays, along which truth values are quick to combine")
    return new("is_finite", new("reduce_max", new("abs", m.x), axes=m.axes))


def _all_beyond(m: Match) -> Replacement:
    """Whether all are beyond a bound: whether the nearest is. A nan is not, nor is its extreme."""
    sizes = shape(m.inner.result)
    if shape(m.x) != sizes or 0 in sizes:
        return Refusal("the compared values are repeated, or there are none")
    if not set(m.axes) <= constant_axes(m.b, sizes):
        return Refusal("the bound changes along the axes")
    is_left = m.inner.operands[0] is m.x
    name = m.inner.name if is_left else SWAPPED[m.inner.name]
    nearest = "reduce_min" if name in ("ge", "gt") else "reduce_max"
    return new(name, new(nearest, m.x, axes=m.axes), dropped(m.b, m.axes))


_TOTAL: Final = op.reduce_sum(op.convert_element_type(var("mask", BOOL)), axes=axes).named("total")
_ANY_COMPARISON: Final = op[tuple(COMPARISONS)]
_ORDER: Final = op["ge", "gt", "le", "lt"]

RULES: Final = (
    Rule(
        name="count-compared",
        law="sum(mask) > 0 = any(mask); sum(mask) == n = all(mask)",
        pattern=_ANY_COMPARISON(_TOTAL, num("c")) | _ANY_COMPARISON(num("c"), _TOTAL),
        replace=_counted,
        transparent=True,
        examples=(
            example(lambda m: m.sum(1) > 0, "bool[a,b]"),
            example(lambda x: jnp.count_nonzero(x > 0) == 0, "f32[a,b]"),
            example(lambda m: m.size <= m.sum(), "bool[a,b]"),
        ),
        rejects=(example(lambda m: m.sum(1) > 1, "bool[a,b]", reason="neither"),),
        elsewhere="-",
    ),
    Rule(
        name="any-nan",
        law="any(isnan(x)) = isnan(max(x))",
        pattern=op.reduce_or(op.ne(x, x), axes=axes),
        replace=_any_nan,
        transparent=True,
        examples=(
            example(lambda x: jnp.isnan(x).any(), "f32[a,b]"),
            example(lambda x: jnp.isnan(x).any(1), "f32[a,b]"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="all-finite",
        law="all(isfinite(x)) = isfinite(max(|x|))",
        pattern=op.reduce_and(op.is_finite(x), axes=axes),
        replace=_all_finite,
        transparent=True,
        normal_form="an extreme decides a test of all elements",
        examples=(
            example(lambda x: jnp.isfinite(x).all(), "f32[a,b]"),
            example(lambda x: jnp.isfinite(x).all(1), "f32[a,b]"),
        ),
        rejects=(example(lambda x: jnp.isfinite(x).all(0), "f32[a,b]", reason="last axis"),),
        elsewhere="-",
    ),
    Rule(
        name="all-beyond",
        law="all(x > b) = min(x) > b; all(x < b) = max(x) < b, b the same along the axes",
        pattern=op.reduce_and(
            _ORDER(x, bound).named("inner") | _ORDER(bound, x).named("inner"), axes=axes
        ),
        replace=_all_beyond,
        transparent=True,
        examples=(
            example(lambda x: jnp.all(x > 0), "f32[a,b]"),
            example(lambda x, v: jnp.all(v[:, None] >= x, axis=1), "f32[a,b]", "f32[a]"),
        ),
        rejects=(example(lambda x, y: jnp.all(x < y), "f32[a,b]", "f32[a,b]", reason="changes"),),
        elsewhere="-",
    ),
)
