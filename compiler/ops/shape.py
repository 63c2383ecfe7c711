"""Ops that make, move, repeat or retype elements and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compiler.ir.attributes import Array, Dense
from compiler.ir.graph import CONSTANT, Operation
from compiler.ops import numeric, structural
from compiler.ops.definition import Evaluator, NotExact, OpDef

FAMILY: Final = "shape"


def _evaluate_constant(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    del operands
    value = op.attributes["value"]
    if not isinstance(value, Dense):
        raise NotExact("the constant is not an array on the host")
    return (value.array,)


def _evaluate_identity(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    del op
    return operands


_EVALUATORS: Final[dict[str, Evaluator]] = {
    CONSTANT: _evaluate_constant,
    "bitcast_convert_type": structural.evaluate_bitcast,
    "broadcast_in_dim": structural.evaluate_broadcast_in_dim,
    "concatenate": structural.evaluate_concatenate,
    "convert_element_type": numeric.evaluate_convert,
    "iota": structural.evaluate_iota,
    "pad": structural.evaluate_pad,
    "reshape": structural.evaluate_reshape,
    "rev": structural.evaluate_rev,
    "slice": structural.evaluate_slice,
    "split": structural.evaluate_split,
    "squeeze": structural.evaluate_squeeze,
    "stack": structural.evaluate_stack,
    # An identity to everyone but differentiation, to which a constant is as good.
    "stop_gradient": _evaluate_identity,
    "tile": structural.evaluate_tile,
    "transpose": structural.evaluate_transpose,
    "unstack": structural.evaluate_unstack,
}

# Types only: extended dtypes and symbolic dimensions.
_PLAIN: Final = (
    "broadcast_to",
    "dim_as_value",
    "dimension_size",
    "from_edtype",
    "to_edtype",
    "zeros_like",
)

_OPERANDS: Final = {
    CONSTANT: 0,
    "pad": 2,
    **dict.fromkeys(["bitcast_convert_type", "broadcast_in_dim", "convert_element_type"], 1),
    **dict.fromkeys(["reshape", "rev", "slice", "split", "squeeze", "stop_gradient"], 1),
    **dict.fromkeys(["tile", "transpose", "unstack"], 1),
}

DEFINITIONS: Final = (
    *(OpDef(n, FAMILY, evaluate=e, operands=_OPERANDS.get(n)) for n, e in _EVALUATORS.items()),
    *(OpDef(name, FAMILY) for name in _PLAIN),
)
