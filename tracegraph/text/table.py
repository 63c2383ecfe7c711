"""A graph as a table: a row for each op, with its cost and its line."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import RenderableType

from compiler.ir.graph import CONSTANT, Graph, Operation
from compiler.ir.naming import Names, assign_names
from compiler.ir.walk import Visit, traverse
from compiler.passes.fuse import GROUP
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.report import cost_report, module_table
from tracegraph.costs.rows import ModuleCost, OpCost
from tracegraph.printed import Printed, quantity, seconds, table

_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class GraphTable(Printed):
    """The ops of a graph as a table. ``print`` shows it.

    Attributes:
        name: the graph's name.
        rows: the cells: value, op, operands, type, FLOPs, bytes, group, line, source.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]

    def __rich__(self) -> RenderableType:
        """All rows."""
        headings = ("value", "op", "reads", "type", ">FLOPs", ">bytes", ">group", "line", "source")
        return table(f"@{self.name}", headings, self.rows)


@dataclass(frozen=True, slots=True)
class Summary(Printed):
    """What a graph costs by module. ``print`` shows it.

    Attributes:
        name: the graph's name.
        modules: a row for each module, in the order in which they first run.
        parameters: the elements of what the modules hold.
        flops: all FLOPs.
        bytes: all traffic, as if nothing were fused.
        seconds: the least time on a device; 0 without one.
    """

    name: str
    modules: tuple[ModuleCost, ...]
    parameters: int
    flops: int
    bytes: int
    seconds: float

    def __rich__(self) -> RenderableType:
        """The modules as a table under one line for the whole."""
        drawn = module_table(self.modules)
        floor = f", at least {seconds(self.seconds)}" if self.seconds else ""
        drawn.title = (
            f"@{self.name}: {quantity(self.parameters)} parameters, {quantity(self.flops)} FLOPs, "
            f"{quantity(self.bytes, 'B')}{floor}"
        )
        return drawn


def graph_table(graph: Graph) -> GraphTable:
    """The ops of a graph as a table, those in regions indented under their op."""
    names = assign_names(graph)
    costs = {row.op: row for row in cost_report(graph).ops}
    rows = [
        _row(visit, visit.item, names, costs)
        for visit in traverse(graph.body)
        if isinstance(visit.item, Operation)
    ]
    return GraphTable(graph.name, tuple(rows))


def summary(graph: Graph, device: str | DeviceSpec | None = None) -> Summary:
    """What a graph costs by module.

    Raises:
        TracegraphError: there is no device of that name.
    """
    report = cost_report(graph, device)
    held = sum(row.parameters for row in report.modules)
    cost = report.total
    return Summary(graph.name, report.modules, held, cost.flops, cost.bytes, report.seconds)


def _row(
    visit: Visit, op: Operation, names: Names, costs: dict[Operation, OpCost]
) -> tuple[str, ...]:
    cost = costs.get(op)
    frame = op.location.frame if op.name != CONSTANT else None
    group = op.attributes.get(GROUP)
    return (
        _INDENT * visit.depth + ", ".join(f"%{names[value]}" for value in op.results),
        op.name,
        ", ".join(f"%{names[value]}" for value in op.operands),
        ", ".join(str(value.type) for value in op.results),
        quantity(cost.cost.flops + cost.cost.transcendentals) if cost is not None else "",
        quantity(cost.cost.bytes) if cost is not None else "",
        str(group) if group is not None else "",
        f"{Path(frame.file).name}:{frame.line}" if frame is not None else "",
        linecache.getline(frame.file, frame.line).strip() if frame is not None else "",
    )
