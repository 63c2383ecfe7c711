"""Division with a remainder by known numbers: floor divisions, and remainders by powers of two."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from math import frexp
from typing import Any, Final, cast

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from compiler.rewrite.expression import constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import spread
from compiler.rules.signs import is_nonnegative

x, c, one, zero = var("x", INTEGER), num("c"), num(1), num(0)


def _log2(number: Any) -> int | None:
    """The exponent of a power of two; None if the number is none."""
    value = int(number)
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _number(value: int, m: Match) -> Any:
    return constant(np.array(value).astype(dtype(m.x)))


_REPEATED: Final = Refusal("the dividend is repeated")


def _by_zero(m: Match) -> Replacement:
    """What XLA gives where it does not die: a quotient of ones in all bits, all for a remainder."""
    result = m.root.result
    if m.root.name == "rem":
        return spread(m.x, shape(result), ()) if shape(m.x) in ((), shape(result)) else _REPEATED
    ones = np.bitwise_not(np.zeros((), dtype(result)))
    return spread(constant(ones, like=m.x), shape(result), ())


def _floor_divided(m: Match) -> Replacement:
    """The quotient rounded down: a shift, or the plain quotient of what is not negative."""
    shift = _log2(m.c)
    if shift is not None:
        return new("shift_right_arithmetic", m.x, _number(shift, m))
    if m.c > 0 and is_nonnegative(m.x):
        return new("div", m.x, _number(int(m.c), m))
    return Refusal("the divisor is no power of two, or the dividend may be negative")


def _floor_remainder(m: Match) -> Replacement:
    """The remainder of that: the last bits, or the plain remainder of what is not negative."""
    if _log2(m.c) is not None:
        return new("and", m.x, _number(int(m.c) - 1, m))
    if m.c > 0 and is_nonnegative(m.x):
        return new("rem", m.x, _number(int(m.c), m))
    return Refusal("the divisor is no power of two, or the dividend may be negative")


def _range(type: np.dtype[Any]) -> tuple[int, float, float]:
    """The digits of a float type, its largest number and its smallest one of full precision."""
    info = cast(Any, ml_dtypes.finfo(type))
    return int(info.nmant), float(info.max), float(info.smallest_normal)


def _float_remainder(m: Match) -> Replacement:
    """x - trunc(x/c)*c, each step of which is exact for a power of two; large numbers leave 0."""
    divisor = abs(float(m.c))
    if not 0 < divisor < 1 or frexp(divisor)[0] != 0.5 or m.x.type != m.root.results[0].type:
        return Refusal("the divisor is no power of two below one")
    type = dtype(m.x)
    digits, largest, smallest = _range(type)
    limit = divisor * 2.0 ** (digits + 1)
    if 1 / divisor > largest or divisor < smallest:
        return Refusal("the divisor is too small")
    step, scale, most = (
        constant(np.array(number).astype(type)) for number in (divisor, 1 / divisor, limit)
    )
    size = new("abs", m.x)
    quotient = new("floor", new("mul", size, scale))
    rest = new("sub", size, new("mul", quotient, step))
    known = new("select_n", new("lt", size, most), new("mul", size, 0.0), rest)
    return new("mul", known, new("sign", m.x))


_REM: Final = op.rem(x, c).shared()
_IS_UNEVEN: Final = op.ne(_REM, zero)
_SIGNS_DIFFER: Final = op.ne(op.sign(x).shared(), one)
_QUOTIENT: Final = op.div(x, c).shared()
_BELOW: Final = op.lt(_REM, zero)

RULES: Final = (
    Rule(
        name="division-by-known-zero",
        law="x / 0 = -1, all bits one, and x % 0 = x, as XLA has it for integers",
        pattern=op["div", "rem"](x, zero),
        replace=_by_zero,
        transparent=True,
        examples=(
            example(lambda x: lax.div(x, jnp.zeros_like(x)), "i32[a]"),
            example(lambda x: lax.rem(x, jnp.zeros_like(x)), "u8[a,b]"),
        ),
        rejects=(example(lambda x: x / 0, "f32[a]"),),
        elsewhere="XLA: its elemental emitter; where both numbers are known its folding fails",
    ),
    Rule(
        name="integer-floor-division",
        law="x // 2**k = x >> k; x // c is one division for x >= 0, c > 0",
        pattern=op.select_n(
            op.and_(_SIGNS_DIFFER.shared(), _IS_UNEVEN.shared()),
            _QUOTIENT,
            op.sub(_QUOTIENT, one),
        ),
        replace=_floor_divided,
        transparent=True,
        examples=(
            example(lambda x: x // 8, "i32[a]"),
            example(lambda x: (x & 255) // 7, "i32[a]"),
        ),
        rejects=(example(lambda x: x // 7, "i32[a]", reason="no power of two"),),
        elsewhere="XLA: algebraic simplifier, for unsigned numbers",
    ),
    Rule(
        name="integer-modulo",
        law="x % 2**k = x & (2**k - 1); x % c is one remainder for x >= 0, c > 0",
        pattern=op.select_n(
            op.and_(op.ne(_BELOW.shared(), num(0)).shared(), _IS_UNEVEN.shared()),
            _REM,
            op.add(_REM, c),
        ),
        replace=_floor_remainder,
        transparent=True,
        examples=(
            example(lambda x: x % 8, "i32[a]"),
            example(lambda x: x % 8 + x // 8, "i32[a]"),
            example(lambda x: (x & 255) % 7, "i32[a]"),
        ),
        rejects=(example(lambda x: x % 7, "i32[a]", reason="no power of two"),),
        elsewhere="XLA: algebraic simplifier, for unsigned numbers",
    ),
    Rule(
        name="float-remainder",
        law="rem(x, 2**-k) = x - trunc(x*2**k)*2**-k, where each step is exact",
        pattern=op.rem(var("x", FLOAT), c),
        replace=_float_remainder,
        normal_form="no remainder by a power of two below one",
        examples=(
            example(lambda x: lax.rem(x * 100, jnp.asarray(0.5, x.dtype)), "f32[a]", a=64),
            example(lambda x: (x * 100) // 0.25, "f32[a]"),
            example(lambda x: jnp.mod(x * 1000, 0.125), "f32[a]"),
        ),
        rejects=(example(lambda x: x % 3.0, "f32[a]", reason="no power of two"),),
        elsewhere="LLVM: for whole powers of two",
    ),
)
