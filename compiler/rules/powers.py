"""Powers and roots: known exponents, powers of powers, and roots that are squared again."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isfinite
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Value
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, constant, dtype, new
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.signs import is_nonnegative

MAX_POWER: Final = 32
"""The largest whole exponent that products stand for: they round once for each."""

ROOTS: Final = "roots stand where powers of known exponents might"
"""A root costs a tenth of a power, which the cost model does not know, and other rules know it."""

x, y, c = var("x", FLOAT), var("y", FLOAT), num("c")
number = var("x", FLOAT + INTEGER)


def _whole(exponent: Any) -> int | None:
    """A whole exponent of moderate size."""
    value = float(exponent)
    return int(value) if value.is_integer() and 0 < abs(value) <= MAX_POWER else None


def _whole_power(m: Match) -> Replacement:
    exponent = _whole(m.c)
    if exponent is None:
        return Refusal("the exponent is no small whole number but zero")
    if m.x.type != m.root.results[0].type:
        return Refusal("the base is repeated")
    if exponent < 0 and dtype(m.x).itemsize < np.dtype(np.float32).itemsize:
        return Refusal("the power may overflow where its reciprocal is a number")
    if getattr(m.x.type, "weak_type", False):
        return Refusal("the derivative of a power of a weak type is not weak")
    return new("integer_pow", m.x, y=exponent)


def _half_power(m: Match) -> Replacement:
    """x**(n + 1/2) as a whole power times a root."""
    if not isfinite(float(m.c)):
        return Refusal("the exponent is infinite, or no number")
    double = Fraction(float(m.c)) * 2
    if double.denominator != 1 or double % 2 == 0 or abs(double) > MAX_POWER:
        return Refusal("the exponent is no small odd multiple of one half")
    if m.x.type != m.root.results[0].type:
        return Refusal("the base is repeated")
    return _times_root(m.x, int(double))


def _times_root(x: Value, double: int) -> Term:
    root = new("sqrt" if double > 0 else "rsqrt", x)
    whole = abs(double) // 2
    if whole == 0:
        return root
    power: Term = x if whole == 1 else new("integer_pow", x, y=whole)
    return new("mul" if double > 0 else "div", root, power)


def _is_nonnegative(m: Match) -> str | None:
    return None if is_nonnegative(m.x) else "the base may be negative"


def _of_known_base(m: Match) -> Replacement:
    base = float(m.c)
    if not (np.isfinite(base) and base > 0 and base != 1) or m.x.type != m.root.results[0].type:
        return Refusal("the base is not a positive number other than 1")
    if base == 2:
        return new("exp2", m.x)
    return new("exp", new("mul", m.x, constant(np.array(np.log(base)).astype(dtype(m.x)))))


def _product_of_powers(m: Match) -> Replacement:
    exponent = sum(_exponent(m, name) for name in ("first", "second"))
    if exponent > MAX_POWER or exponent <= 2:
        return Refusal("the exponent is not one that saves a product")
    return new("integer_pow", m.x, y=exponent)


def _exponent(m: Match, name: str) -> int:
    """The exponent of a side: a positive power of x, its square, or x itself."""
    op = m.get(name)
    if op is None:
        return 1
    exponent = 2 if op.name in ("mul", "square") else integer(op, "y")
    return exponent if exponent > 0 else 2 * MAX_POWER


def _sum_of_exponents(m: Match) -> Replacement:
    return new("pow", m.x, constant(m.c + m.d))


def _power_of_power(m: Match) -> Replacement:
    inner = float(m.d)
    if inner.is_integer() and inner % 2 == 0 and not is_nonnegative(m.x):
        return Refusal("an even power forgets the sign of a base that may be negative")
    return new("pow", m.x, constant(m.c * m.d))


def square_of(of: Any) -> Any:
    """A pattern of the square of what a pattern matches, written as one op."""
    return op.integer_pow(of, y=2) | op.square(of)


def _itself(m: Match) -> Replacement:
    return m.x


def _reciprocal(m: Match) -> Replacement:
    return new("integer_pow", m.x, y=-1)


def _power_side(name: str) -> Any:
    square = op.mul(number, number).named(name) | op.square(number).named(name)
    return op.integer_pow(number).named(name) | square


def _fixed(power: float) -> Callable[[Any], Any]:
    return lambda x: lax.pow(x, jnp.asarray(power, x.dtype))


_ROOT, _INVERSE_ROOT = op.sqrt(x), op.rsqrt(x)

RULES: Final = (
    Rule(
        name="whole-power",
        law="x**n by products, n a known whole number",
        pattern=op.pow(x, c),
        replace=_whole_power,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: x**4.0, "f32[a]"),
            example(lambda x: jnp.power(x, -3.0), "f32[a]"),
        ),
        rejects=(
            example(lambda x: x**0.3, "f32[a]", reason="whole number"),
            example(lambda x: x**100.0, "f32[a]", reason="small"),
        ),
        elsewhere="Grappler: ConvertPowStage; XLA: algebraic simplifier, to the third power",
    ),
    Rule(
        name="half-power-of-nonnegative",
        law="x**(n + 1/2) = x**n * sqrt(x) for x >= 0",
        pattern=op.pow(x, c),
        replace=_half_power,
        guards=(_is_nonnegative,),
        normal_form=ROOTS,
        numerics=Numerics.ROUNDING,
        examples=(
            example(lambda x: (jnp.var(x, 1) + 1e-5) ** -0.5, "f32[a,b]"),
            example(lambda x: (x * x).sum(1) ** 1.5, "f32[a,b]"),
        ),
        rejects=(example(lambda x: x**-0.5, "f32[a]", reason="is_nonnegative"),),
        elsewhere="Grappler: ConvertPowStage",
    ),
    Rule(
        name="half-power",
        law="x**(n + 1/2) = x**n * sqrt(x)",
        pattern=op.pow(x, c),
        replace=_half_power,
        normal_form=ROOTS,
        numerics=Numerics.FINITE,
        examples=(
            example(lambda x: x**-0.5, "f32[a]"),
            example(lambda x: x**1.5, "f32[a]"),
            example(lambda x: x**-2.5, "f32[a]"),
        ),
        rejects=(example(lambda x: x**0.3, "f32[a]", reason="one half"),),
        elsewhere="Grappler: ConvertPowStage",
    ),
    Rule(
        name="power-of-known-base",
        law="c**x = exp(x*log(c)) for a known c > 0; 2**x = exp2(x)",
        pattern=op.pow(c, x),
        replace=_of_known_base,
        normal_form="a power has no known base",
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda x: 2.0**x, "f32[a]"),
            example(lambda x: 10.0**x, "f32[a]"),
        ),
        rejects=(example(lambda x: (-2.0) ** x, "f32[a]", reason="positive"),),
        elsewhere="-",
    ),
    Rule(
        name="product-of-powers",
        law="x**a * x**b = x**(a+b) for whole a, b > 0",
        pattern=op.mul(_power_side("first"), _power_side("second") | number),
        replace=_product_of_powers,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: x * x * x * x, "f32[a]"),
            example(lambda x: x**3 * x**2, "f32[a]"),
        ),
        rejects=(example(lambda x: x**3 * x**-2, "f32[a]", reason="saves"),),
        elsewhere="Grappler: ArithmeticOptimizer, HoistFactorsOutOfAggregation and others",
    ),
    Rule(
        name="product-of-real-powers",
        law="x**a * x**b = x**(a+b) for known a, b",
        pattern=op.mul(op.pow(x, c), op.pow(x, num("d"))),
        replace=_sum_of_exponents,
        numerics=Numerics.FINITE,
        examples=(example(lambda x: x**1.3 * x**0.9, "f32[a]"),),
        elsewhere="-",
    ),
    Rule(
        name="power-of-power",
        law="(x**a)**b = x**(a*b) for known a, b, a no even number or x >= 0",
        pattern=op.pow(op.pow(x, num("d")), c),
        replace=_power_of_power,
        numerics=Numerics.FINITE,
        examples=(example(lambda x: (x**1.3) ** 0.7, "f32[a]"),),
        rejects=(example(lambda x: _fixed(0.3)(_fixed(2.0)(x)), "f32[a]", reason="forgets"),),
        elsewhere="-",
    ),
    Rule(
        name="square-of-root",
        law="sqrt(x)**2 = x",
        pattern=square_of(_ROOT) | op.mul(_ROOT, op.sqrt(x)),
        replace=_itself,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x: jnp.sqrt(x) * jnp.sqrt(x), "f32[a]"),
            example(lambda x: jnp.sqrt(x) ** 2, "f32[a]"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="square-of-inverse-root",
        law="rsqrt(x)**2 = 1/x",
        pattern=square_of(_INVERSE_ROOT) | op.mul(_INVERSE_ROOT, op.rsqrt(x)),
        replace=_reciprocal,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: lax.rsqrt(x) ** 2, "f32[a]"),),
        elsewhere="-",
    ),
    Rule(
        name="product-of-roots",
        law="sqrt(x)*sqrt(y) = sqrt(x*y)",
        pattern=op.mul(_ROOT, op.sqrt(y)),
        replace=lambda m: new("sqrt", new("mul", m.x, m.y)),
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x, y: jnp.sqrt(x) * jnp.sqrt(y), "f32[a]", "f32[a]"),),
        elsewhere="-",
    ),
)
