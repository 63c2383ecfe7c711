"""Ops that combine many elements into one: reductions, scans along an axis, windows, sorting."""

from __future__ import annotations

from typing import Final

import numpy as np

from compiler.ops.definition import Evaluator, OpDef
from compiler.ops.structural import argument, reduction

FAMILY: Final = "reduction"

_EVALUATORS: Final[dict[str, Evaluator]] = {
    "argmax": argument(np.argmax),
    "argmin": argument(np.argmin),
    "reduce_and": reduction(np.bitwise_and),
    "reduce_max": reduction(np.maximum, picks=True),
    "reduce_min": reduction(np.minimum, picks=True),
    "reduce_or": reduction(np.bitwise_or),
    "reduce_prod": reduction(np.multiply),
    "reduce_sum": reduction(np.add),
    "reduce_xor": reduction(np.bitwise_xor),
}

REDUCTIONS: Final = frozenset(_EVALUATORS) | {"reduce"}
"""Ops whose result has one element where their operand has many."""

CUMULATIVE: Final = frozenset({"cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"})
"""Running reductions: the result has the operand's shape."""

WINDOWED: Final = frozenset(
    [
        "reduce_window",
        "reduce_window_max",
        "reduce_window_min",
        "reduce_window_sum",
        "select_and_gather_add",
        "select_and_scatter",
        "select_and_scatter_add",
    ]
)
"""Reductions over windows that slide."""

ORDERING: Final = frozenset({"approx_top_k", "sort", "top_k"})
"""Ops that order elements."""

_UNARY: Final = _EVALUATORS.keys() | CUMULATIVE

DEFINITIONS: Final = tuple(
    OpDef(name, FAMILY, evaluate=_EVALUATORS.get(name), operands=1 if name in _UNARY else None)
    for name in sorted(REDUCTIONS | CUMULATIVE | WINDOWED | ORDERING)
)
