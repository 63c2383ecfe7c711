"""Complex numbers that are not needed whole: squared sizes, real divisors, single parts."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import COMPLEX, FLOAT, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.powers import square_of
from compiler.rules.reduction_terms import spread

z, r = var("z", COMPLEX), var("r", FLOAT)
re, im = var("re", FLOAT), var("im", FLOAT)


def _squared_size(m: Match) -> Replacement:
    parts = [new("integer_pow", new(name, m.z), y=2) for name in ("real", "imag")]
    return new("add", *parts)


def _divided(m: Match) -> Replacement:
    """Both parts divided by a real number."""
    divisor = _real_divisor(m)
    if divisor is None or m.z.type != m.root.results[0].type:
        return Refusal("the divisor is not real, or what is divided is repeated")
    return new("complex", *(new("div", new(name, m.z), divisor) for name in ("real", "imag")))


def _real_divisor(m: Match) -> Term | None:
    part = dtype(new("real", m.z))
    if m.get("r") is not None:
        return m.r if dtype(m.r) == part else None
    return constant(np.array(m.c.real, part)) if m.c.imag == 0 else None


_MADE: Final = op.complex(re, im)

RULES: Final = (
    Rule(
        name="squared-size",
        law="|z|**2 = re(z)**2 + im(z)**2",
        pattern=square_of(op.abs(z)) | op.mul(op.abs(z), op.abs(z)),
        replace=_squared_size,
        numerics=Numerics.FINITE,
        normal_form="the size of a complex number is not squared",
        examples=(
            example(lambda z: jnp.abs(z) ** 2, "c64[a]"),
            example(lambda z: jnp.abs(z) * jnp.abs(z), "c64[a]"),
        ),
        elsewhere="Enzyme-JAX: ElementwiseComplexSimplify, for other forms",
    ),
    Rule(
        name="complex-divided-by-real",
        law="z/r = complex(re(z)/r, im(z)/r) for real r",
        pattern=op.div(z, op.convert_element_type(r) | op.complex(r, num(0.0)) | num("c")),
        replace=_divided,
        numerics=Numerics.FINITE,
        normal_form="complex numbers are not divided by real ones",
        transparent=True,
        examples=(
            example(lambda z, r: z / r, "c64[a]", "f32[a]"),
            example(lambda z: z / 3, "c64[a]"),
        ),
        rejects=(example(lambda z: z / 3j, "c64[a]", reason="not real"),),
        elsewhere="-",
    ),
    Rule(
        name="part-of-complex",
        law="real(complex(a, b)) = a, imag(complex(a, b)) = b",
        pattern=op["real", "imag"](_MADE.shared()),
        replace=lambda m: spread(m.re if m.root.name == "real" else m.im, shape(m.root.result), ()),
        transparent=True,
        examples=(example(lambda a, b: lax.complex(jnp.tanh(a), b).real, "f32[a]", "f32[a]"),),
        elsewhere="Enzyme-JAX: RealOpCanon, ImagOpCanon; XLA: algebraic simplifier",
    ),
)
