"""The graph after each pass, over one table of ops: what was added, removed and changed.

Passes run on copies, so an op has no identity of its own from stage to stage. Two ops count as the
same one if they look alike and come from the same line; an op of another form on the same line is a
changed one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from compiler.ir.naming import assign_names
from compiler.ir.walk import walk
from tracegraph.program import Stage
from tracegraph.report.nodes import Node, Reader

NAMED_OPS: Final = 5_000
"""In graphs of more ops, values are named before and after all passes and not in between."""

Key = Callable[[Node], Hashable]


class Change(NamedTuple):
    """What one pass did, by numbers of the table of ops.

    Attributes:
        added: ops that the pass made.
        removed: ops of the stage before that are gone.
        changed: pairs of an op as it is now and as it was.
    """

    added: list[int]
    removed: list[int]
    changed: list[tuple[int, int]]


@dataclass(slots=True)
class StageRows:
    """One stage: the numbers of its ops, in order, and what led to it.

    Attributes:
        name: the pass.
        nodes: its rows.
        numbers: for each row, its number in the table of ops.
        change: what became of the stage before.
    """

    name: str
    nodes: list[Node]
    numbers: dict[Node, int]
    change: Change


@dataclass(slots=True)
class Table:
    """Every op of every stage, each once.

    Attributes:
        ops: a row for each, as the last stage that has it shows it.
        stages: the stages, in order.
    """

    ops: list[Node] = field(default_factory=list[Node])
    stages: list[StageRows] = field(default_factory=list[StageRows])

    @property
    def last(self) -> StageRows:
        """The stage after all passes."""
        return self.stages[-1]


def stage_table(stages: Sequence[Stage]) -> Table:
    """The table of ops over all stages, which begin with the captured graph."""
    table, reader = Table(), Reader()
    for place, stage in enumerate(stages):
        outer = place in (0, len(stages) - 1)
        few = outer or sum(1 for _ in walk(stage.graph)) <= NAMED_OPS
        names = assign_names(stage.graph) if few else {}
        _append(table, stage.name, reader.nodes(stage.graph, names))
    return table


def _append(table: Table, name: str, nodes: list[Node]) -> None:
    before = table.stages[-1] if table.stages else StageRows("", [], {}, Change([], [], []))
    same = _pairs(before.nodes, nodes, _looks)
    numbers: dict[Node, int] = {}
    for node in nodes:
        if node in same:
            numbers[node] = before.numbers[same[node]]
            table.ops[numbers[node]] = _named(node, same[node])
        else:
            numbers[node] = len(table.ops)
            table.ops.append(node)
    change = _change(before, nodes, same, numbers) if table.stages else before.change
    table.stages.append(StageRows(name, nodes, numbers, change))


def _change(
    before: StageRows, nodes: Sequence[Node], same: dict[Node, Node], numbers: dict[Node, int]
) -> Change:
    kept = set(same.values())
    left = [node for node in before.nodes if node not in kept]
    new = [node for node in nodes if node not in same]
    changed = _pairs(left, new, _place)
    gone = set(changed.values())
    return Change(
        [numbers[node] for node in new if node not in changed],
        [before.numbers[node] for node in left if node not in gone],
        [(numbers[node], before.numbers[old]) for node, old in changed.items()],
    )


def _pairs(old: Sequence[Node], new: Sequence[Node], key: Key) -> dict[Node, Node]:
    """From each new row to the old one that it is: the n-th of a key is the n-th of that key."""
    waiting: dict[Hashable, list[Node]] = {}
    for node in reversed(old):
        waiting.setdefault(key(node), []).append(node)
    found: dict[Node, Node] = {}
    for node in new:
        candidates = waiting.get(key(node))
        if candidates:
            found[node] = candidates.pop()
    return found


def _looks(node: Node) -> Hashable:
    parent = "" if node.parent is None else node.parent.name
    costs = (node.cost.flops, node.cost.bytes, node.cost.transcendentals)
    stack = node.location.name_stack
    own = node.label if node.op is None else node.attributes
    return (node.name, own, node.type, node.location.frame, stack, parent, node.region, costs)


def _place(node: Node) -> Hashable:
    return (node.name, node.location.frame, node.location.name_stack, node.region)


def _named(node: Node, before: Node) -> Node:
    """The row as the later stage shows it, with the older name where it has none."""
    node.label = node.label or before.label
    return node
