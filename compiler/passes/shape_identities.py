"""Identities of ops that only move elements: those that move none, and two in a row.

Nothing here looks at elements, so no bit can change. Values with an explicit sharding are left out
of compositions: what the intermediate value's sharding stood for would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from compiler.ir.attributes import Attributes
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.parameters import integer_table, integers
from compiler.rewrite.rewriter import Rewriter


def shape_identity(op: Operation) -> Value | None:
    """The operand that the op gives back unmoved, provided their types agree; else None."""
    if op.name == "dynamic_update_slice":
        return op.operands[1]
    holds = _MOVES_NOTHING.get(op.name)
    return op.operands[0] if holds is not None and holds(op) else None


def compose(op: Operation, rewriter: Rewriter) -> Operation | None:
    """Makes one op of this op and the one that feeds it; None if they are no such pair."""
    inner = op.operands[0].producer if len(op.operands) == 1 else None
    rule = _COMPOSITIONS.get(op.name)
    if inner is None or rule is None or len(inner.operands) != 1:
        return None
    attributes = rule(op, inner)
    if attributes is None or _is_sharded(inner.operands[0], inner.result, op.result):
        return None
    new = rewriter.create(
        op,
        op.name,
        inner.operands,
        [op.result.type],
        attributes,
        primitive=op.primitive,
        sources=[inner],
    )
    rewriter.replace(op, new.results)
    return new


def _is_sharded(*values: Value) -> bool:
    return any(not isinstance(v.type, ArrayType) or v.type.sharding for v in values)


def _always(op: Operation) -> bool:
    """For ops that give the operand back whenever the result has its type."""
    return len(op.operands) >= 1


def _keeps_layout(op: Operation) -> bool:
    return len(op.operands) == 1 and not op.attributes.get("sharding")


def _reshapes_in_order(op: Operation) -> bool:
    return _keeps_layout(op) and op.attributes.get("dimensions") is None


def _broadcasts_nothing(op: Operation) -> bool:
    return _keeps_layout(op) and _is_counting(integers(op, "broadcast_dimensions"))


def _permutes_nothing(op: Operation) -> bool:
    return _is_counting(integers(op, "permutation"))


def _pads_nothing(op: Operation) -> bool:
    return not any(any(row) for row in integer_table(op, "padding_config"))


def _reverses_nothing(op: Operation) -> bool:
    type = op.result.type
    if not isinstance(type, ArrayType):
        return False
    return all(type.shape[dim] == 1 for dim in integers(op, "dimensions"))


def _is_counting(numbers: tuple[int, ...]) -> bool:
    return numbers == tuple(range(len(numbers)))


def _one_operand(op: Operation) -> bool:
    return len(op.operands) == 1


_MOVES_NOTHING: Final[Mapping[str, Callable[[Operation], bool]]] = {
    "broadcast_in_dim": _broadcasts_nothing,
    "concatenate": _one_operand,
    "convert_element_type": _keeps_layout,
    # A slice as large as its operand starts at zero: starts are clamped, and strides are positive.
    "dynamic_slice": _always,
    "pad": _pads_nothing,
    "reshape": _reshapes_in_order,
    "rev": _reverses_nothing,
    "slice": _always,
    "squeeze": _always,
    "transpose": _permutes_nothing,
}


def _transposed_twice(op: Operation, inner: Operation) -> Attributes | None:
    if inner.name != "transpose":
        return None
    first, then = integers(inner, "permutation"), integers(op, "permutation")
    return {**op.attributes, "permutation": tuple(first[i] for i in then)}


def _reshaped_twice(op: Operation, inner: Operation) -> Attributes | None:
    if inner.name != "reshape":
        return None
    return op.attributes if _reshapes_in_order(op) and _reshapes_in_order(inner) else None


def _broadcast_twice(op: Operation, inner: Operation) -> Attributes | None:
    if inner.name != op.name or not (_keeps_layout(op) and _keeps_layout(inner)):
        return None
    first, then = integers(inner, "broadcast_dimensions"), integers(op, "broadcast_dimensions")
    return {**op.attributes, "broadcast_dimensions": tuple(then[i] for i in first)}


_COMPOSITIONS: Final[Mapping[str, Callable[[Operation, Operation], Attributes | None]]] = {
    "broadcast_in_dim": _broadcast_twice,
    "reshape": _reshaped_twice,
    "transpose": _transposed_twice,
}

NAMES: Final = frozenset({"dynamic_update_slice", *_MOVES_NOTHING, *_COMPOSITIONS})
"""The ops that have an identity here."""
