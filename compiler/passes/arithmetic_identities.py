"""Identities of numbers that change no bit: neutral elements, double negations, known selections.

Each looks at one op and names the value that the op always equals. What is nearly an identity is
left out on purpose: ``x + 0.0`` turns -0.0 into 0.0, ``x * 0.0`` is not 0 for nan, and a complex
product mixes the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from compiler.analysis.constants import may_be_known, uniform
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ops.definition import lookup
from compiler.ops.floats import FLOATS

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
_BESIDE_NUMBERS: Final[frozenset[str]] = frozenset(
    {
        *(*INTEGER_NEUTRAL, *FLOAT_NEUTRAL, *BOOL_NEUTRAL),
        *(*INTEGER_ABSORBING, *BOOL_ABSORBING),
    }
)
NAMES: Final = _BESIDE_NUMBERS | INVOLUTIONS | IDEMPOTENT | {"select_n", "integer_pow"}
"""The ops that have an identity here."""


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
    if op.name not in _BESIDE_NUMBERS or not (may_be_known(left) or may_be_known(right)):
        return None
    return _beside_number(op, right, left) or _beside_number(op, left, right)


def _beside_number(op: Operation, side: Value, other: Value) -> Value | None:
    """What the op is if one side is a number that is neutral or absorbs the other side."""
    number = uniform(side)
    if number is None:
        return None
    may_be_neutral = side is op.operands[1] or lookup(op.name).commutative
    if may_be_neutral and _is_one_of(number, op.name, INTEGER_NEUTRAL, FLOAT_NEUTRAL, BOOL_NEUTRAL):
        return other
    absorbs = _is_one_of(number, op.name, INTEGER_ABSORBING, NO_FLOATS, BOOL_ABSORBING)
    return side if absorbs else None


def _is_one_of(
    number: Array,
    name: str,
    integers: Mapping[str, int],
    floats: Mapping[str, float],
    bools: Mapping[str, bool],
) -> bool:
    """Whether it is the number that the tables give for this op."""
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
    if number is None:
        return which if _says_itself(which, cases) else None
    return cases[int(number)] if 0 <= int(number) < len(cases) else None


def _says_itself(which: Value, cases: Sequence[Value]) -> bool:
    """Whether false becomes false, and true true."""
    if which.type != cases[0].type or not all(map(may_be_known, cases)):
        return False
    numbers = [uniform(case) for case in cases]
    return [None if n is None or n.dtype != np.bool_ else bool(n) for n in numbers] == [False, True]


def _twice(op: Operation) -> Value | None:
    inner = op.operands[0].producer
    return inner.operands[0] if inner is not None and inner.name == op.name else None
