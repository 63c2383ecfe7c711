"""Where what is inside regions comes from: a parameter's operand, and the user's line of an op."""

from __future__ import annotations

from compiler.ir.graph import Operation, Value
from compiler.ir.locations import Location


def user_location(op: Operation) -> Location:
    """The op's location, or that of the nearest op around it that knows the user's line.

    What a library's own compiled function holds may know no line of the user's.
    """
    at: Operation | None = op
    while at is not None and not at.location.frames:
        at = enclosing(at)
    return op.location if at is None else at.location


def enclosing(op: Operation) -> Operation | None:
    """The op in one of whose regions it stands; None in the graph's own body."""
    owner = op.parent.owner if op.parent is not None else None
    return owner if isinstance(owner, Operation) else None


def outer_value(value: Value) -> Value | None:
    """The operand of the op around it that a region's parameter takes at first; None for others."""
    region = value.region
    if value.producer is not None or region is None or not isinstance(region.owner, Operation):
        return None
    op = region.owner
    slot = value.index + _offset(op, region.name)
    if op.name == "while" and region.name == "body_jaxpr":
        return op.operands[slot]
    if op.name == "while":
        tests, bodies = _number(op, "cond_nconsts"), _number(op, "body_nconsts")
        return op.operands[slot if value.index < tests else slot + bodies]
    fits = len(region.parameters) + _offset(op, region.name) == len(op.operands)
    return op.operands[slot] if fits else None


def _offset(op: Operation, region: str) -> int:
    """How many operands stand in front of those that the region's parameters take."""
    if op.name == "cond":
        return 1
    return _number(op, "cond_nconsts") if region == "body_jaxpr" else 0


def _number(op: Operation, name: str) -> int:
    value = op.attributes.get(name, 0)
    return value if isinstance(value, int) else 0
