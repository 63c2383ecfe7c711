"""Identities of numbers that change no bit: neutral elements, double negations, known selections.

Each looks at one op and names the value that the op always equals. What is nearly an identity is
left out on purpose: ``x + 0.0`` turns -0.0 into 0.0, ``x * 0.0`` is not 0 for nan, and a complex
product mixes the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from compiler.analysis.constants import constant_value
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ops.definition import lookup
from compiler.ops.floats import FLOATS

MAX_SCAN: Final = 1024
"""Constants of more elements are not searched for being one number everywhere."""

INTEGER_NEUTRAL: Final[Mapping[str, int]] = {
    "add": 0,
    "sub": 0,
    "mul": 1,
    "div": 1,
    "or": 0,
    "xor": 0,
    "and": -1,
    "shift_left": 0,
    "shift_right_logical": 0,
    "shift_right_arithmetic": 0,
}
NO_FLOATS: Final[Mapping[str, float]] = {}
FLOAT_NEUTRAL: Final[Mapping[str, float]] = {"add": -0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
BOOL_NEUTRAL: Final[Mapping[str, bool]] = {"and": True, "or": False, "xor": False}
INTEGER_ABSORBING: Final[Mapping[str, int]] = {"and": 0, "or": -1, "mul": 0}
BOOL_ABSORBING: Final[Mapping[str, bool]] = {"and": False, "or": True}
IDEMPOTENT: Final = frozenset({"and", "or", "max", "min"})
INVOLUTIONS: Final = frozenset({"neg", "not"})


def arithmetic_identity(op: Operation) -> Value | None:
    """The value that the op always equals, bit for bit; None where it is not known to."""
    if op.name == "select_n":
        return _selected(op)
    if op.name in INVOLUTIONS:
        return _twice(op)
    if op.name == "integer_pow":
        return op.operands[0] if op.attributes.get("y") == 1 else None
    if len(op.operands) != 2:
        return None
    left, right = op.operands
    if left is right and op.name in IDEMPOTENT:
        return left
    return _beside_neutral(op, left, right) or _absorbed(op, left, right)


def uniform(value: Value) -> Array | None:
    """The number that every element of a value is, as a scalar array; None if not known."""
    producer = value.producer
    while producer is not None and producer.name in ("broadcast_in_dim", "reshape"):
        value = producer.operands[0]
        producer = value.producer
    array = constant_value(value)
    if array is None or not 0 < array.size <= MAX_SCAN:
        return None
    first = array.reshape(-1)[:1]
    repeated = array.size * first.tobytes()
    return first.reshape(()) if np.ascontiguousarray(array).tobytes() == repeated else None


def _beside_neutral(op: Operation, left: Value, right: Value) -> Value | None:
    tables = (INTEGER_NEUTRAL, FLOAT_NEUTRAL, BOOL_NEUTRAL)
    if _is_number(right, op.name, *tables):
        return left
    if lookup(op.name).commutative and _is_number(left, op.name, *tables):
        return right
    return None


def _absorbed(op: Operation, left: Value, right: Value) -> Value | None:
    tables = (INTEGER_ABSORBING, NO_FLOATS, BOOL_ABSORBING)
    found = (value for value in (right, left) if _is_number(value, op.name, *tables))
    return next(found, None)


def _is_number(
    value: Value,
    name: str,
    integers: Mapping[str, int],
    floats: Mapping[str, float],
    bools: Mapping[str, bool],
) -> bool:
    """Whether the value is everywhere the number that the tables give for this op."""
    if name not in integers and name not in floats and name not in bools:
        return False
    number = uniform(value)
    if number is None:
        return False
    dtype: np.dtype[Any] = number.dtype
    if dtype.kind == "b":
        return name in bools and bool(number) == bools[name]
    if dtype in FLOATS:
        return name in floats and _same_float(float(number), floats[name])
    if dtype.isbuiltin == 1 and dtype.kind in "iu":
        return name in integers and bool(number == np.array(integers[name]).astype(dtype))
    return False


def _same_float(number: float, wanted: float) -> bool:
    return number == wanted and np.signbit(number) == np.signbit(wanted)


def _selected(op: Operation) -> Value | None:
    which, *cases = op.operands
    if all(case is cases[0] for case in cases):
        return cases[0]
    number = uniform(which)
    if number is None or not 0 <= int(number) < len(cases):
        return None
    return cases[int(number)]


def _twice(op: Operation) -> Value | None:
    inner = op.operands[0].producer
    return inner.operands[0] if inner is not None and inner.name == op.name else None
