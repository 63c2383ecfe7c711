"""Every operation of the tables by its family and name."""

from __future__ import annotations

from tests.differential.operations import (
    CONVOLUTIONS,
    DOTS,
    ELEMENTWISE,
    INDEXING,
    REDUCTIONS,
    SHAPES,
    Operation,
)
from tests.differential.operations_control import CONTROL_FLOW
from tests.differential.operations_library import DTYPES, LINALG, RANDOM

OPERATIONS: dict[str, Operation] = {
    f"{family}-{name}": operation
    for family, table in {
        "elementwise": ELEMENTWISE,
        "shape": SHAPES,
        "reduction": REDUCTIONS,
        "indexing": INDEXING,
        "dot": DOTS,
        "conv": CONVOLUTIONS,
        "linalg": LINALG,
        "control": CONTROL_FLOW,
        "random": RANDOM,
        "dtype": DTYPES,
    }.items()
    for name, operation in table.items()
}
