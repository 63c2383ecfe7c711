"""The largest and the smallest of many: monotone functions wait until it is found."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import jax.numpy as jnp
from jax import lax, nn

from compiler.ir.graph import Operation
from compiler.ops.parameters import integer_table, integers
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, num, op, var, variables
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.monotone import FROM_ZERO, NAMES, SMOOTH, Monotone, monotone
from compiler.rules.reduction_terms import constant_axes
from compiler.rules.signs import is_nonnegative, is_positive

OPPOSITE: Final[Mapping[str, str]] = {
    "reduce_max": "reduce_min",
    "reduce_min": "reduce_max",
    "reduce_window_max": "reduce_window_min",
    "reduce_window_min": "reduce_window_max",
    "argmax": "argmin",
    "argmin": "argmax",
    "max": "min",
    "min": "max",
}

STRICT: Final = frozenset(["add", "asinh", "cbrt", "div", "mul", "neg", "sinh", "sub"])
"""Functions that give different results for numbers that differ by more than roundings."""

UPWARDS: Final = frozenset(["exp", "exp2", "expm1"])
"""Those that do so for large numbers, and are flat for small ones."""

x, y = variables("x y", FLOAT)
b = var("b", FLOAT)


def _chosen(root: Operation, function: Monotone, inner: Term) -> Term:
    """The extreme of what the function is applied to, which is the least for a falling one."""
    name = root.name if function.rises else OPPOSITE[root.name]
    if name == root.name:
        return like(root, (inner,))[0]
    return new(name, inner, **root.attributes)


def _meets_an_element(root: Operation) -> bool:
    """Whether each result comes from an element, not from an axis of none or from padding only."""
    if 0 in shape(root.operands[0]):
        return False
    if not root.name.startswith("reduce_window"):
        return True
    dilations = (*integers(root, "base_dilation"), *integers(root, "window_dilation"))
    window, padding = integers(root, "window_dimensions"), integer_table(root, "padding")
    inside = all(max(low, high) < size for size, (low, high) in zip(window, padding, strict=True))
    return inside and all(dilation == 1 for dilation in dilations)


def _of_monotone(numerics: Numerics) -> Callable[[Match], Replacement]:
    def replace(m: Match) -> Replacement:
        function = monotone(m.inner)
        if function is None or function.numerics is not numerics:
            return Refusal("the function is not known to be monotone in this class")
        if not _meets_an_element(m.root):
            return Refusal("there may be no element to apply the function to")
        return function.of(_chosen(m.root, function, function.inner))

    return replace


def _of_two(m: Match) -> Replacement:
    first = monotone(m.first)
    if first is None or m.first.name != m.second.name or m.x.type != m.y.type:
        return Refusal("the sides are not the same function of one type")
    if m.first.attributes != m.second.attributes:
        return Refusal("the sides are not computed in the same way")
    return first.of(new(m.root.name, m.x, m.y))


def _of_larger_bound(m: Match) -> Replacement:
    """max(x, c) where x is never negative and c never positive."""
    if m.x.type != m.root.results[0].type or not is_nonnegative(m.x):
        return Refusal("the larger side is not known to be nonnegative")
    return m.x if m.c <= 0 else Refusal("the bound is above zero")


def _arg_of_monotone(m: Match) -> Replacement:
    """Only where different numbers give different results; flat functions make equals of them."""
    function = monotone(m.inner)
    if function is None:
        return Refusal("the function is not known to be monotone")
    name = m.inner.name
    is_strict = name in STRICT or (name in UPWARDS and m.root.name == "argmax")
    if not is_strict and not (name in FROM_ZERO and function.numerics is not Numerics.FINITE):
        return Refusal("the function is flat, or not defined, for some numbers")
    return _chosen(m.root, function, function.inner)


def _arg_of_shifted(m: Match) -> Replacement:
    """argmax of x with the same number added, or the same positive number multiplied."""
    sizes = shape(m.inner.result)
    if shape(m.x) != sizes or not set(integers(m.root, "axes")) <= constant_axes(m.b, sizes):
        return Refusal("the other operand changes along the axis")
    if m.inner.name in ("mul", "div") and not is_positive(m.b):
        return Refusal("the factor is not known to be positive")
    return like(m.root, (m.x,))[0]


_EXTREMES: Final = ("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min")
_SIDE: Final = op[tuple(sorted(SMOOTH))](x)


def _extreme_rule(name: str, law: str, numerics: Numerics, **others: object) -> Rule:
    return Rule(
        name=name,
        law=law,
        pattern=op[_EXTREMES](op[NAMES].any().named("inner")),
        replace=_of_monotone(numerics),
        numerics=numerics,
        elsewhere="Grappler: OptimizeMaxOrMinOfMonotonicStage",
        **others,  # pyright: ignore[reportArgumentType]
    )


def _pool(x: object) -> object:
    window = (1, 2, 2, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


RULES: Final = (
    _extreme_rule(
        "extreme-of-monotone",
        "max(f(x)) = f(max(x)) where f rises to the bit: c*x, x+c, relu, rounding; "
        "max(-x) = -min(x)",
        Numerics.EXACT,
        examples=(
            example(lambda x: (-x).max(1), "f32[a,b]"),
            example(lambda x: nn.relu(x).max(1), "f32[a,b]"),
            example(lambda x: (1 - 2.5 * x).min(1), "f32[a,b]"),
            example(lambda x: _pool(nn.relu(x)), "f32[2,4,4,c]"),
        ),
        rejects=(
            example(
                lambda x: lax.max(x, jnp.zeros((1, 1))).max(1),
                "f32[a,b]",
                reason="not known to be monotone",
            ),
            example(lambda x: jnp.exp(x).max(1), "f32[a,b]", reason="not known to be monotone"),
            example(lambda x: (x * 0.0).max(1), "f32[a,b]", reason="not known to be monotone"),
        ),
    ),
    _extreme_rule(
        "extreme-of-smooth",
        "max(f(x)) = f(max(x)) for exp, tanh, logistic, erf and the like",
        Numerics.ROUNDING,
        examples=(
            example(lambda x: jnp.exp(x).max(1), "f32[a,b]"),
            example(lambda x: nn.sigmoid(x).min(), "f32[a,b]"),
            example(lambda x: _pool(jnp.tanh(x)), "f32[2,4,4,c]"),
        ),
        rejects=(
            example(lambda x: jnp.log(x).max(1), "f32[a,b]", reason="not known to be monotone"),
        ),
    ),
    _extreme_rule(
        "extreme-of-partial",
        "max(f(x)) = f(max(x)) for sqrt, log and others that are nan for some numbers",
        Numerics.FINITE,
        examples=(
            example(lambda x: jnp.log(x).max(1), "f32[a,b]"),
            example(lambda x: lax.rsqrt(x).max(1), "f32[a,b]"),
        ),
    ),
    Rule(
        name="maximum-of-smooth",
        law="max(f(x), f(y)) = f(max(x, y)) for exp, tanh, logistic, erf and the like",
        pattern=op["max", "min"](
            _SIDE.named("first"), op[tuple(sorted(SMOOTH))](y).named("second")
        ),
        replace=_of_two,
        numerics=Numerics.ROUNDING,
        examples=(
            example(lambda x, y: jnp.maximum(jnp.exp(x), jnp.exp(y)), "f32[a,b]", "f32[a,b]"),
        ),
        rejects=(
            example(
                lambda x, y: jnp.maximum(jnp.exp(x), jnp.tanh(y)),
                "f32[a]",
                "f32[a]",
                reason="same function",
            ),
        ),
        elsewhere="-",
    ),
    Rule(
        name="maximum-with-a-lower-bound",
        law="max(x, c) = x where x is never negative and c never positive",
        pattern=op.max(x, num("c")) | op.max(num("c"), x),
        replace=_of_larger_bound,
        examples=(
            example(lambda x: jnp.maximum(jnp.exp(x), 0), "f32[a,b]"),
            example(lambda x: nn.relu((x * x).sum(1)), "f32[a,b]"),
        ),
        rejects=(
            example(lambda x: jnp.maximum(jnp.exp(x), 1), "f32[a]", reason="above zero"),
            example(lambda x: jnp.maximum(jnp.tanh(x), 0), "f32[a]", reason="nonnegative"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="argmax-of-negated",
        law="argmax(-x) = argmin(x)",
        pattern=op["argmax", "argmin"](op.neg(x).named("inner")),
        replace=_arg_of_monotone,
        transparent=True,
        examples=(example(lambda x: jnp.argmax(-x, 1), "f32[a,b]"),),
        elsewhere="-",
    ),
    Rule(
        name="argmax-of-monotone",
        law="argmax(f(x)) = argmax(x) for strictly rising f, the other way round for falling f",
        pattern=op["argmax", "argmin"](op[NAMES].any().named("inner")),
        replace=_arg_of_monotone,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x: jnp.argmax(jnp.exp(x), 1), "f32[a,b]"),
            example(lambda x: jnp.argmin(1 - 3 * x, 1), "f32[a,b]"),
        ),
        rejects=(
            example(lambda x: jnp.argmax(x * 0.0, 1), "f32[a,b]", reason="not known"),
            example(lambda x: jnp.argmin(nn.relu(x), 1), "f32[a,b]", reason="flat"),
            example(lambda x: jnp.argmax(jnp.tanh(x), 1), "f32[a,b]", reason="flat"),
            example(lambda x: jnp.argmax(jnp.floor(x), 1), "f32[a,b]", reason="flat"),
            example(lambda x: jnp.argmax(jnp.log(x), 1), "f32[a,b]", reason="not defined"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="argmax-of-shifted",
        law="argmax(x+b) = argmax(x), argmax(x/b) = argmax(x) for b > 0, b the same along the axis",
        pattern=op["argmax", "argmin"](
            op.add(x, b).named("inner")
            | op.mul(x, b).named("inner")
            | op.sub(x, b).named("inner")
            | op.div(x, b).named("inner")
        ),
        replace=_arg_of_shifted,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            # In whole numbers without a sign x - max(x) would wrap, and exp of it be infinite.
            example(lambda x: jnp.argmax(nn.softmax(x * 1.0, -1), -1), "f32[a,b]"),
            example(lambda x: jnp.argmax(nn.log_softmax(x * 1.0, -1), -1), "f32[a,b]"),
        ),
        rejects=(
            example(
                lambda x, s: jnp.argmax(x * s[:, None], 1), "f32[a,b]", "f32[a]", reason="positive"
            ),
            example(lambda x, v: jnp.argmax(x + v, 1), "f32[a,b]", "f32[b]", reason="changes"),
        ),
        elsewhere="-",
    ),
)
