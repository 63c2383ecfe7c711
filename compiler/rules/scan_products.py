"""Products in a scan: which of them are faster done for all runs at once, beside the loop."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np

from compiler.ir.graph import Operation, Value
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import dot_dimensions
from compiler.rewrite.expression import dtype, shape
from compiler.rewrite.scans import Scan

MIN_WEIGHT: Final = 1 << 13
"""Below so many elements of the constant operand, a dot gains nothing by being done at once."""

FEW_ROWS: Final = 16
"""With more rows in each run, a dot does not wait for its constant operand to be read again.

One row a run gains 1.1 to 1.8 times for an RNN and an LSTM on the CPU; up to 16 rows gain 1.1 to
1.3 for an RNN, whose dots give no more columns than they add up over.
"""

GATES_ROWS: Final = 64
GATES_WIDENING: Final = 4
GATES_WEIGHT: Final = 1 << 15
"""More rows, and more columns than a dot adds up over, gain beside other products of a loop.

RNNs, GRUs and LSTMs of float32 are 1.0 to 2.0 times as fast, their gradients 1.0 to 1.3. A loop
without products of its own runs at 0.8 to 0.9, one that cuts gates out of a sum at 0.6, one of
float16 or bfloat16 at 0.5 to 0.9. The weight is that of dots that give more columns.
"""

_CUTTING: Final = frozenset({"dynamic_slice", "gather", "slice", "split"})


def waits_for_memory(dot: Operation, varying: set[Value]) -> bool:
    """Whether the dot reads a large constant operand for few rows."""
    rows, depth, columns = _sizes(dot, varying)
    if depth * columns < MIN_WEIGHT:
        return False
    return rows == 1 or (rows <= FEW_ROWS and columns <= depth) or _is_of_gates(dot, varying)


def _is_of_gates(inner: Operation, varying: set[Value]) -> bool:
    """Whether it is a dot that pays beside other products only."""
    if inner.name != "dot_general" or dtype(inner.result) != np.float32:
        return False
    rows, depth, columns = _sizes(inner, varying)
    if rows == 1 or (rows <= FEW_ROWS and columns <= depth):
        return False
    least = MIN_WEIGHT if columns <= depth else GATES_WEIGHT
    return rows <= GATES_ROWS and columns <= GATES_WIDENING * depth and depth * columns >= least


def stacks_much(inner: Operation, varying: set[Value]) -> bool:
    """Whether a dot after the loop has more stacked for it than is won: 0.92 of 512 to 64."""
    if inner.name != "dot_general":
        return False
    rows, depth, columns = _sizes(inner, varying)
    return rows > FEW_ROWS and depth > 2 * columns


def _sizes(dot: Operation, varying: set[Value]) -> tuple[int, int, int]:
    """Rows, terms of a sum, and columns of a dot with one constant operand; zeros for others."""
    (contracting, _), (batch, _) = dot_dimensions(dot)
    lhs, rhs = dot.operands
    depth = prod(shape(lhs)[d] for d in contracting)
    if batch or not depth or (lhs in varying) == (rhs in varying):
        return 0, 0, 0
    moving, fixed = (lhs, rhs) if lhs in varying else (rhs, lhs)
    return prod(shape(moving)) // depth, depth, prod(shape(fixed)) // depth


def serves_gates(scan: Scan, value: Value, ops: Sequence[Operation], varying: set[Value]) -> bool:
    """Whether what is computed early is met by products of the loop, and is not cut into parts."""
    if not any(_is_of_gates(inner, varying) for inner in ops):
        return True
    history = scan.history()
    products = (inner for inner in scan.body if inner.name == "dot_general")
    return any(v in history for dot in products for v in dot.operands) and not _is_cut(value)


def _is_cut(value: Value) -> bool:
    """Whether parts are taken of a value, or of what is computed of it element by element."""
    pending, seen = [value], {value}
    while pending:
        for reader in pending.pop().readers:
            if reader.name in _CUTTING:
                return True
            new = [v for v in reader.results if reader.name in ELEMENTWISE and v not in seen]
            seen.update(new)
            pending += new
    return False
