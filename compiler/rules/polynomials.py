"""Sums of products: common factors taken out, and polynomials by Horner's scheme."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, constant, dtype, new
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, variables
from compiler.rewrite.rule import Refusal, Replacement, Rule, example

a, x, y = variables("a x y", FLOAT)
MAX_TERMS: Final = 32
MAX_DEGREE: Final = 16


class Summand(NamedTuple):
    """A number times a power of something.

    Attributes:
        number: the number.
        degree: the power.
        base: what it is a power of; None for the power zero.
    """

    number: Any
    degree: int = 0
    base: Value | None = None


def _factored(m: Match) -> Replacement:
    return new("mul", m.a, new(m.root.name, m.x, m.y))


def _by_horner(m: Match) -> Replacement:
    root = m.root.results[0]
    if any(use.operation.name in ("add", "sub") for use in root.uses):
        return Refusal("it is a part of a longer sum")
    found = list(_summands(root, 1))
    bases = {one.base for one in found if one is not None and one.base is not None}
    if None in found or len(bases) != 1:
        return Refusal("the sum is no polynomial with known coefficients")
    (base,) = bases
    if base.type != root.type:
        return Refusal("the polynomial is repeated")
    coefficients = _coefficients(found, dtype(base))
    if len(coefficients) < 3 or max(coefficients) > MAX_DEGREE:
        return Refusal("the polynomial is short, or of a very high degree")
    return _horner(base, coefficients)


def _coefficients(found: list[Summand | None], type: np.dtype[Any]) -> dict[int, Any]:
    totals: dict[int, Any] = {}
    for one in found:
        if one is not None:
            totals[one.degree] = totals.get(one.degree, 0.0) + float(one.number)
    return {degree: np.array(total).astype(type) for degree, total in sorted(totals.items())}


def _horner(base: Value, coefficients: dict[int, Any]) -> Term:
    """The polynomial from its highest degree down, one power at a time."""
    degrees = sorted(coefficients, reverse=True)
    gaps = {a - b for a, b in zip(degrees, (*degrees[1:], 0), strict=True)}
    powers: dict[int, Term] = {gap: _power(base, gap) for gap in gaps if gap}
    term: Term = constant(coefficients[degrees[0]])
    is_one = bool(coefficients[degrees[0]] == 1)
    for degree, following in zip(degrees, (*degrees[1:], 0), strict=True):
        power = powers.get(degree - following)
        if power is not None:
            term = power if is_one else new("mul", term, power)
            is_one = False
        if following in coefficients and following != degree:
            term = new("add", term, constant(coefficients[following]))
    return term


def _power(base: Value, degree: int) -> Term:
    return base if degree == 1 else new("integer_pow", base, y=degree)


def _summands(value: Value, sign: int, budget: int = MAX_TERMS) -> Iterator[Summand | None]:
    """What a sum adds up; None for a summand that is not a number times a power."""
    op = value.producer
    if op is None or op.name not in ("add", "sub") or (budget < MAX_TERMS and value.use_count > 1):
        yield _summand(value, sign)
        return
    if budget == 0:
        yield None
        return
    left, right = op.operands
    yield from _summands(left, sign, budget - 1)
    yield from _summands(right, -sign if op.name == "sub" else sign, budget - 1)


def _summand(value: Value, sign: int) -> Summand | None:
    number = uniform(value)
    if number is not None:
        return Summand(sign * float(number))
    op = value.producer
    if op is not None and op.name == "mul" and op.operands[0] is not op.operands[1]:
        sides = [uniform(operand) for operand in op.operands]
        known = next((side for side in sides if side is not None), None)
        if known is None:
            return None
        power = op.operands[0] if sides[0] is None else op.operands[1]
        return _as_power(power, sign * float(known))
    return _as_power(value, sign)


def _as_power(value: Value, number: float) -> Summand:
    op = value.producer
    if op is None or op.name not in ("integer_pow", "square", "mul"):
        return Summand(number, 1, value)
    degree = _degree(op)
    return Summand(number, 1, value) if degree is None else Summand(number, degree, op.operands[0])


def _degree(op: Operation) -> int | None:
    if op.name == "integer_pow":
        degree = integer(op, "y")
        return degree if degree > 0 else None
    return 2 if op.name == "square" or op.operands[0] is op.operands[1] else None


RULES: Final = (
    Rule(
        name="horner",
        law="c0 + c1*x + c2*x**2 + ... = c0 + x*(c1 + x*(c2 + ...)) for known c",
        pattern=op["add", "sub"](x, y),
        replace=_by_horner,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda x: 1.0 + 2.0 * x + 3.0 * x**2 - 4.0 * x**3 + 5.0 * x**4, "f32[n]"),
            example(lambda x: x + 0.5 * x**3 + 0.25 * x**5 + 0.125 * x**7, "f32[n]"),
        ),
        rejects=(
            example(lambda x, y: x * y + 1, "f32[a]", "f32[a]", reason="no polynomial"),
            example(lambda x: 1 + x * x, "f32[a]", reason="short"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="common-factor",
        law="a*x + a*y = a*(x + y)",
        pattern=op.add(op.mul(a, x), op.mul(a, y)) | op.sub(op.mul(a, x), op.mul(a, y)),
        replace=_factored,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda a, x, y: a * x + a * y, "f32[n]", "f32[n]", "f32[n]"),
            example(lambda a, x, y: a * x - y * a, "f32[n]", "f32", "f32"),
        ),
        elsewhere="Grappler: HoistFactorsOutOfAggregation",
    ),
)
