"""Walking and cloning graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.ir import mutate
from compiler.ir.graph import Graph, Operation, Region, Value


def walk(root: Graph | Region) -> Iterator[Operation]:
    """Every operation, outer before inner, in order, terminators included.

    Uses an explicit stack, so nesting depth is not limited by Python's. See ``Region`` for what may
    be changed meanwhile.
    """
    stack = [iter(root.body if isinstance(root, Graph) else root)]
    while stack:
        op = next(stack[-1], None)
        if op is None:
            stack.pop()
            continue
        yield op
        stack.extend(iter(region) for region in reversed(op.regions))


def walk_regions(root: Graph | Region) -> Iterator[Region]:
    """Every region, the outermost first."""
    body = root.body if isinstance(root, Graph) else root
    yield body
    for op in walk(body):
        yield from op.regions


def count_ops(root: Graph | Region) -> int:
    """How many operations there are, nested ones included, terminators and constants not."""
    return sum(1 for op in walk(root) if not op.is_terminator and op.name != "constant")


def clone(graph: Graph) -> Graph:
    """A copy that can be changed without touching the original. Attributes and types are shared."""
    copy = Graph(graph.name, Region(graph.body.name, handle=graph.body.handle), handle=graph.handle)
    clone_region_into(graph.body, copy.body, {})
    copy.parameter_info = graph.parameter_info
    copy.result_names = graph.result_names
    return copy


def clone_region(region: Region) -> Region:
    """A detached copy of a region."""
    copy = Region(region.name, handle=region.handle)
    clone_region_into(region, copy, {})
    return copy


def clone_region_into(source: Region, target: Region, known: Mapping[Value, Value]) -> None:
    """Appends copies of the source's parameters and operations to an empty target."""
    mapping = dict(known)
    created = mutate.add_parameters(target, [value.type for value in source.parameters])
    for old, new in zip(source.parameters, created, strict=True):
        new.hint = old.hint
        mapping[old] = new
    for op in source:
        mutate.append(target, clone_operation(op, mapping))


def clone_operation(op: Operation, mapping: dict[Value, Value]) -> Operation:
    """A detached copy that reads the mapped values; its results are entered in the mapping."""
    copy = Operation(
        op.name,
        [mapping[value] for value in op.operands],
        [value.type for value in op.results],
        op.attributes,
        [clone_region(region) for region in op.regions],
        effects=op.effects,
        location=op.location,
        primitive=op.primitive,
        context=op.context,
    )
    for old, new in zip(op.results, copy.results, strict=True):
        new.hint = old.hint
        mapping[old] = new
    return copy
