"""``tg.diff``: what changed from one graph to another, op by op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from compiler.analysis.cost import Cost, graph_cost
from compiler.analysis.difference import Changed, compare_graphs
from compiler.ir.graph import Graph, Operation
from compiler.ir.naming import Names, assign_names
from compiler.lowering import jax_compat
from tracegraph.boundary import boundary
from tracegraph.graphs import checked_graph
from tracegraph.printed import Printed, quantity

jax_compat.hide_frames(__file__)

SHOWN: Final = 40
"""So many ops of a kind are shown; the rest are counted."""


@dataclass(frozen=True, slots=True)
class GraphDiff(Printed):
    """What changed from one graph to another. ``print`` shows it; it is true if anything did.

    Ops correspond by what they compute, whatever their lines, names and places in the text.

    Attributes:
        before: the first graph.
        after: the second.
        same: how many ops are in both.
        changed: ops that became others.
        removed: ops of the first graph alone.
        added: ops of the second graph alone.
    """

    before: Graph
    after: Graph
    same: int
    changed: tuple[Changed, ...]
    removed: tuple[Operation, ...]
    added: tuple[Operation, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.added)

    def __rich__(self) -> RenderableType:
        """A line for each op that changed, red, green and yellow where there is colour."""
        old, new = assign_names(self.before), assign_names(self.after)
        costs = graph_cost(self.before), graph_cost(self.after)
        lines = [
            Text(
                f"@{self.before.name} to @{self.after.name}: {self.same} operations the same, "
                f"{len(self.changed)} changed, {len(self.removed)} removed, "
                f"{len(self.added)} added; {_change(*costs)}"
            )
        ]
        changed = [f"~ {_text(one.after, new)}  ({one.what})" for one in self.changed]
        lines += _shown(changed, "yellow")
        lines += _shown([f"- {_text(op, old)}" for op in self.removed], "red")
        lines += _shown([f"+ {_text(op, new)}" for op in self.added], "green")
        return Group(*lines)


@boundary
def diff(a: Graph, b: Graph) -> GraphDiff:
    """What changed from one graph to another: ops added, removed and changed, by structure.

    Raises:
        TracegraphError: one of them is no graph.
    """
    found = compare_graphs(checked_graph(a), checked_graph(b))
    return GraphDiff(a, b, len(found.same), found.changed, found.removed, found.added)


def _shown(lines: Sequence[str], style: str) -> list[Text]:
    rest = len(lines) - SHOWN
    more = [Text(f"  and {rest} more", style=style)] if rest > 0 else []
    return [*(Text(line, style=style) for line in lines[:SHOWN]), *more]


def _text(op: Operation, names: Names) -> str:
    results = ", ".join(f"%{names[value]}" for value in op.results)
    operands = ", ".join(f"%{names[value]}" for value in op.operands)
    types = ", ".join(str(value.type) for value in op.results)
    frame = op.location.frame
    where = f"  at {frame}" if frame is not None else ""
    return f"{results} = {op.name} {operands} : {types}{where}"


def _change(before: Cost, after: Cost) -> str:
    """What a graph costs more or less than the other, in what differs."""
    pairs = (
        ("FLOPs", before.flops, after.flops),
        ("exp or log", before.transcendentals, after.transcendentals),
        ("bytes", before.bytes, after.bytes),
    )
    said = [f"{name} {quantity(a)} to {quantity(b)}" for name, a, b in pairs if a != b]
    return ", ".join(said) or "it costs the same"
