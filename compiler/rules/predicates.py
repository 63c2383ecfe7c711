"""Reductions of truth values: counts that are only compared."""

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

from compiler.ops.parameters import element_kind
from compiler.rewrite.expression import Term, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import BOOL, FLOAT, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example

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
    if element_kind(type) in "iu":
        return most <= int(ml_dtypes.iinfo(type).max)
    return element_kind(type) == "f" and most <= 2 ** (int(ml_dtypes.finfo(type).nmant) + 1)


def _said(found: Term, truth: object) -> Term:
    return found if truth else new("not", found)


_TOTAL: Final = op.reduce_sum(op.convert_element_type(var("mask", BOOL)), axes=axes).named("total")
_ANY_COMPARISON: Final = op[tuple(COMPARISONS)]

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
)
