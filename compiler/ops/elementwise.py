"""Ops that compute each element of the result from the elements in the same place."""

from __future__ import annotations

from typing import Final

import numpy as np

from compiler.ops import numeric, structural
from compiler.ops.definition import Evaluator, OpDef
from compiler.ops.numeric import elementwise

FAMILY: Final = "elementwise"

TRANSCENDENTAL: Final = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bessel_i0e",
        "bessel_i1e",
        "cbrt",
        "cos",
        "cosh",
        "digamma",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "igamma",
        "igamma_grad_a",
        "igammac",
        "lgamma",
        "log",
        "log1p",
        "log2",
        "logistic",
        "polygamma",
        "pow",
        "random_gamma_grad",
        "regularized_incomplete_beta",
        "rsqrt",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "zeta",
    ]
)
"""Ops that a device computes by a series or a special unit; counted apart from FLOPs."""

# max and min are not here: which of two zeros, or of two nans, they give depends on the order.
_COMMUTATIVE: Final = frozenset(["add", "add_any", "mul", "mulhi", "and", "or", "xor", "eq", "ne"])

_EVALUATORS: Final[dict[str, Evaluator]] = {
    "abs": elementwise(ints=np.abs, floats=np.abs, narrow=True),
    "add": elementwise(ints=np.add, floats=np.add, narrow=True),
    "add_any": elementwise(ints=np.add, floats=np.add, narrow=True),
    "and": elementwise(ints=np.bitwise_and),
    "ceil": elementwise(floats=np.ceil, narrow=True),
    "clamp": elementwise(ints=numeric.clamp, floats=numeric.clamp, narrow=True),
    "clz": elementwise(ints=numeric.count_leading_zeros),
    "div": elementwise(ints=numeric.divide, floats=np.divide),
    "eq": elementwise(ints=np.equal, floats=np.equal, narrow=True),
    "floor": elementwise(floats=np.floor, narrow=True),
    "ge": elementwise(ints=np.greater_equal, floats=np.greater_equal, narrow=True),
    "gt": elementwise(ints=np.greater, floats=np.greater, narrow=True),
    "imag": structural.evaluate_imag,
    "integer_pow": numeric.evaluate_integer_pow,
    "is_finite": elementwise(floats=np.isfinite, narrow=True),
    "le": elementwise(ints=np.less_equal, floats=np.less_equal, narrow=True),
    "lt": elementwise(ints=np.less, floats=np.less, narrow=True),
    "max": elementwise(ints=numeric.maximum, floats=numeric.maximum, narrow=True),
    "min": elementwise(ints=numeric.minimum, floats=numeric.minimum, narrow=True),
    "mul": elementwise(ints=np.multiply, floats=np.multiply, narrow=True),
    "ne": elementwise(ints=np.not_equal, floats=np.not_equal, narrow=True),
    "neg": elementwise(ints=np.negative, floats=np.negative, narrow=True),
    "nextafter": elementwise(floats=np.nextafter),
    "not": elementwise(ints=np.invert),
    "or": elementwise(ints=np.bitwise_or),
    "population_count": elementwise(ints=numeric.population_count),
    "real": structural.evaluate_real,
    "rem": elementwise(ints=numeric.remainder),
    "round": numeric.evaluate_round,
    "select_n": structural.evaluate_select_n,
    "shift_left": elementwise(ints=numeric.shift_left),
    "shift_right_arithmetic": elementwise(ints=numeric.shift_right_arithmetic),
    "shift_right_logical": elementwise(ints=numeric.shift_right_logical),
    "sign": elementwise(ints=numeric.sign, floats=numeric.sign, narrow=True),
    "sqrt": elementwise(floats=np.sqrt),
    "square": elementwise(ints=np.square, floats=np.square, narrow=True),
    "sub": elementwise(ints=np.subtract, floats=np.subtract, narrow=True),
    "xor": elementwise(ints=np.bitwise_xor),
}

# Complex parts, total orders, and what has neither a fixed result nor a transcendental cost.
_PLAIN: Final = frozenset(
    [
        "complex",
        "conj",
        "eq_to",
        "le_to",
        "lt_to",
        "mulhi",
        "one_minus_square",
        "polynomial",
        "reciprocal",
        "reduce_precision",
    ]
)

ELEMENTWISE: Final = TRANSCENDENTAL | _PLAIN | _EVALUATORS.keys()
"""The names of all elementwise ops."""

_SEVERAL_OPERANDS: Final = {
    **dict.fromkeys(["add", "add_any", "and", "atan2", "complex", "div", "eq", "eq_to", "ge"], 2),
    **dict.fromkeys(["gt", "igamma", "igamma_grad_a", "igammac", "le", "le_to", "lt", "lt_to"], 2),
    **dict.fromkeys(["max", "min", "mul", "mulhi", "ne", "nextafter", "or", "polygamma", "pow"], 2),
    **dict.fromkeys(["random_gamma_grad", "rem", "shift_left", "shift_right_arithmetic"], 2),
    **dict.fromkeys(["shift_right_logical", "sub", "xor", "zeta"], 2),
    **dict.fromkeys(["clamp", "regularized_incomplete_beta"], 3),
    **dict.fromkeys(["polynomial", "select_n"], None),
}
"""How many operands the ops have that do not have one; None for any number."""


def _definition(name: str) -> OpDef:
    commutative, operands = name in _COMMUTATIVE, _SEVERAL_OPERANDS.get(name, 1)
    evaluate = _EVALUATORS.get(name)
    return OpDef(name, FAMILY, commutative=commutative, evaluate=evaluate, operands=operands)


DEFINITIONS: Final = tuple(_definition(name) for name in sorted(ELEMENTWISE))
