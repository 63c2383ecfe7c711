"""Sorts of floats as sorts of integers.

XLA's CPU backend sorts integers by a comparison that it knows, and floats by one that it calls for
each pair, to let every nan and both zeros be equal, and denormal numbers with them. Integers that
order as the numbers do tell those apart, so where there is a -0.0 or a denormal number at all, the
numbers are sorted as before. Rows are sorted some at a time: the integers need their memory twice.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.kernel import Evidence, Kernel, function_with, product
from compiler.lowering.kernels.row_blocks import by_row_blocks
from compiler.ops.parameters import integer, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_SIZE: Final = 8192
"""With fewer elements the time to compile two sorts, a tenth of a second, is not won back."""

MIN_AXIS: Final = 16
"""So many elements were sorted together at least where it was measured."""

_MAGNITUDE: Final = np.int32(0x7FFFFFFF)
_NORMAL: Final = np.int32(0x00800000)
"""The least bits of a normal number."""


def _sorted(m: Match) -> Callable[..., Any]:
    """The numbers in order, by integers unless some count as 0.0 that are not."""
    axis = integer(m.root, "dimension")
    is_last = axis == len(shape(m.x)) - 1

    def along(x: Any) -> int:
        return x.ndim - 1 if is_last else axis

    def by_integer(x: Any) -> Any:
        return _number(lax.sort(_order(x), along(x), is_stable=True), x.dtype)

    def as_it_is(x: Any) -> Any:
        return function_with(m.root, dimension=along(x))(x)[0]

    def in_order(x: Any) -> Any:
        bits = _bits(x)
        counts_as_zero = lax.bitwise_and(bits, lax.full_like(bits, _MAGNITUDE)) < _NORMAL
        is_other = lax.bitwise_and(counts_as_zero, bits != 0)
        return lax.cond(jnp.any(is_other), as_it_is, by_integer, x)

    return lambda x: by_row_blocks(in_order, x, axis)


def _bits(x: Any) -> Any:
    return lax.bitcast_convert_type(lax.convert_element_type(x, np.float32), np.int32)


def _order(x: Any) -> Any:
    """An integer that orders as the number does; every nan has the same, behind infinity's."""
    return _folded(lax.select(x != x, _bits(lax.full_like(x, np.nan)), _bits(x)))


def _folded(bits: Any) -> Any:
    """Negative numbers with their magnitude reversed; twice, what it was."""
    sign = lax.shift_right_arithmetic(bits, lax.full_like(bits, 31))
    return lax.bitwise_xor(bits, lax.bitwise_and(sign, lax.full_like(bits, _MAGNITUDE)))


def _number(order: Any, dtype: Any) -> Any:
    x = lax.bitcast_convert_type(_folded(order), np.float32)
    return lax.convert_element_type(x, dtype)


def _has_range_of_32_bits(m: Match) -> str | None:
    kind = number_type(m.x)
    return None if kind in (np.float32, jnp.bfloat16) else f"{kind} has another range than f32"


def _is_slow(m: Match) -> str | None:
    sizes = shape(m.x)
    if sizes[integer(m.root, "dimension")] < MIN_AXIS or product(sizes) < MIN_SIZE:
        return "few elements are sorted"
    return None


KERNELS: Final = (
    Kernel(
        name="sort-by-integers",
        law="sort(x) = number(sort(order(x))), where order(x) < order(y) just where x < y",
        pattern=op.sort(var("x", FLOAT)),
        form=_sorted,
        guards=(_has_range_of_32_bits,),
        pays=_is_slow,
        examples=(
            example(lambda x: jnp.sort(x), "f32[n]", n=40),
            example(lambda x: jnp.sort(x, 0), "f32[9,a]"),
        ),
        rejects=(example(lambda x: jnp.sort(x), "f16[5]"),),
        evidence=(
            Evidence(example(lambda x: jnp.sort(x), "f32[512,4096]"), 5.2),
            Evidence(example(lambda x: jnp.sort(x), "f32[100000]"), 2.9),
            Evidence(example(lambda x: jnp.sort(x), "f32[4096,16]"), 3.3),
        ),
    ),
)
