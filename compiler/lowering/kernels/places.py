"""Sorts of numbers with their places: both packed in one integer of 64 bits.

XLA's CPU backend sorts integers by a comparison that it knows, and anything with a second operand
by one that it calls for each pair. A packed number carries its place, which also keeps equal ones
in order. It needs twice the memory of the rows that are sorted at a time.
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
from jax import lax

from compiler.lowering import jax_compat
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.lowering.kernels.row_blocks import by_row_blocks
from compiler.ops.parameters import integer, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, INTEGER, op, rest, var
from compiler.rewrite.rule import example

MIN_SIZE: Final = 8192
"""Smaller arrays are sorted before the difference can be measured."""

MIN_AXIS: Final = 16
"""So many elements were sorted together at least where it was measured."""


_HALF: Final = np.int64(32)
_SMALLEST: Final = np.int64(-(1 << 31))
_MAGNITUDE: Final = np.int32(0x7FFFFFFF)
_NORMAL: Final = np.int32(0x00800000)
"""The least bits of a normal number; what is nearer to 0.0 counts as it, -0.0 included."""


def _sorted(m: Match) -> Callable[..., Any]:
    """The numbers in order, and their places."""
    axis = integer(m.root, "dimension")
    is_last = axis == len(shape(m.x)) - 1

    def with_places(x: Any, index: Any) -> Any:
        along = x.ndim - 1 if is_last else axis
        with jax_compat.with_64_bit_types():
            packed = lax.sort(_packed(x, along), along, is_stable=False)
            found = lax.convert_element_type(packed, np.int32)
        numbers = jnp.take_along_axis(x, found, along, mode="promise_in_bounds")
        return numbers, lax.convert_element_type(found, index)

    return lambda x, places: by_row_blocks(partial(with_places, index=places.dtype), x, axis)


def _sorted_beside(m: Match) -> Callable[..., Any]:
    """The numbers in order, and what stood beside each."""
    axis, by_place = integer(m.root, "dimension"), _sorted(m)

    def with_others(x: Any, *others: Any) -> Any:
        numbers, found = by_place(x, lax.broadcasted_iota(np.int32, x.shape, axis))
        taken = [jnp.take_along_axis(y, found, axis, mode="promise_in_bounds") for y in others]
        return numbers, *taken

    return with_others


def _packed(x: Any, axis: int) -> Any:
    """The number in the upper half, its place in the lower one."""
    place = lax.broadcasted_iota(np.int64, x.shape, axis)
    if jnp.issubdtype(x.dtype, np.floating):
        number = lax.convert_element_type(_order(x), np.int64)
    else:
        number = lax.convert_element_type(x, np.int64)
        number = number if jnp.issubdtype(x.dtype, np.signedinteger) else number + _SMALLEST
    return lax.bitwise_or(lax.shift_left(number, lax.full_like(number, _HALF)), place)


def _order(x: Any) -> Any:
    """An integer that orders as the number does; every nan has the same, behind infinity's."""
    bits = lax.bitcast_convert_type(lax.convert_element_type(x, np.float32), np.int32)
    is_zero = lax.bitwise_and(bits, lax.full_like(bits, _MAGNITUDE)) < _NORMAL
    bits = lax.select(is_zero, lax.full_like(bits, 0), bits)
    nan = np.float32(np.nan).view(np.int32)
    bits = lax.select(x != x, lax.full_like(bits, nan), bits)
    sign = lax.shift_right_arithmetic(bits, lax.full_like(bits, 31))
    return lax.bitwise_xor(bits, lax.bitwise_and(sign, lax.full_like(bits, _MAGNITUDE)))


def _is_narrow(m: Match) -> str | None:
    kind = number_type(m.x)
    if kind in (np.float32, jnp.bfloat16) or (kind.kind in "iu" and kind.itemsize <= 4):
        return None
    return f"{kind} has another range than 32 bits"


def _is_stable(m: Match) -> str | None:
    return None if m.root.attributes["is_stable"] else "equal elements may come in any order"


def _beside_places(m: Match) -> str | None:
    """Whether the second operand counts the places along the sorted axis."""
    producer, axis = m.places.producer, integer(m.root, "dimension")
    if producer is None or producer.name != "iota" or integer(producer, "dimension") != axis:
        return "the second operand does not count the places"
    return None if integer(m.root, "num_keys") == 1 else "the places decide as well"


def _by_the_first_alone(m: Match) -> str | None:
    keys = integer(m.root, "num_keys")
    if keys != 1 or not m.others:
        return f"{keys} of {1 + len(m.others)} operands decide the order"
    return None


def _is_slow(m: Match) -> str | None:
    sizes = shape(m.x)
    if sizes[integer(m.root, "dimension")] < MIN_AXIS or product(sizes) < MIN_SIZE:
        return "few elements are sorted"
    return None


def _beside(x: Any, *others: Any, axis: int = -1, stable: bool = True) -> Any:
    return lax.sort((x, *others), axis, is_stable=stable, num_keys=1)


def _places(x: Any, axis: int = -1, stable: bool = True) -> Any:
    return jnp.argsort(x, axis, stable=stable)


KERNELS: Final = (
    Kernel(
        name="argsort-of-packed",
        law="sort((x, place)) = unpack(sort(pack(x, place)))",
        pattern=op.sort(var("x", FLOAT + INTEGER), var("places", INTEGER)),
        form=_sorted,
        guards=(_is_narrow, _is_stable, _beside_places),
        pays=_is_slow,
        examples=(
            example(_places, "f32[n]", n=40),
            example(lambda x: _places(x, 0), "f32[9,a]"),
            example(_places, "u32[9,a]"),
        ),
        rejects=(
            example(lambda x: _places(x, stable=False), "f32[5]"),
            example(lambda x, y: lax.sort((x, y), num_keys=1)[1], "f32[5]", "i32[5]"),
            example(_places, "f16[5]"),
        ),
        evidence=(
            Evidence(example(_places, "f32[512,4096]"), 3.9),
            Evidence(example(_places, "f32[100000]"), 3.8),
            Evidence(example(_places, "f32[4096,16]"), 5.5),
        ),
    ),
    Kernel(
        name="sort-of-packed",
        law="sort((x, y)) = (x[place], y[place]), where place = unpack(sort(pack(x, place)))",
        pattern=op.sort(var("x", FLOAT + INTEGER), rest("others")),
        form=_sorted_beside,
        guards=(_is_narrow, _is_stable, _by_the_first_alone),
        pays=_is_slow,
        examples=(
            example(_beside, "f32[n]", "f32[n]", n=40),
            example(lambda x, y: _beside(x, y, axis=0), "f32[9,a]", "i32[9,a]"),
            example(_beside, "u32[9,a]", "f32[9,a]", "bool[9,a]"),
        ),
        rejects=(
            example(lambda x, y: _beside(x, y, stable=False), "f32[5]", "i32[5]"),
            example(lambda x, y: lax.sort((x, y), num_keys=2), "f32[5]", "i32[5]"),
            example(_beside, "f16[5]", "f32[5]"),
        ),
        evidence=(
            Evidence(example(_beside, "u32[100000]", "i32[100000]"), 3.2),
            Evidence(example(_beside, "f32[512,4096]", "f32[512,4096]"), 4.0),
        ),
    ),
)
