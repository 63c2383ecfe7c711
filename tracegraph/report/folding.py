"""A graph that is too large to show op by op, as one row per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compiler.analysis.cost import Cost
from compiler.ir.locations import UNKNOWN
from tracegraph.report.nodes import INPUT, INPUTS, Node

MAX_ROWS: Final = 2_000
"""No more groups are shown; the folding goes to the depth at which they fit."""

RUN: Final = 1_000
"""Ops in no group are folded so many at a time, in program order."""

Place = tuple[str, ...]


def folded(nodes: Sequence[Node]) -> list[Node]:
    """One row for each group: the number of its ops as its type, and what they cost together."""
    places = _places(nodes)
    depth = max(map(len, places.values()), default=0)
    while depth > 1 and len({place[:depth] for place in places.values()}) > MAX_ROWS:
        depth -= 1
    rows: dict[Place, Node] = {}
    members: dict[Place, list[Node]] = {}
    for node in nodes:
        members.setdefault(places[node][:depth], []).append(node)
    for place, inside in members.items():
        rows[place] = _row(place, inside)
    for place, inside in members.items():
        read = dict.fromkeys(places[source][:depth] for node in inside for source in node.inputs)
        rows[place].inputs = tuple(rows[source] for source in read if source != place)
    return list(rows.values())


def _row(place: Place, inside: Sequence[Node]) -> Node:
    cost = sum((node.cost for node in inside), start=Cost())
    return Node(place[-1], "", f"{len(inside):,} ops", "", place[:-1], UNKNOWN, cost=cost)


def _places(nodes: Sequence[Node]) -> dict[Node, Place]:
    """Where each row goes: its outermost op's groups; rows without any go by their number."""
    found: dict[Node, Place] = {}
    count = 0
    for node in nodes:
        outer = node
        while outer.parent is not None:
            outer = outer.parent
        if outer.path:
            found[node] = outer.path
        elif node.name in (INPUT, INPUTS):
            found[node] = ("inputs",)
        else:
            found[node] = (f"ops {count // RUN * RUN + 1:,} to {(count // RUN + 1) * RUN:,}",)
            count += 1
    return found
