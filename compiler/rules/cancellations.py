"""Terms and factors that cancel, where no infinity and no nan is in the way."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jax.numpy as jnp

from compiler.rewrite.expression import array_type, constant, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import BOOL, COMPLEX, FLOAT, INTEGER, num, op, variables
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import spread

x, y = variables("x y", FLOAT + COMPLEX)
i, j = variables("x y", INTEGER)
bits = variables("x", INTEGER + BOOL)[0]


def _everywhere(number: int) -> Callable[[Match], Replacement]:
    def replace(m: Match) -> Replacement:
        return spread(constant(number, like=m.x), shape(m.root.results[0]), ())

    return replace


def _what_is_left(m: Match) -> Replacement:
    type = array_type(m.x)
    if (type.shape, type.dtype) != (m.type.shape, m.type.dtype):
        return Refusal("what cancels makes the result larger than what is left")
    return m.x


_SUM: Final = op.add(x, y)

RULES: Final = (
    Rule(
        name="integer-minus-itself",
        law="x - x = 0 and x ^ x = 0 for integers",
        pattern=op.sub(i, i) | op.xor(bits, bits),
        replace=_everywhere(0),
        transparent=True,
        examples=(
            example(lambda x: (x * 3) - (x * 3), "i32[a]"),
            example(lambda x: x ^ x, "bool[a]"),
        ),
        elsewhere="XLA: algebraic simplifier; Grappler: SimplifyArithmeticOperations",
    ),
    Rule(
        name="integer-terms-cancel",
        law="(x + y) - y = x and (x - y) + y = x for integers",
        pattern=op.sub(op.add(i, j), j) | op.add(op.sub(i, j), j),
        replace=_what_is_left,
        transparent=True,
        examples=(
            example(lambda x, y: (x + y) - y, "i32[a]", "i32[a]"),
            example(lambda x, y: y + (x - y), "i32[a]", "i32[a]"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="minus-itself",
        law="x - x = 0 for finite numbers",
        pattern=op.sub(x, x),
        replace=_everywhere(0),
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.exp(x) - jnp.exp(x), "f32[a]"),),
        elsewhere="Grappler: SimplifyArithmeticOperations",
    ),
    Rule(
        name="times-zero",
        law="x*0 = 0 and 0/x = 0",
        pattern=op.mul(x, num(0.0)) | op.div(num(0.0), x),
        replace=_everywhere(0),
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x: jnp.exp(x) * 0.0, "f32[a]"),
            example(lambda x: 0.0 / jnp.exp(x), "f32[a]"),
        ),
        elsewhere="Grappler: SimplifyArithmeticOperations",
    ),
    Rule(
        name="divided-by-itself",
        law="x/x = 1 for finite numbers but zero",
        pattern=op.div(x, x),
        replace=_everywhere(1),
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.exp(x) / jnp.exp(x), "f32[a]"),),
        elsewhere="Grappler: SimplifyArithmeticOperations",
    ),
    Rule(
        name="factors-cancel",
        law="(x*y)/y = x and (x/y)*y = x",
        pattern=op.div(op.mul(x, y), y) | op.mul(op.div(x, y), y),
        replace=_what_is_left,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x, y: (x * y) / y, "f32[a]", "f32[a]"),
            example(lambda x, y: y * (x / y), "f32[a]", "f32[a]"),
        ),
        rejects=(example(lambda x, y: (x * y) / y, "f32", "f32[a]", reason="larger"),),
        elsewhere="-",
    ),
    Rule(
        name="terms-cancel",
        law="(x + y) - y = x and (x - y) + y = x",
        pattern=op.sub(_SUM, y) | op.add(op.sub(x, y), y),
        replace=_what_is_left,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda x, y: (x + y) - y, "f32[a]", "f32[a]"),
            example(lambda x, y: y + (x - y), "f32[a]", "f32[a]"),
        ),
        elsewhere="-",
    ),
)
