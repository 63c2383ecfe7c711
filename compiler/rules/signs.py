"""What is known about the signs of a value's elements from the ops that make it.

Where a value is known to be nonnegative each of its elements is nan, 0.0 or more, and none is -0.0:
that is what lets a rule forget about the other half of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from compiler.analysis.constants import constant_value, uniform
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops import parameters

MAX_DEPTH: Final = 12
"""How many ops behind a value are looked at."""


def is_nonnegative(value: Value, depth: int = MAX_DEPTH) -> bool:
    """Whether each element is nan, 0.0 or more; for all that is known it may still be so if not."""
    if _is_unsigned(value):
        return True
    constant = constant_value(value)
    if constant is not None:
        return _has_no_sign(constant)
    op = value.producer
    if op is None or depth == 0:
        return False
    if op.name in _ALWAYS:
        return _ALWAYS[op.name](value)
    if op.name == "integer_pow":
        return parameters.integer(op, "y") % 2 == 0 and _is_float(value)
    if op.name == "mul" and op.operands[0] is op.operands[1]:
        return _is_float(value)
    wanted = _IF_OPERANDS.get(op.name)
    return wanted is not None and wanted(op, depth - 1)


def is_positive(value: Value, depth: int = MAX_DEPTH) -> bool:
    """Whether each element is nan or above zero in exact arithmetic: it may round to 0.0."""
    constant = constant_value(value)
    if constant is not None:
        return constant.dtype.kind != "c" and not bool(np.any(constant <= 0))
    op = value.producer
    if op is None or depth == 0:
        return False
    if op.name in _POSITIVE:
        return _is_float(value)
    if op.name in _KEEPING or op.name in ("mul", "div"):
        return all(is_positive(operand, depth - 1) for operand in op.operands)
    if op.name == "reduce_sum":
        return 0 not in parameters.static_shape(op.operands[0]) and _of_first(op, depth)
    if op.name in ("add", "max"):
        known = [is_positive(operand, depth - 1) for operand in op.operands]
        rest = (is_nonnegative(operand, depth - 1) for operand in op.operands)
        return any(known) and (op.name == "max" or all(rest))
    return False


def _of_first(op: Operation, depth: int) -> bool:
    return is_positive(op.operands[0], depth - 1)


def _has_no_sign(constant: Array) -> bool:
    if constant.dtype.kind in "iub":
        return not bool(np.any(constant < 0))
    return constant.dtype.kind != "c" and not bool(np.any(np.signbit(constant)))


def _is_unsigned(value: Value) -> bool:
    return _kind(value) in "ub"


def _is_float(value: Value) -> bool:
    """Whether the elements are real floating-point numbers, bfloat16 and the like among them."""
    return _kind(value) == "f"


def _kind(value: Value) -> str:
    """The kind of the elements as numpy writes it; a question mark for what is no number."""
    type = value.type
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return "?"
    if type.dtype.kind != "V":
        return str(type.dtype.kind)
    return "f" if "float" in type.dtype.name else "?"  # what ml_dtypes adds


def _always(value: Value) -> bool:
    del value
    return True


def _all_operands(op: Operation, depth: int) -> bool:
    """For ops that make nothing negative of what is not."""
    return all(is_nonnegative(operand, depth) for operand in op.operands)


def _float_operands(op: Operation, depth: int) -> bool:
    """The same for ops in which integers may overflow."""
    return _is_float(op.result) and _all_operands(op, depth)


def _first_operand(op: Operation, depth: int) -> bool:
    return is_nonnegative(op.operands[0], depth)


def _quotient(op: Operation, depth: int) -> bool:
    """The same for quotients: of integers by zero it is -1."""
    divisor = uniform(op.operands[1])
    is_safe = _is_float(op.result) or (divisor is not None and bool(divisor))
    return is_safe and _all_operands(op, depth)


def _conversion(op: Operation, depth: int) -> bool:
    """Whether a conversion cannot make a negative number of one that is not."""
    (source,) = op.operands
    before, after = _kind(source), _kind(op.result)
    if after == "f":
        return is_nonnegative(source, depth)
    own, wide = _width(source), _width(op.result)
    widens = wide > own or (before == after == "i" and wide == own)
    return after == "i" and before in "uib" and widens and is_nonnegative(source, depth)


def _width(value: Value) -> int:
    type = value.type
    return type.dtype.itemsize if isinstance(type, ArrayType) else 0


def _nonempty(op: Operation, depth: int) -> bool:
    """For a maximum of many: that of none is the smallest number there is."""
    return 0 not in parameters.static_shape(op.operands[0]) and _all_operands(op, depth)


def _counts(value: Value) -> bool:
    """Whether counting along an axis stays within the integer type."""
    sizes = value.type.shape if isinstance(value.type, ArrayType) else ()
    if _kind(value) != "i":
        return _is_float(value)
    return all(isinstance(size, int) and size <= 2 ** (8 * _width(value) - 1) for size in sizes)


def _finds(value: Value) -> bool:
    """Whether every place along the axis that is searched stays within the integer type."""
    op = value.producer
    assert op is not None
    (axis,) = parameters.integers(op, "axes")
    size = parameters.static_shape(op.operands[0])[axis]
    return _kind(value) != "i" or size <= 2 ** (8 * _width(value) - 1)


def _any_operand(op: Operation, depth: int) -> bool:
    """For a maximum, never below the larger side, and for the bits that both sides have."""
    return any(is_nonnegative(operand, depth) for operand in op.operands)


def _cases(op: Operation, depth: int) -> bool:
    return all(is_nonnegative(operand, depth) for operand in op.operands[1:])


_ALWAYS: Final[Mapping[str, Callable[[Value], bool]]] = {
    "abs": _is_float,
    "argmax": _finds,
    "argmin": _finds,
    "clz": _always,
    "cosh": _always,
    "exp": _is_float,
    "exp2": _is_float,
    "iota": _counts,
    "logistic": _is_float,
    "population_count": _always,
    "square": _is_float,
}

_KEEPING: Final = frozenset(
    [
        *("broadcast_in_dim", "concatenate", "copy", "reshape", "rev", "slice"),
        *("optimization_barrier", "squeeze", "stop_gradient", "transpose"),
    ]
)

_IF_OPERANDS: Final[Mapping[str, Callable[[Operation, int], bool]]] = {
    **dict.fromkeys(_KEEPING, _all_operands),
    **dict.fromkeys(("add", "cumsum", "mul", "reduce_sum"), _float_operands),
    **dict.fromkeys(("cummax", "cummin", "min", "reduce_min"), _all_operands),
    **dict.fromkeys(("cbrt", "sqrt"), _all_operands),
    "and": _any_operand,
    "convert_element_type": _conversion,
    "div": _quotient,
    "dynamic_slice": _first_operand,
    "max": _any_operand,
    "reduce_max": _nonempty,
    "rem": _first_operand,
    "select_n": _cases,
    "sort": lambda op, depth: len(op.operands) == 1 and _first_operand(op, depth),
}

_POSITIVE: Final = frozenset(["cosh", "exp", "exp2", "logistic"])
