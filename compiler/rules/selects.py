"""Selections: nested ones with one predicate, and functions that wait until the choice is made."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
from jax import nn

from compiler.ops.elementwise import TRANSCENDENTAL
from compiler.rewrite.expression import like, new
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import BOOL, FLOAT, op, var, variables
from compiler.rewrite.rule import Refusal, Replacement, Rule, example

p = var("p", BOOL)
x, y, a, b, c = variables("x y a b c")

COSTLY: Final = tuple(sorted(TRANSCENDENTAL - {"pow", "atan2"}))


def _nested(m: Match) -> Replacement:
    """The selection without the case of the inner one that is never chosen."""
    return new("select_n", m.p, m.x, m.y)


def _not(pattern: Any) -> Any:
    return op.not_(pattern).shared()


def _function_of_choice(m: Match) -> Replacement:
    first, second = m.first, m.second
    if first.name != second.name or first.attributes != second.attributes:
        return Refusal("the cases are not the same function")
    if len(first.operands) != 1 or m.x.type != m.y.type:
        return Refusal("the function is of more than one value")
    return like(first, (new("select_n", m.p, m.x, m.y),))[0]


def _twice(m: Match) -> Replacement:
    return m.x


def _inner_false() -> Any:
    """The inner selection where the outer predicate is false."""
    return op.select_n(p, x, a) | op.select_n(_not(p), a, x)


def _inner_true() -> Any:
    return op.select_n(p, a, y) | op.select_n(_not(p), y, a)


_ANY_COSTLY: Callable[..., Any] = op[COSTLY]

RULES: Final = (
    Rule(
        name="select-of-select",
        law="where(p, where(p, y, a), x) = where(p, y, x); so for the other case, and for not p",
        pattern=op.select_n(p, x, _inner_true()) | op.select_n(p, _inner_false(), y),
        replace=_nested,
        transparent=True,
        examples=(
            example(
                lambda p, x, y, a: jnp.where(p, jnp.where(p, y, jnp.exp(a)), x),
                *("bool[a]", "f32[a]", "f32[a]", "f32[a]"),
            ),
            example(
                lambda p, x, y, a: jnp.where(p, y, jnp.where(~p, x, a)),
                *("bool[a]", "f32[a]", "f32[a]", "f32[a]"),
            ),
        ),
        elsewhere="Enzyme-JAX: SelectSelectSameCond, SelectSelectNegCond",
    ),
    Rule(
        # Not transparent: a derivative that is infinite where it is not wanted gives nan before.
        name="select-of-functions",
        law="where(p, f(y), f(x)) = f(where(p, y, x)) for functions that cost more than a choice",
        pattern=op.select_n(p, _ANY_COSTLY(x).named("first"), _ANY_COSTLY(y).named("second")),
        replace=_function_of_choice,
        examples=(
            example(
                lambda p, x, y: jnp.where(p, jnp.tanh(x), jnp.tanh(y)),
                *("bool[a]", "f32[a]", "f32[a]"),
            ),
        ),
        rejects=(
            example(
                lambda p, x, y: jnp.where(p, jnp.tanh(x), jnp.exp(y)),
                *("bool[a]", "f32[a]", "f32[a]"),
                reason="same function",
            ),
        ),
        elsewhere="-",
    ),
    Rule(
        name="select-of-finite",
        law="where(isfinite(x), x, c) = x",
        pattern=op.select_n(op.is_finite(var("x", FLOAT)), c, var("x", FLOAT)),
        replace=_twice,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x: jnp.where(jnp.isfinite(x), x, 0), "f32[a]"),
            example(lambda x: nn.logsumexp(x, -1), "f32[a,b]"),
        ),
        elsewhere="-",
    ),
)
