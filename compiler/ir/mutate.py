"""The only functions that change a graph. Each keeps the use lists right and refuses frozen graphs.

The builder and the rewriter call these; passes and rules do not.
"""

# pyright: reportPrivateUsage=false
# This module is the other half of graph.py: it owns the links that graph.py only reads.

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.attributes import Attributes
from compiler.ir.errors import FrozenGraphError
from compiler.ir.graph import (
    WIDE,
    Graph,
    Operation,
    ParameterInfo,
    Region,
    Value,
    WideOperation,
)
from compiler.ir.locations import Location
from compiler.ir.types import Type


def check_mutable(region: Region | None) -> None:
    """Raises FrozenGraphError if the region is part of a frozen graph."""
    graph = region.graph if region is not None else None
    if graph is None or not graph.frozen:
        return
    raise FrozenGraphError(
        f"graph @{graph.name} is frozen and cannot be changed",
        expected="a graph that is being built, or a clone",
        found="a captured or optimized graph, which other readers share",
        hint="work on compiler.ir.clone(graph)",
    )


def add_parameter(region: Region, type: Type, hint: str = "") -> Value:
    """Adds a parameter at the end of the region's list and returns it."""
    check_mutable(region)
    value = Value(type, region, len(region.parameters), hint)
    region.parameters = (*region.parameters, value)
    return value


def add_parameters(region: Region, types: Sequence[Type]) -> tuple[Value, ...]:
    """Adds several parameters at once, in time linear in their number."""
    check_mutable(region)
    start = len(region.parameters)
    values = tuple(Value(type, region, start + i) for i, type in enumerate(types))
    region.parameters = (*region.parameters, *values)
    return values


def remove_parameters(region: Region, keep: Sequence[bool]) -> None:
    """Drops the parameters whose flag is false. They must have no uses."""
    check_mutable(region)
    for value, kept in zip(region.parameters, keep, strict=True):
        if not kept and value.has_uses:
            raise ValueError(f"parameter {value!r} is still used")
    left = tuple(v for v, kept in zip(region.parameters, keep, strict=True) if kept)
    for index, value in enumerate(left):
        value.index = index
    region.parameters = left


def set_parameter_info(graph: Graph, info: Sequence[ParameterInfo]) -> None:
    """Says what is known of each parameter of the graph."""
    check_mutable(graph.body)
    if len(info) != len(graph.parameters):
        raise ValueError(f"{len(graph.parameters)} parameters, {len(info)} descriptions")
    graph.parameter_info = tuple(info)


def append(region: Region, op: Operation) -> Operation:
    """Puts a detached operation at the end of the region."""
    return insert_before(region, None, op)


def extend(region: Region, ops: Sequence[Operation]) -> None:
    """Puts detached operations at the end of the region, in order."""
    check_mutable(region)
    previous = region._last
    for op in ops:  # linked here, without a call for every op of a program
        if op.parent is not None:
            raise ValueError(f"{op!r} already stands in a region")
        op.parent, op._previous = region, previous
        if previous is None:
            region._first = op
        else:
            previous._next = op
        previous = op
    region._last = previous
    region._count += len(ops)


def insert_before(region: Region, anchor: Operation | None, op: Operation) -> Operation:
    """Puts a detached operation before the anchor, or at the end if there is no anchor."""
    check_mutable(region)
    return _link(region, anchor, op)


def _link(region: Region, anchor: Operation | None, op: Operation) -> Operation:
    if op.parent is not None:
        raise ValueError(f"{op!r} already stands in a region")
    previous = region._last if anchor is None else anchor._previous
    op._previous, op._next = previous, anchor
    if previous is None:
        region._first = op
    else:
        previous._next = op
    if anchor is None:
        region._last = op
    else:
        anchor._previous = op
    op.parent = region
    region._count += 1
    return op


def detach(op: Operation) -> Operation:
    """Takes an operation out of its region, its operands and results left as they are."""
    region = op.parent
    check_mutable(region)
    if region is None:
        raise ValueError(f"{op!r} stands in no region")
    if op._previous is None:
        region._first = op._next
    else:
        op._previous._next = op._next
    if op._next is None:
        region._last = op._previous
    else:
        op._next._previous = op._previous
    op._previous = op._next = None
    op.parent = None
    region._count -= 1
    return op


def erase(op: Operation) -> None:
    """Removes an operation whose results nobody reads, and its own reads."""
    if op.has_uses:
        raise ValueError(f"{op!r} still has users")
    if op.parent is not None:
        detach(op)
    drop_operands(op)


def drop_operands(op: Operation) -> None:
    """Forgets what the operation reads, inside its regions too (they go with it)."""
    check_mutable(op.parent)
    for slot, value in enumerate(op.operands):
        value._forget_use(op, slot)
    op.operands = ()


def set_operand(op: Operation, index: int, value: Value) -> None:
    """Makes one operand slot read another value."""
    check_mutable(op.parent)
    if isinstance(op, WideOperation):
        edited = list(op.operands) if op._edited is None else op._edited
        op._edited = edited
        edited[index]._forget_use(op, index)
        edited[index] = value
    else:
        op.operands[index]._forget_use(op, index)
        op.operands = (*op.operands[:index], value, *op.operands[index + 1 :])
    value._note_use(op, index)


def set_operands(op: Operation, values: Sequence[Value]) -> None:
    """Makes the operation read these values instead of what it read."""
    drop_operands(op)
    op.operands = tuple(values)
    if len(op.operands) > WIDE:
        op.__class__, op._edited = WideOperation, None
    for slot, value in enumerate(op.operands):
        value._note_use(op, slot)


def replace_uses(old: Value, new: Value) -> int:
    """Makes every reader of ``old`` read ``new``; returns how many slots changed."""
    uses = old.uses
    for op, index in uses:
        set_operand(op, index, new)
    return len(uses)


def set_attributes(op: Operation, attributes: Attributes) -> None:
    """Replaces the attributes of an operation."""
    check_mutable(op.parent)
    op.attributes = attributes


def set_location(op: Operation, location: Location) -> None:
    """Replaces the location of an operation."""
    check_mutable(op.parent)
    op.location = location
