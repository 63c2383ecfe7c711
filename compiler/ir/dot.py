"""Draws a graph as DOT text, for Graphviz: one box per op, one frame per region."""

from __future__ import annotations

from typing import Final

from compiler.ir.attribute_text import attribute_text
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.naming import assign_names

_INDENT: Final = "  "
_MAX_LABEL: Final = 60


def to_dot(graph: Graph, *, max_ops: int | None = None) -> str:
    """The graph as DOT text.

    Args:
        graph: any well-formed graph.
        max_ops: draw at most so many operations, terminators included, and say how many are left
            out; None draws all.
    """
    return _Drawing(graph, max_ops).text()


class _Drawing:
    """One drawing: the lines so far, and the box that each value comes from."""

    def __init__(self, graph: Graph, max_ops: int | None) -> None:
        self._graph = graph
        self._names = assign_names(graph)
        self._left = max_ops
        self._omitted = 0
        self._lines: list[str] = []
        self._boxes = 0
        self._sources: dict[Value, str] = {}

    def text(self) -> str:
        self._line(0, f"digraph {_label(self._graph.name)} {{")
        self._line(1, 'node [shape=box, fontname="monospace"];')
        self._region(self._graph.body, 1)
        if self._omitted:
            label = f"{self._omitted} more operations"
            self._line(1, f"omitted [shape=plaintext, label={_label(label)}];")
        self._line(0, "}")
        return "\n".join(self._lines) + "\n"

    def _line(self, depth: int, text: str) -> None:
        self._lines.append(_INDENT * depth + text)

    def _new_box(self, depth: int, label: str, style: str) -> str:
        box = f"n{self._boxes}"
        self._boxes += 1
        self._line(depth, f"{box} [label={_label(label)}{style}];")
        return box

    def _region(self, region: Region, depth: int) -> None:
        for value in region.parameters:
            label = f"%{self._names[value]}\n{value.type}"
            self._sources[value] = self._new_box(depth, label, ", shape=ellipse")
        for op in region:
            self._operation(op, depth)

    def _operation(self, op: Operation, depth: int) -> None:
        if self._left == 0:
            self._omitted += 1
            return
        if self._left is not None:
            self._left -= 1
        style = ", style=dashed" if op.name == CONSTANT else ", style=bold" if op.effects else ""
        box = self._new_box(depth, _op_label(op), style)
        self._edges(op, box, depth)
        for value in op.results:
            self._sources[value] = box
        for region in op.regions:
            self._cluster(region, box, depth)

    def _edges(self, op: Operation, box: str, depth: int) -> None:
        for value in op.operands:
            label = f"%{self._names[value]}: {value.type}"
            self._line(depth, f"{self._sources[value]} -> {box} [label={_label(label)}];")

    def _cluster(self, region: Region, box: str, depth: int) -> None:
        first = self._boxes
        self._line(depth, f"subgraph cluster_{box}_{first} {{")
        self._line(depth + 1, f"label={_label(region.name)};")
        self._region(region, depth + 1)
        self._line(depth, "}")
        if self._boxes > first:
            self._line(depth, f"{box} -> n{first} [style=dotted, arrowhead=none];")


def _op_label(op: Operation) -> str:
    items = [
        f"{name} = {attribute_text(value)}"
        for name, value in sorted(op.attributes.items())
        if value is not None
    ]
    shortened = [
        item if len(item) <= _MAX_LABEL else item[: _MAX_LABEL - 3] + "..." for item in items
    ]
    return "\n".join([op.name, *shortened])


def _label(text: str) -> str:
    """A quoted DOT label: line ends stay line ends, everything else stands for itself."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
