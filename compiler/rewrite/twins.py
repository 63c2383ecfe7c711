"""Values that two regions both compute: the same ops on the same operands.

Unknown means different: ops that are not stable, or whose foreign objects differ, have no twins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from compiler.analysis.constants import is_constant
from compiler.ir.attributes import attribute_key
from compiler.ir.equality import regions_equal, same_context
from compiler.ir.graph import CONSTANT, Operation, Region, Value
from compiler.ops.definition import is_mergeable


def twins(home: Region, region: Region, known: Mapping[Value, Value]) -> dict[Value, Value]:
    """The values of ``region`` that ``home`` computes too, with their twins there.

    Args:
        home: where the twins live.
        region: a region inside it, or one beside it.
        known: pairs that are known to be equal: parameters of the region and values of the home.

    Returns:
        the known pairs and those that follow from them. Constants are not among them.
    """
    found = dict(known)
    for op in region:
        twin = None if op.name == CONSTANT or op.is_terminator else _twin(home, op, found)
        if twin is not None:
            found.update(zip(op.results, twin.results, strict=True))
    return found


def frontier(
    region: Region, common: Iterable[Value], is_worth_it: Callable[[Value], bool]
) -> list[Value]:
    """The common values that are worth being handed in, as late in the region as they come.

    What lies only behind others of them is left out, and so is what nobody but a common op reads,
    except on the way to a value that is worth it.
    """
    shared = set(common)
    pending = [
        value
        for op in region
        if op.is_terminator or any(result not in shared for result in op.results)
        for value in op.operands
    ]
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    while pending:
        value = pending.pop()
        producer = value.producer
        if value in seen or value not in shared or producer is None:
            continue
        seen.add(value)
        if is_worth_it(value):
            found[value] = None
        else:
            pending += producer.operands
    return list(found)


def comes_before(first: Operation, second: Operation) -> bool:
    """Whether an op stands before another of the same region."""
    if first.parent is None or first.parent is not second.parent or first is second:
        return False
    return next(op for op in first.parent if op is first or op is second) is first


def is_alike(a: Operation, b: Operation) -> bool:
    """Whether two ops compute the same from equal operands, as far as can be known."""
    return (
        a.name == b.name
        and a.primitive is b.primitive
        and same_context(a, b)
        and [value.type for value in a.results] == [value.type for value in b.results]
        and _attributes_key(a) == _attributes_key(b)
        and len(a.regions) == len(b.regions)
        and is_mergeable(a)
        and all(map(regions_equal, a.regions, b.regions))
    )


def _attributes_key(op: Operation) -> object:
    """The attributes; one that is None is the same as one that is not there."""
    present = sorted((name, value) for name, value in op.attributes.items() if value is not None)
    return [(name, attribute_key(value)) for name, value in present]


def is_same_constant(a: Value, b: Value) -> bool:
    """Whether both values are constants of one type with the same bits."""
    first, second = a.producer, b.producer
    if first is None or second is None or first.name != CONSTANT or second.name != CONSTANT:
        return False
    keys = [attribute_key(op.attributes["value"]) for op in (first, second)]
    return a.type == b.type and keys[0] == keys[1]


def _twin(home: Region, op: Operation, found: Mapping[Value, Value]) -> Operation | None:
    if not op.operands:
        return next((other for other in home if not other.operands and is_alike(other, op)), None)
    pivots = [found[value] for value in op.operands if value in found]
    if not pivots or not all(value in found or is_constant(value) for value in op.operands):
        return None
    pivot = min(pivots, key=lambda value: value.use_count)
    for other in pivot.readers:
        if other.parent is home and _has_operands(other, op, found) and is_alike(other, op):
            return other
    return None


def _has_operands(other: Operation, op: Operation, found: Mapping[Value, Value]) -> bool:
    if other.name != op.name or len(other.operands) != len(op.operands):
        return False
    pairs = zip(op.operands, other.operands, strict=True)
    return all(
        found.get(inner) is outer or is_same_constant(inner, outer) for inner, outer in pairs
    )
