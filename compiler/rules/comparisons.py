"""Comparisons: of a value with itself, and of monotone functions, which need not be computed."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import nn

from compiler.ir.attributes import Array
from compiler.rewrite.expression import constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import BOOL, FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.predicates import COMPARISONS, SWAPPED
from compiler.rules.reduction_terms import spread
from compiler.rules.signs import is_nonnegative

x, c = var("x", FLOAT), num("c")

INVERSES: Final[Mapping[str, Callable[[float], float]]] = {
    "exp": np.log,
    "exp2": np.log2,
    "expm1": np.log1p,
    "log": np.exp,
    "log1p": np.expm1,
    "logistic": lambda number: np.log(number) - np.log1p(-number),
    "tanh": np.arctanh,
}
"""Rising functions with the functions that undo them."""

TOTAL: Final = ("exp", "exp2", "expm1", "logistic", "tanh")
MAX_STEEPNESS: Final = 64
"""How much further than its result may a function's argument be moved by a rounding."""

ORDER: Final = ("ge", "gt", "le", "lt")


def _with_itself(m: Match) -> Replacement:
    truth = m.root.name in ("eq", "ge", "le")
    return spread(constant(np.array(truth)), shape(m.root.results[0]), ())


def _sides(m: Match) -> str:
    """The comparison as it reads with the function on the left."""
    return m.root.name if m.root.operands[0] is m.inner.result else SWAPPED[m.root.name]


def _with_inverse(m: Match) -> Replacement:
    """f(x) < c as x < g(c), g the inverse of f, c in the range of f.

    Where f is nan the answer is no; a number too small for f would pass for a small one.
    """
    name = _sides(m)
    if m.inner.name not in TOTAL and name in ("le", "lt") and not is_nonnegative(m.x):
        return Refusal("a number that the function is not defined for would pass for a small one")
    inverse, value = INVERSES[m.inner.name], float(m.c)
    unit = float(ml_dtypes.finfo(dtype(m.x)).eps)
    with np.errstate(all="ignore"):
        bound = float(inverse(value))
        moved = abs(float(inverse(value * (1 + unit))) - bound)
    if not moved <= MAX_STEEPNESS * unit * max(1.0, abs(bound)):
        return Refusal("the function is flat where it has this value, or no number has it")
    if not np.isfinite(bound) or m.x.type != m.inner.result.type:
        return Refusal("no number has this value")
    number = constant(np.array(bound).astype(dtype(m.x)))
    return new(name, m.x, number)


def _root_compared(m: Match) -> Replacement:
    """sqrt(x) < c as x < t, t the number where the rounded root passes c: the answers are equal."""
    name = _sides(m)
    if name in ("le", "lt") and not is_nonnegative(m.x):
        return Refusal("a negative number has no root, and would pass for a small one")
    if dtype(m.x).name not in ("float32", "float64"):
        return Refusal("the roots of this type are rounded in another way")
    if not np.isfinite(m.c) or not m.c > 0 or m.x.type != m.inner.result.type:
        return Refusal("the bound is no number above zero")
    bound = _first_reaching(np.asarray(m.c), strictly=name in ("gt", "le"))
    if not np.finfo(bound.dtype).tiny <= bound < np.inf:
        return Refusal("the bound's square is too large or too small a number")
    return new("ge" if name in ("ge", "gt") else "lt", m.x, constant(bound))


def _first_reaching(bound: Array, *, strictly: bool) -> Array:
    """The least number whose rounded root is at least the bound, or above it if strictly."""
    with np.errstate(all="ignore"):
        found = bound * bound
        for _ in range(8):
            found = np.nextafter(found, np.array(0, bound.dtype))
        while not (np.sqrt(found) > bound if strictly else np.sqrt(found) >= bound):
            found = np.nextafter(found, np.array(np.inf, bound.dtype))
    return np.asarray(found, bound.dtype)


def _both_sides(inner: Any, names: tuple[str, ...]) -> Any:
    return op[names](inner, c) | op[names](c, inner)


def _functions(names: tuple[str, ...], of: Any, name: str) -> Any:
    return op[names](of).named(name)


_EXACT_TYPE: Final = var("x", INTEGER + BOOL)

RULES: Final = (
    Rule(
        name="comparison-with-itself",
        law="x < x is false; x == x is true of integers and truth values",
        pattern=op["gt", "lt"](var("x"), var("x"))
        | op[tuple(COMPARISONS)](_EXACT_TYPE, _EXACT_TYPE),
        replace=_with_itself,
        transparent=True,
        examples=(
            example(lambda x: (x + 1) < (x + 1), "f32[a,b]"),
            example(lambda x: x == x, "i32[a,b]"),
        ),
        rejects=(example(lambda x: x == x, "f32[a]", reason="no op"),),
        elsewhere="XLA: algebraic simplifier; Grappler: SimplifyArithmeticOperations",
    ),
    Rule(
        name="root-compared",
        law="sqrt(x) < c = x < t, t the number where the rounded root passes c",
        pattern=_both_sides(op.sqrt(x).named("inner"), ORDER),
        replace=_root_compared,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.sqrt((x * x).sum(1)) < 0.9, "f32[a,b]"),
            example(lambda x: jnp.sqrt(x) >= 0.9, "f32[a]"),
            example(lambda x: jnp.linalg.norm(x, axis=-1) <= 1.3, "f32[a,b]"),
        ),
        rejects=(
            example(lambda x: jnp.sqrt(x) < 0.9, "f32[a]", reason="negative"),
            example(lambda x: jnp.sqrt(x) > -1, "f32[a]", reason="above zero"),
        ),
        elsewhere="-",
    ),
    Rule(
        name="function-compared",
        law="f(x) < c = x < g(c) for rising f with the inverse g, x where f is defined; so for >",
        pattern=_both_sides(_functions(tuple(INVERSES), x, "inner"), ORDER),
        replace=_with_inverse,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda x: nn.sigmoid(x) > 0.5, "f32[a]"),
            example(lambda x: jnp.exp(x) <= 3, "f32[a]"),
            example(lambda x: jnp.log(x) > 0.5, "f32[a]"),
            example(lambda x: jnp.log(x * x) < 0.5, "f32[a]"),
        ),
        rejects=(
            example(lambda x: jnp.exp(x) > -1, "f32[a]", reason="no number"),
            example(lambda x: jnp.log(x) < 0.5, "f32[a]", reason="not defined"),
            example(lambda x: nn.sigmoid(x) > 0.999999, "f32[a]", reason="flat"),
        ),
        elsewhere="-",
    ),
)
