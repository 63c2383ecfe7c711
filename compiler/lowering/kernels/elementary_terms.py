"""Angles of 32-bit floats by polynomials, in loops that vectorise.

The coefficients are minimax fits, computed by Lawson's iteration on 4,001 Chebyshev points: of
atan(x) / x on [0, 1] to 1.7e-8, of sin(x) / x and cos(x) on [0, pi / 4] to 3.8e-9 and 1.2e-10.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

_ATAN: Final = (
    -0.33333152735467436,
    0.19993772819348507,
    -0.1421105516599604,
    0.10666004017125644,
    -0.07552212797934729,
    0.04321184136626105,
    -0.01636791489890651,
    0.0029206886730387543,
)
_SIN: Final = (-0.16666654609502085, 0.008332160758817573, -0.00019515282767687374)
_COS: Final = (0.04166664568289923, -0.001388731625060569, 2.443315662437203e-05)

_PARTS: Final = (1.5703125, 0.0004835128784179688, 3.1385570764541626e-07, 6.077100628276710e-11)
"""Half of pi as a sum. Of the first three, of ten bits, products with 14 bits are exact."""

MAX_ANGLE: Final = 25000.0
"""Larger angles are more than 2**14 quarters of a turn."""

_SMALL: Final = 2.0**-12
"""A smaller angle is its own sine, tangent and arctangent."""

_PI: Final = (np.float32(np.pi), np.float32(np.pi - float(np.float32(np.pi))))
"""The number, and what its rounding leaves out."""


def sine(x: Any, quarters: int = 0) -> Any:
    """The sine of angles up to ``MAX_ANGLE``, so many quarters of a turn ahead; within 1 ulp."""
    turns, angle, rest = _reduced(x)
    sin, cos = _sine_and_cosine(angle, rest)
    turns = turns + quarters
    found = jnp.where(turns & 1 == 1, cos, sin)
    found = jnp.where(turns & 2 == 2, -found, found)
    return found if quarters else jnp.where(jnp.abs(x) < _SMALL, x, found)


def tangent(x: Any) -> Any:
    """The tangent of angles up to ``MAX_ANGLE``, within 3 ulps."""
    turns, angle, rest = _reduced(x)
    sin, cos = _sine_and_cosine(angle, rest)
    is_odd = turns & 1 == 1
    found = jnp.where(is_odd, -cos, sin) / jnp.where(is_odd, sin, cos)
    return jnp.where(jnp.abs(x) < _SMALL, x, found)


def arctangent(y: Any) -> Any:
    """The arctangent, within 2 ulps."""
    size = jnp.abs(y)
    is_steep = size > 1
    angle = _arctangent(jnp.where(is_steep, 1 / size, size))
    found = jnp.copysign(jnp.where(is_steep, _from(0.5, angle), angle), y)
    return jnp.where(size < _SMALL, y, found)


def arctangent_of_two(y: Any, x: Any) -> Any:
    """The angle of points, within 2 ulps; zeros and infinities as in C."""
    height, width = jnp.abs(y), jnp.abs(x)
    far, near = jnp.maximum(height, width), jnp.minimum(height, width)
    same = jnp.where(far == 0, jnp.zeros_like(far), jnp.ones_like(far))  # also of two infinities
    angle = _arctangent(jnp.where(far == near, same, near / far))
    angle = jnp.where(height > width, _from(0.5, angle), angle)
    angle = jnp.where(jnp.signbit(x), _from(1.0, angle), angle)
    return jnp.copysign(jnp.where(jnp.isnan(x) | jnp.isnan(y), np.float32(np.nan), angle), y)


def arcsine(x: Any) -> Any:
    """The arcsine, within 3 ulps; nan outside of -1 to 1."""
    return arctangent_of_two(x, lax.sqrt((1 - x) * (1 + x)))


def arccosine(x: Any) -> Any:
    """The arccosine, within 3 ulps; nan outside of -1 to 1."""
    return arctangent_of_two(lax.sqrt((1 - x) * (1 + x)), x)


def _reduced(x: Any) -> tuple[Any, Any, Any]:
    """Quarters of a turn, what is left of the angle, and what the rounding of that leaves out."""
    turns = jnp.round(x * np.float32(2 / np.pi))
    first, second, third, last = (np.float32(part) for part in _PARTS)
    left, small = (x - turns * first) - turns * second, turns * third
    angle = left - small
    rest = ((left - angle) - small) - turns * last
    total = angle + rest
    return lax.convert_element_type(turns, np.int32), total, (angle - total) + rest


def _sine_and_cosine(angle: Any, rest: Any) -> tuple[Any, Any]:
    square = angle * angle
    sin = angle + (angle * (square * _polynomial(square, _SIN)) + rest)
    half = np.float32(0.5) * square
    cos = 1 - half
    lost = (1 - cos) - half
    return sin, cos + (lost + (square * (square * _polynomial(square, _COS)) - angle * rest))


def _arctangent(ratio: Any) -> Any:
    square = ratio * ratio
    return ratio + ratio * (square * _polynomial(square, _ATAN))


def _from(turns: float, angle: Any) -> Any:
    """So many halves of a turn minus an angle."""
    whole, rest = (np.float32(turns) * part for part in _PI)
    return whole - (angle - rest)


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    *others, found = (np.float32(number) for number in coefficients)
    for number in reversed(others):
        found = found * x + number
    return found
