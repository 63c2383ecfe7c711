"""Angles, which XLA's CPU backend computes one by one, in a library's function for single numbers.

Polynomials vectorise. Those of sin, cos and tan are not precise beyond ``MAX_ANGLE``: where there
is such an angle, all are computed as before, in a loop that does not run otherwise. The loop also
keeps the polynomials out of loops in which they would not vectorise, or be computed twice. With
jaxlib 0.12 XLA has an arctangent that vectorises, and such a loop takes one thread.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jax.numpy as jnp
import numpy as np

from compiler.lowering.kernels import elementary_terms as terms
from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.kernel import Evidence, Form, Kernel, function_of, product
from compiler.ops.parameters import number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example, Guard, example

MIN_SIZE: Final = 1 << 14
"""Fewer angles are computed before the difference can be measured."""

MIN_TURNED: Final = 1 << 18
"""Functions of fewer angles take long to win the time to compile back, a quarter of a second."""

_OF_ANGLES: Final[dict[str, Callable[[Any], Any]]] = {
    "sin": terms.sine,
    "cos": partial(terms.sine, quarters=1),
    "tan": terms.tangent,
}
_TO_ANGLES: Final[dict[str, Callable[..., Any]]] = {
    "asin": terms.arcsine,
    "acos": terms.arccosine,
    "atan": terms.arctangent,
    "atan2": terms.arctangent_of_two,
}


def _of_angles(m: Match) -> Callable[..., Any]:
    by_polynomial, plain = _OF_ANGLES[m.root.name], function_of(m.root)

    def computed(x: Any) -> Any:
        # A nan or an infinity counts as far: all numbers then take longer, and none is another.
        is_far = jnp.logical_not(jnp.max(jnp.abs(x), initial=0) <= terms.MAX_ANGLE)
        return or_else(by_polynomial(x), is_far, lambda: plain(x))

    return computed


def _to_angles(m: Match) -> Callable[..., Any]:
    return _TO_ANGLES[m.root.name]


def _is_single(m: Match) -> str | None:
    found = number_type(m.root.result)
    return None if found == np.float32 else f"the elements are {found.name}"


def _are(least: int) -> Guard:
    def are_many(m: Match) -> str | None:
        return None if product(shape(m.root.result)) >= least else "the array is small"

    return are_many


_PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    "sin": jnp.sin,
    "cos": lambda x: jnp.cos(x * 1000),
    "tan": jnp.tan,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "atan2": jnp.arctan2,
}


def _program(name: str, size: str) -> Example:
    return example(_PROGRAMS[name], *((size, size) if name == "atan2" else (size,)))


def _kernel(
    name: str, law: str, form: Form, least: int, ratios: dict[str, float], **others: Any
) -> Kernel:
    pattern = op.atan2(var("y", FLOAT), var("x", FLOAT)) if "atan2" in ratios else None
    return Kernel(
        name=name,
        law=law,
        pattern=pattern or op[tuple(ratios)](var("x", FLOAT)),
        form=form,
        numerics=Numerics.ROUNDING,
        guards=(_is_single,),
        pays=_are(least),
        examples=tuple(_program(one, "f32[a,b]") for one in ratios),
        rejects=(_program(next(iter(ratios)), "f16[a,b]"),),
        evidence=tuple(
            Evidence(_program(one, "f32[1024,1024]"), ratio) for one, ratio in ratios.items()
        ),
        **others,
    )


KERNELS: Final = (
    _kernel(
        "function-of-angle-by-polynomial",
        "sin, cos and tan of what is left of an angle without quarters of a turn",
        _of_angles,
        MIN_TURNED,
        {"sin": 5.5, "cos": 4.7, "tan": 8.5},
        until=(0, 11),
    ),
    _kernel(
        "arctangent-by-polynomial",
        "atan(x) = pi / 2 - atan(1 / x)",
        _to_angles,
        MIN_SIZE,
        {"atan": 10.8},
        until=(0, 11),
    ),
    _kernel(
        "angle-by-polynomial",
        "asin(x) = atan2(x, sqrt(1 - x**2)), and acos(x) = atan2(sqrt(1 - x**2), x)",
        _to_angles,
        MIN_SIZE,
        {"asin": 10.6, "acos": 13.6},
    ),
    _kernel(
        "angle-of-point-by-polynomial",
        "atan2(y, x) = pi / 2 - atan2(x, y), up to signs",
        _to_angles,
        MIN_SIZE,
        {"atan2": 14.0},
    ),
)
