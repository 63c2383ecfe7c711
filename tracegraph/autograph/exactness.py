"""Whether Python's whole numbers would stay exact as the 32-bit numbers of a compiled loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

_SMALL: Final = 1024
"""The product of three numbers up to this one fits into 32 bits."""
_PRODUCTS: Final = 2
_POWERS: Final = ("pow", "shift_left")


class Inexact(Exception):  # noqa: N818 - a finding between our own functions
    """A loop computes whole numbers that Python would keep exact and 32 bits may not."""


def check_exact(jaxpr: Any, largest: int, *, counting: bool) -> None:
    """Raises if a loop's body multiplies Python's whole numbers beyond what surely fits.

    Arithmetic of arrays is not looked at: it overflows without a loop too.

    Args:
        jaxpr: the body.
        largest: the largest number that the loop itself counts to.
        counting: whether the body carries whole numbers from one iteration to the next.

    Raises:
        Inexact: Python's numbers may be larger than those of the compiled loop.
    """
    products = 0
    for equation in _equations(jaxpr):
        if not any(map(_is_python_integer, equation.outvars)):
            continue
        name = equation.primitive.name
        if name in _POWERS:
            raise Inexact(name)
        if name == "mul":
            products += 1 if _has_small_operands(equation) else _PRODUCTS + 1
        if name == "integer_pow":
            products += abs(equation.params["y"]) - 1
    if products and (counting or products > _PRODUCTS or largest > _SMALL):
        raise Inexact("mul")


def _equations(jaxpr: Any) -> Iterator[Any]:
    """The equations of a jaxpr and of those inside it."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in _held(value):
                if hasattr(inner, "eqns"):
                    yield from _equations(inner)


def _held(value: Any) -> list[Any]:
    """A parameter, or those it lists, as jaxprs if they are such."""
    several = type(value) in (tuple, list)
    return [getattr(each, "jaxpr", each) for each in (value if several else (value,))]


def _is_python_integer(variable: Any) -> bool:
    """Whether a result is a whole number of no dtype of its own, as Python's are."""
    aval = variable.aval
    weak = getattr(aval, "weak_type", False) and not getattr(aval, "shape", (0,))
    return bool(weak) and np.issubdtype(aval.dtype, np.integer)


def _has_small_operands(equation: Any) -> bool:
    literals = [each.val for each in equation.invars if hasattr(each, "val")]
    return all(abs(int(each)) <= _SMALL for each in literals)
