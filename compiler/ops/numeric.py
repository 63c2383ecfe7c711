"""Exact host evaluation of elementwise ops.

Owns the arithmetic: what each op does to integers, booleans and floats in XLA's semantics. Which
float results are fixed to the bit is decided in ``compiler.ops.floats``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.graph import Operation
from compiler.ops import parameters
from compiler.ops.definition import Evaluator, NotExact
from compiler.ops.floats import (
    FLOATS,
    NARROW,
    WIDE,
    check_no_denormal,
    check_no_nan,
    check_results,
    check_zero_signs,
    is_float,
)

Function = Callable[..., Any]
"""Works elementwise on numpy arrays."""


def elementwise(
    *, ints: Function | None = None, floats: Function | None = None, narrow: bool = False
) -> Evaluator:
    """An evaluator that computes each element on its own.

    Args:
        ints: the function on integers and booleans; None refuses them.
        floats: a correctly rounded function on float32 and float64; None refuses floats.
        narrow: whether rounding its float32 result also gives the correct 16-bit result.
    """

    def evaluate(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
        with np.errstate(all="ignore"):
            if all(_is_integer(a) for a in operands) and ints is not None:
                return _as_result(op, ints(*operands))
            if floats is None or not all(a.dtype in (FLOATS if narrow else WIDE) for a in operands):
                raise NotExact(f"{op.name} is not exact on {operands[0].dtype}")
            return _evaluate_floats(op, operands, floats)

    return evaluate


def _evaluate_floats(
    op: Operation, operands: Sequence[Array], function: Function
) -> Sequence[Array]:
    check_no_denormal(*operands)
    wide = [a.astype(np.float32) if a.dtype in NARROW else a for a in operands]
    results = _as_result(op, function(*wide))
    if is_float(results[0]):
        check_results(results)
    return results


def _as_result(op: Operation, value: Any) -> Sequence[Array]:
    shape, target = parameters.static_shape(op.result), parameters.number_type(op.result)
    return (np.broadcast_to(np.asarray(value), shape).astype(target),)


def _is_integer(array: Array) -> bool:
    return array.dtype.isbuiltin == 1 and array.dtype.kind in "iub"


def unsigned(array: Array) -> Array:
    """The same bits as unsigned integers; booleans stay what they are."""
    if array.dtype.kind == "b":
        return array
    return np.asarray(array).view(np.dtype(f"u{array.dtype.itemsize}"))


def divide(x: Array, y: Array) -> Array:
    """The quotient rounded towards zero; refuses zero divisors and INT_MIN / -1."""
    _check_division(x, y)
    quotient = np.floor_divide(x, y)
    inexact = (quotient * y != x) & ((x < 0) != (y < 0))
    return quotient + inexact.astype(quotient.dtype)


def remainder(x: Array, y: Array) -> Array:
    """What the quotient rounded towards zero leaves; has the sign of the dividend."""
    return x - divide(x, y) * y


def _check_division(x: Array, y: Array) -> None:
    if bool(np.any(y == 0)):
        raise NotExact("XLA does not fix what dividing an integer by zero gives")
    if x.dtype.kind == "i" and bool(np.any((x == np.iinfo(x.dtype).min) & (y == -1))):
        raise NotExact("XLA does not fix what the smallest integer divided by -1 gives")


def shift_left(x: Array, y: Array) -> Array:
    """Shifts zeros in; a distance outside the width gives zero."""
    distance, width = unsigned(y), 8 * x.dtype.itemsize
    inside = distance < width
    return np.where(inside, x << np.where(inside, y, 0).astype(x.dtype), 0)


def shift_right_logical(x: Array, y: Array) -> Array:
    """Shifts zeros in from the top; a distance outside the width gives zero."""
    distance, width = unsigned(y), 8 * x.dtype.itemsize
    shifted = unsigned(x) >> np.minimum(distance, width - 1).astype(distance.dtype)
    return np.where(distance < width, shifted, 0).astype(unsigned(x).dtype).view(x.dtype)


def shift_right_arithmetic(x: Array, y: Array) -> Array:
    """Shifts copies of the sign in; a distance outside the width leaves only the sign."""
    distance, width = unsigned(y), 8 * x.dtype.itemsize
    signed = x.view(np.dtype(f"i{x.dtype.itemsize}"))
    return (signed >> np.minimum(distance, width - 1).astype(signed.dtype)).view(x.dtype)


def population_count(x: Array) -> Array:
    """How many bits are one."""
    return np.bitwise_count(unsigned(x))


def count_leading_zeros(x: Array) -> Array:
    """How many bits stand before the first one."""
    bits, width = unsigned(x), 8 * x.dtype.itemsize
    step = 1
    while step < width:
        bits = bits | (bits >> step)
        step *= 2
    return width - np.bitwise_count(bits)


def sign(x: Array) -> Array:
    """-1, 0 or 1 of the same type; zeros keep their sign."""
    return np.where(x == 0, x, np.sign(x))


def maximum(x: Array, y: Array) -> Array:
    """The larger; refuses nan and zeros of both signs."""
    _check_ordered(x, y)
    return np.maximum(x, y)


def minimum(x: Array, y: Array) -> Array:
    """The smaller; refuses nan and zeros of both signs."""
    _check_ordered(x, y)
    return np.minimum(x, y)


def clamp(low: Array, x: Array, high: Array) -> Array:
    """``min(max(low, x), high)``."""
    return minimum(maximum(low, x), high)


def _check_ordered(*arrays: Array) -> None:
    if is_float(arrays[0]):
        check_no_nan(*arrays)
        check_zero_signs(*arrays)


def evaluate_integer_pow(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Powers of integers modulo the width; of floats, squares only: longer chains have an order."""
    exponent = parameters.integer(op, "y")
    if exponent < 0:
        raise NotExact("a negative power divides")
    square = elementwise(floats=np.multiply, narrow=True)
    if is_float(operands[0]):
        if exponent != 2:
            raise NotExact("the order of multiplications is the device's choice")
        return square(op, (operands[0], operands[0]))
    return elementwise(ints=partial(_power, exponent))(op, operands)


def _power(exponent: int, x: Array) -> Array:
    result = np.ones_like(x)
    while exponent:
        if exponent & 1:
            result = result * x
        x, exponent = x * x, exponent >> 1
    return result


def evaluate_round(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Rounds to whole numbers; ties go to even or away from zero, as the op says."""
    to_even = parameters.member(op, "rounding_method") == "TO_NEAREST_EVEN"
    function = np.rint if to_even else _round_away
    return elementwise(floats=function, narrow=True)(op, operands)


def _round_away(x: Array) -> Array:
    whole = np.trunc(x)
    step = np.where(np.isfinite(x) & (np.abs(x - whole) >= 0.5), 1, 0).astype(x.dtype)
    return np.copysign(np.abs(whole) + step, x)


def evaluate_convert(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Converts elements where the target's value is fixed: see the guards below."""
    (source,) = operands
    target = parameters.array_type(op.result).dtype
    if not isinstance(target, np.dtype):
        raise NotExact("only numbers are converted")
    with np.errstate(all="ignore"):
        _check_conversion(source, target)
        converted = source != 0 if target.kind == "b" else source.astype(target)
        if is_float(source):
            check_no_denormal(source)
        if target in FLOATS:
            check_results((converted,))
        if target in NARROW:
            _check_single_rounding(source, converted)
    return (np.asarray(converted),)


def _check_conversion(source: Array, target: np.dtype[Any]) -> None:
    if not (_is_integer(source) or is_float(source)):
        raise NotExact(f"{source.dtype} is not converted on the host")
    if target not in FLOATS and not (target.isbuiltin == 1 and target.kind in "iub"):
        raise NotExact(f"nothing is converted to {target} on the host")
    if is_float(source) and target.kind in "iu":
        _check_fits(source, target)


def _check_fits(source: Array, target: np.dtype[Any]) -> None:
    limits = np.iinfo(target)
    whole = np.trunc(source.astype(np.float64))
    low, high = float(limits.min), float(limits.max) + 1.0
    # An integer of 64 bits has a maximum that no float64 holds: float() has rounded it up already.
    high = float(limits.max) if limits.bits == 64 else high
    if not bool(np.all((whole >= low) & (whole < high))):
        raise NotExact("a float outside the integer's range converts differently on each device")


def _check_single_rounding(source: Array, converted: Array) -> None:
    """Rounding in two steps is harmless from float32 or narrower, or when nothing is rounded."""
    if source.dtype in NARROW or source.dtype == np.float32:
        return
    if not bool(np.array_equal(converted.astype(np.float64), source.astype(np.float64))):
        raise NotExact("some devices round to float32 first")
