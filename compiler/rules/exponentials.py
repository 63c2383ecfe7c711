"""Exponentials and logarithms: undone, joined, and written as one function that has a name."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
from jax import nn

from compiler.ir.graph import Value
from compiler.rewrite.expression import constant, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, num, op, var, variables
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.powers import square_of
from compiler.rules.reduction_terms import reduced, spread

x, y = variables("x y", FLOAT)
one = num(1.0)

UNDONE: Final = (
    *(("exp", "log"), ("expm1", "log1p"), ("log1p", "expm1"), ("tanh", "atanh")),
    *(("sinh", "asinh"), ("asinh", "sinh"), ("tan", "atan"), ("sin", "asin"), ("cos", "acos")),
    *(("erf", "erf_inv"), ("cosh", "acosh")),
)
"""Functions of what they undo: outer first."""

CARRIERS: Final = frozenset({"broadcast_in_dim", "reshape", "squeeze", "stop_gradient", "max"})
"""Ops through which a row's maximum reaches the elements that it is subtracted from."""


def _undone() -> Any:
    first, *others = (op[outer](op[inner](x)) for outer, inner in UNDONE)
    pattern = first
    for other in others:
        pattern = pattern | other
    return pattern


def _is_own_maximum(value: Value, of: Value) -> bool:
    """Whether the value is the maximum of another one's elements, repeated."""
    while value.producer is not None and value.producer.name in CARRIERS:
        value = value.producer.operands[-1]
    found = value.producer
    return found is not None and found.name == "reduce_max" and found.operands[0] is of


def _shifted_by_maximum(m: Match) -> str | None:
    shifted = m.shifted
    if _is_own_maximum(shifted.operands[1], shifted.operands[0]):
        return None
    return "the exponential may overflow where the difference does not"


def _one_exponential(m: Match) -> Replacement:
    return new("div", new("exp", m.shifted.result), m.sum)


def _exp_of_sum(m: Match) -> Replacement:
    return new("exp", reduced("reduce_sum", m.x, m.axes))


def _joined_logs(m: Match) -> Replacement:
    if m.x.type != m.y.type:
        return Refusal("the logarithms are of different shapes")
    joined = new("mul" if m.root.name == "add" else "div", m.x, m.y)
    return new("log", joined)


_SHIFTED: Final = op.sub(x, y).shared().named("shifted")
_LOG_X, _LOG_Y = op.log(x), op.log(y)

RULES: Final = (
    Rule(
        name="function-of-its-inverse",
        law="exp(log(x)) = x, expm1(log1p(x)) = x, tanh(atanh(x)) = x, and so on",
        pattern=_undone(),
        replace=lambda m: m.x,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x: jnp.exp(jnp.log(x)), "f32[a]"),
            example(lambda x: jnp.tanh(jnp.arctanh(x)), "f32[a]"),
            example(lambda x: jnp.log1p(jnp.expm1(x)), "f32[a]"),
        ),
        elsewhere="XLA: algebraic simplifier, for log(exp(x)) alone",
    ),
    Rule(
        name="sum-of-logarithms",
        law="log(x) + log(y) = log(x*y), log(x) - log(y) = log(x/y)",
        pattern=op.add(_LOG_X, _LOG_Y) | op.sub(_LOG_X, _LOG_Y),
        replace=_joined_logs,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x, y: jnp.log(x) + jnp.log(y), "f32[a]", "f32[a]"),
            example(lambda x, y: jnp.log(x) - jnp.log(y), "f32[a]", "f32[a]"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="product-of-exponentials",
        law="prod(exp(x)) = exp(sum(x))",
        pattern=op.reduce_prod(op.exp(x), axes=var("axes")),
        replace=_exp_of_sum,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.prod(jnp.exp(x), 1), "f32[a,b]"),),
        elsewhere="XLA: algebraic simplifier, for products of two",
    ),
    Rule(
        name="exp-of-log-softmax",
        law="exp(x - log(s)) = exp(x)/s, x at most 0: softmax from log_softmax",
        pattern=op.exp(op.sub(_SHIFTED, op.log(var("sum", FLOAT)))),
        replace=_one_exponential,
        guards=(_shifted_by_maximum,),
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(example(lambda x: jnp.exp(nn.log_softmax(x)), "f32[a,b]"),),
        rejects=(
            example(
                lambda x, y, s: jnp.exp((x - y) - jnp.log(s)),
                "f32[a]",
                "f32[a]",
                "f32[a]",
                reason="shifted_by_maximum",
            ),
        ),
        elsewhere="-",
    ),
    Rule(
        name="logistic-of-negated",
        law="1 - logistic(x) = logistic(-x)",
        pattern=op.sub(one, op.logistic(x)),
        replace=lambda m: new("logistic", new("neg", m.x)),
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(example(lambda x: 1 - nn.sigmoid(x), "f32[a]"),),
        elsewhere="-",
    ),
    Rule(
        name="tanh-of-logistic",
        law="2*logistic(2*x) - 1 = tanh(x)",
        pattern=op.sub(op.mul(op.logistic(op.mul(x, num(2.0))), num(2.0)), one),
        replace=lambda m: new("tanh", m.x),
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(example(lambda x: 2 * nn.sigmoid(2 * x) - 1, "f32[a]"),),
        elsewhere="-",
    ),
    Rule(
        name="squares-of-sine-and-cosine",
        law="sin(x)**2 + cos(x)**2 = 1",
        pattern=op.add(square_of(op.sin(x)), square_of(op.cos(x))),
        replace=lambda m: spread(constant(1.0, like=m.x), shape(m.x), ()),
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.sin(x) ** 2 + jnp.cos(x) ** 2, "f32[a]"),),
        elsewhere="-",
    ),
)
