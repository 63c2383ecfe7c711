"""Functions of one variable that keep or turn round the order of the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.parameters import element_kind
from compiler.rewrite.expression import Term, dtype, like, shape
from compiler.rewrite.numerics import Numerics
from compiler.rules.reduction_terms import has_infinity
from compiler.rules.signs import is_nonnegative

EXACT, ROUNDING, FINITE = Numerics.EXACT, Numerics.ROUNDING, Numerics.FINITE


class Monotone(NamedTuple):
    """A monotone function, as an op applies it.

    Attributes:
        op: the op.
        inner: what it is applied to; of the shape of its result.
        place: which operand that is.
        rises: whether larger numbers give larger results.
        numerics: EXACT if that holds for the rounded results too and for all numbers, ROUNDING if
            two results may change places that differ by roundings, FINITE if some numbers give nan.
    """

    op: Operation
    inner: Value
    place: int
    rises: bool
    numerics: Numerics

    def of(self, term: Term) -> Term:
        """The function of another term."""
        operands: list[Term] = list(self.op.operands)
        operands[self.place] = term
        return like(self.op, operands)[0]


SMOOTH: Final = frozenset(
    [
        *("asinh", "atan", "cbrt", "erf", "exp", "exp2", "expm1", "logistic"),
        *("sinh", "tanh"),
    ]
)
"""Rising, for all numbers, but computed by series that need not rise in the last place."""

STEPS: Final = frozenset(["ceil", "floor", "round"])
PARTIAL: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("acosh", "asin", "atanh", "erf_inv", "log", "log1p", "sqrt"), True),
    **dict.fromkeys(("acos", "rsqrt"), False),
}
"""Those that are not numbers everywhere, and whether they rise."""

FROM_ZERO: Final = frozenset(["log", "log1p", "sqrt", "rsqrt"])
"""Those among them that are numbers for all numbers from zero on."""

KEEPING: Final = frozenset(["max", "min", "neg"])
"""Those whose results are no larger than what they are made of."""

SCALINGS: Final = frozenset(["add", "div", "max", "min", "mul", "sub"])
NAMES: Final = tuple(sorted({*SMOOTH, *STEPS, *PARTIAL, *SCALINGS, "convert_element_type", "neg"}))
"""The ops that may be monotone functions."""


def monotone(op: Operation) -> Monotone | None:
    """The op as a monotone function of floating-point numbers; None if it is not known as one."""
    if op.name not in NAMES or len(op.results) != 1 or not _is_float(op.result):
        return None
    if op.name not in KEEPING and not has_infinity(dtype(op.result)):
        return None  # what is too large is nan
    if op.name in SCALINGS:
        return _scaling(op)
    inner = op.operands[0]
    if len(op.operands) != 1 or not _is_float(inner):
        return None
    if op.name in PARTIAL:
        return Monotone(op, inner, 0, PARTIAL[op.name], _partial(op.name, inner))
    numerics = ROUNDING if op.name in SMOOTH else EXACT
    return Monotone(op, inner, 0, op.name != "neg", numerics)


def _partial(name: str, inner: Value) -> Numerics:
    if name not in FROM_ZERO or not is_nonnegative(inner):
        return FINITE
    return EXACT if name == "sqrt" else ROUNDING


def _scaling(op: Operation) -> Monotone | None:
    """An op with one known number on one side."""
    left, right = map(uniform, op.operands)
    if (left is None) == (right is None):
        return None
    place = 0 if left is None else 1
    number = float(right if left is None else left)  # pyright: ignore[reportArgumentType]
    inner, known = op.operands[place], op.operands[1 - place]
    if inner.type != op.result.type or not _may_scale(op.name, number, place):
        return None
    if shape(known):  # it would have to be reduced as well
        return None
    falls = number < 0 if op.name in ("mul", "div") else op.name == "sub" and place == 1
    return Monotone(op, inner, place, not falls, EXACT)


def _may_scale(name: str, number: float, place: int) -> bool:
    if name in ("max", "min"):
        return not np.isnan(number)
    if not np.isfinite(number):
        return False
    return name not in ("mul", "div") or (number != 0 and not (name == "div" and place == 1))


def _is_float(value: Value) -> bool:
    type = value.type
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return False
    return element_kind(type.dtype) == "f"
