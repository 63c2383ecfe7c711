"""A graph as one list of nodes and edges, which the formats of flat viewers are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.analysis.cost import Cost, cost_of
from compiler.ir.attribute_text import attribute_text
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.naming import Names, assign_names
from compiler.ir.walk import walk_regions
from tracegraph.costs.modules import module_of


@dataclass(frozen=True, slots=True)
class Edge:
    """A value on its way: which output of which node, into which input."""

    source: str
    output: int
    slot: int
    value: str
    type: str


@dataclass(slots=True)
class Node:
    """A parameter, an op, or the results of a region.

    Attributes:
        id: unique in the graph.
        label: what is shown.
        namespace: what it is nested in, joined by slashes: modules, and the ops whose regions it
            stands in.
        attributes: what is known of it, as text.
        edges: what it reads.
        outputs: the types of what it makes.
    """

    id: str
    label: str
    namespace: str
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    edges: list[Edge] = field(default_factory=list[Edge])
    outputs: list[str] = field(default_factory=list[str])


def flatten(graph: Graph) -> list[Node]:
    """Every node, those of regions nested under their op, each after what it reads."""
    return _Flattener(graph).nodes()


class _Flattener:
    """Numbers the nodes of a graph and finds where each value comes from."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names: Names = assign_names(graph)
        self._sources: dict[Value, tuple[str, int]] = {}
        self._spaces: dict[Region, str] = {graph.body: ""}
        self._nodes: list[Node] = []

    def nodes(self) -> list[Node]:
        for region in walk_regions(self._graph):
            self._parameters(region)
            for op in region:
                self._operation(op, self._spaces[region])
        return self._nodes

    def _add(self, label: str, namespace: str) -> Node:
        node = Node(str(len(self._nodes)), label, namespace)
        self._nodes.append(node)
        return node

    def _parameters(self, region: Region) -> None:
        for value in region.parameters:
            node = self._add(f"%{self._names[value]}", self._spaces[region])
            node.outputs.append(str(value.type))
            node.attributes["kind"] = "parameter"
            self._sources[value] = (node.id, 0)
            owner = region.owner
            if isinstance(owner, Operation):
                node.attributes["of"] = f"{owner.name}, {region.name}"

    def _operation(self, op: Operation, space: str) -> None:
        node = self._add(op.name, space or module_of(op))
        node.outputs += [str(value.type) for value in op.results]
        node.attributes.update(_facts(op, self._names))
        for slot, value in enumerate(op.operands):
            source, output = self._sources[value]
            edge = Edge(source, output, slot, f"%{self._names[value]}", str(value.type))
            node.edges.append(edge)
        for index, value in enumerate(op.results):
            self._sources[value] = (node.id, index)
        for region in op.regions:
            inner = f"{op.name}_{node.id}/{region.name}"
            self._spaces[region] = _joined(node.namespace, inner)


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _facts(op: Operation, names: Names) -> dict[str, str]:
    facts = {
        name: attribute_text(value)
        for name, value in sorted(op.attributes.items())
        if value is not None
    }
    if op.results:
        facts["value"] = ", ".join(f"%{names[value]}" for value in op.results)
    if op.location.frame is not None:
        facts["line"] = str(op.location.frame)
    if op.location.name_stack:
        facts["name_stack"] = op.location.name_stack
    cost: Cost = cost_of(op)
    if cost.flops or cost.transcendentals:
        facts["flops"] = str(cost.flops + cost.transcendentals)
    if cost.bytes:
        facts["bytes"] = str(cost.bytes)
    return facts
