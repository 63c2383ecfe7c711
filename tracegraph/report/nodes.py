"""A graph as flat rows: every op, parameter and terminator, with its place, origin and cost.

Owns what one op says of itself in a report. What passes did to it is ``tracegraph.report.stages``'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.analysis.cost import Cost, cost_of
from compiler.analysis.occurrences import occurrences
from compiler.ir.attribute_text import attribute_text
from compiler.ir.attributes import Attributes
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.walk import walk_regions
from compiler.passes.fuse import GROUP

INPUT: Final = "input"
"""The name of the row of a graph's parameter."""

INPUTS: Final = "inputs"
"""The name of the one row that stands for all parameters of a nested region."""

FREE: Final = Cost()

MAX_TEXT: Final = 400
"""Attributes of more characters are cut: a report is read, not parsed."""

_OUTER_SLASH: Final = re.compile(r"/(?![^()]*\))")
_ANNOTATION: Final = "tg."


@dataclass(slots=True, eq=False)
class Node:
    """One row of a graph.

    Attributes:
        name: the op's name, ``input`` or ``inputs``.
        label: the name of its first value.
        type: the types of its results.
        attributes: its attributes as text, annotations left out.
        path: the groups that it stands in, outermost first.
        location: where it comes from.
        parent: the row of the op whose region it stands in, if there is one.
        region: the name of that region; empty in the graph itself.
        inputs: the rows that it reads, in the order of its operands, without repeats.
        cost: its own cost over a whole run of the graph.
        group: the number of its fusion group, if it is in one.
        op: the op; None for parameters.
    """

    name: str
    label: str
    type: str
    attributes: str
    path: tuple[str, ...]
    location: Location
    parent: Node | None = None
    region: str = ""
    inputs: tuple[Node, ...] = ()
    cost: Cost = FREE
    group: int | None = None
    op: Operation | None = None


class _Texts:
    """The text of attributes, made once for each: graphs of one pipeline share them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Attributes, str]] = {}

    def of(self, attributes: Attributes) -> str:
        """The attributes as text, without annotations, cut where they are long."""
        known = self._known.get(id(attributes))
        if known is None:
            known = (attributes, _attributes_text(attributes))
            self._known[id(attributes)] = known
        return known[1]


class Reader:
    """Reads the graphs of one report, which share most of their leaves."""

    def __init__(self) -> None:
        self._texts = _Texts()

    def nodes(self, graph: Graph, names: Mapping[Value, str]) -> list[Node]:
        """The rows of a graph: outer regions before inner ones, in the order of their ops.

        Args:
            graph: the graph.
            names: the names of its values; those that are missing have none.
        """
        runs = occurrences(graph)
        made: dict[Value, Node] = {}
        owners: dict[Operation, Node] = {}
        found: list[Node] = []
        for region in walk_regions(graph):
            parent = owners.get(region.owner) if isinstance(region.owner, Operation) else None
            found += self._parameters(region, parent, names, made)
            for op in region:
                node = self._node(op, graph, names, runs[region].times)
                node.parent, node.region = parent, region.name if parent else ""
                node.inputs = tuple(dict.fromkeys(made[value] for value in op.operands))
                made.update(dict.fromkeys(op.results, node))
                if op.regions:
                    owners[op] = node
                found.append(node)
        return found

    def _parameters(
        self,
        region: Region,
        parent: Node | None,
        names: Mapping[Value, str],
        made: dict[Value, Node],
    ) -> Iterator[Node]:
        if parent is None:
            for value in region.parameters:
                made[value] = Node(INPUT, names.get(value, ""), str(value.type), "", (), UNKNOWN)
                yield made[value]
            return
        types = _types(region.parameters)
        node = Node(INPUTS, "", types, "", (), UNKNOWN, parent, region.name)
        made.update(dict.fromkeys(region.parameters, node))
        yield node

    def _node(
        self,
        op: Operation,
        graph: Graph,
        names: Mapping[Value, str],
        times: int,
    ) -> Node:
        group = op.attributes.get(GROUP)
        return Node(
            op.name,
            names.get(op.results[0], "") if op.results else "",
            _types(op.results),
            self._texts.of(op.attributes),
            group_path(op.location, graph.name),
            op.location,
            cost=FREE if op.regions else cost_of(op) * times,
            group=group if isinstance(group, int) else None,
            op=op,
        )


def group_path(location: Location, function: str) -> tuple[str, ...]:
    """The groups of an op, outermost first: its modules and scopes, else the function it is in.

    Args:
        location: where the op comes from.
        function: the name of the traced function, which is no group of its own.
    """
    scopes = tuple(part for part in _OUTER_SLASH.split(location.name_stack) if part)
    named = any(not part.endswith("()") and "()" not in part for part in scopes)
    frame = location.frame
    if named or frame is None or frame.function in (function, "<module>"):
        return scopes
    return (*scopes, frame.function.replace("<locals>.", ""))


def _types(values: Sequence[Value]) -> str:
    return cut(", ".join(str(value.type) for value in values[:32]))


def _attributes_text(attributes: Attributes) -> str:
    shown = (name for name in attributes if not name.startswith(_ANNOTATION))
    return cut(", ".join(f"{name} = {attribute_text(attributes[name])}" for name in shown))


def cut(text: str) -> str:
    """The text, or its beginning where it is long."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
