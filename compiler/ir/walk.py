"""Walking and cloning graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from compiler.ir import mutate
from compiler.ir.graph import CONSTANT, TERMINATORS, Graph, Operation, Region, Value

_UNCOUNTED: Final = TERMINATORS | {CONSTANT}


def walk(root: Graph | Region) -> Iterator[Operation]:
    """Every operation, outer before inner, in order, terminators included.

    Uses an explicit stack, so nesting depth is not limited by Python's. See ``Region`` for what may
    be changed meanwhile.
    """
    stack = [iter(root.body if isinstance(root, Graph) else root)]
    while stack:
        for op in stack[-1]:
            yield op
            if op.regions:
                stack.extend(iter(region) for region in reversed(op.regions))
                break
        else:
            stack.pop()


def walk_regions(root: Graph | Region) -> Iterator[Region]:
    """Every region, the outermost first."""
    body = root.body if isinstance(root, Graph) else root
    yield body
    for op in walk(body):
        if op.regions:
            yield from op.regions


class Visit(NamedTuple):
    """A step of a traversal: an operation, or the way into a region or out of it.

    Attributes:
        item: the operation or the region.
        depth: how many operations and regions it is inside of, the root not counted.
        leaving: whether a region's operations have all been visited.
    """

    item: Operation | Region
    depth: int
    leaving: bool = False


def traverse(root: Region) -> Iterator[Visit]:
    """Every operation and nested region in the order of the text; depth is not limited."""
    stack = [_visits(root, 0)]
    while stack:
        visit = next(stack[-1], None)
        if visit is None:
            stack.pop()
            continue
        yield visit
        if isinstance(visit.item, Region) and not visit.leaving:
            stack.append(_visits(visit.item, visit.depth + 1))


def _visits(region: Region, depth: int) -> Iterator[Visit]:
    """The visits that one region itself gives rise to."""
    for op in region:
        yield Visit(op, depth)
        for inner in op.regions:
            yield Visit(inner, depth + 1)
            yield Visit(inner, depth + 1, leaving=True)


def count_ops(root: Graph | Region) -> int:
    """How many operations there are, nested ones included, terminators and constants not."""
    return sum(op.name not in _UNCOUNTED for op in walk(root))


def clone(graph: Graph) -> Graph:
    """A copy that can be changed without touching the original. Attributes and types are shared."""
    copy = Graph(graph.name, Region(graph.body.name, handle=graph.body.handle), handle=graph.handle)
    _fill([(graph.body, copy.body)])
    copy.parameter_info = graph.parameter_info
    copy.result_names = graph.result_names
    return copy


def clone_region(region: Region) -> Region:
    """A detached copy of a region."""
    copy = Region(region.name, handle=region.handle)
    _fill([(region, copy)])
    return copy


def clone_operation(op: Operation, mapping: dict[Value, Value]) -> Operation:
    """A detached copy that reads the mapped values; its results are entered in the mapping."""
    copy = _copy(op, mapping)
    _fill(list(zip(op.regions, copy.regions, strict=True)))
    return copy


def _fill(pending: list[tuple[Region, Region]]) -> None:
    """Copies each region into the empty one beside it, nested ones too, to any depth."""
    finished: list[tuple[Region, list[Operation]]] = []
    while pending:
        source, target = pending.pop()
        created = mutate.add_parameters(target, [value.type for value in source.parameters])
        mapping = dict(zip(source.parameters, created, strict=True))
        for old, new in mapping.items():
            new.hint = old.hint
        copies = [_copy(op, mapping) for op in source]
        finished.append((target, copies))
        for op, copy in zip(source, copies, strict=True):
            if op.regions:
                pending.extend(zip(op.regions, copy.regions, strict=True))
    # Inner regions first: while an op stands nowhere, its regions are found free in no time.
    for target, copies in reversed(finished):
        mutate.extend(target, copies)


def _copy(op: Operation, mapping: dict[Value, Value]) -> Operation:
    """A copy with empty regions."""
    copy = Operation(
        op.name,
        [mapping[value] for value in op.operands],
        [value.type for value in op.results],
        op.attributes,
        [Region(region.name, handle=region.handle) for region in op.regions],
        effects=op.effects,
        location=op.location,
        primitive=op.primitive,
        context=op.context,
    )
    for old, new in zip(op.results, copy.results, strict=True):
        new.hint = old.hint
        mapping[old] = new
    return copy
