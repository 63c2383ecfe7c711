"""Memory over the schedule of a graph, and what is alive at its peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from compiler.analysis.cost import nbytes
from compiler.analysis.liveness import memory_timeline, peak_memory
from compiler.ir.graph import Graph, Operation, Value
from tracegraph.report.nodes import Node

MAX_POINTS: Final = 2_000
"""Of longer schedules every point shown is the largest of several ops."""

MAX_ALIVE: Final = 200


def memory_rows(graph: Graph, rows: Mapping[Node, int]) -> dict[str, Any]:
    """The bytes alive while each op runs, the peak, and the arrays alive then, largest first.

    Args:
        graph: the optimized graph.
        rows: the numbers of its rows; empty where a report does not show them.
    """
    ops = {node.op: number for node, number in rows.items() if node.op}
    outer = [number for node, number in rows.items() if node.op is None and node.parent is None]
    numbers = dict(zip(graph.parameters, outer, strict=False))
    peak = peak_memory(graph)
    alive = [value for value in sorted(peak.live, key=nbytes, reverse=True) if nbytes(value)]
    return {
        "points": _points(graph, ops),
        "peak": peak.nbytes,
        "op": -1 if peak.op is None else ops.get(peak.op, -1),
        "alive": [_alive(value, ops, numbers) for value in alive[:MAX_ALIVE]],
        "more": max(len(alive) - MAX_ALIVE, 0),
    }


def _points(graph: Graph, numbers: Mapping[Operation, int]) -> list[tuple[int, int]]:
    """Pairs of an op and the bytes alive while it runs, in program order."""
    points = [(numbers.get(op, -1), size) for op, size in memory_timeline(graph)]
    step = -(-len(points) // MAX_POINTS) or 1
    parts = (points[i : i + step] for i in range(0, len(points), step))
    return [max(part, key=lambda point: point[1]) for part in parts]


def _alive(
    value: Value, ops: Mapping[Operation, int], inputs: Mapping[Value, int]
) -> dict[str, Any]:
    producer = value.producer
    number = inputs.get(value, -1) if producer is None else ops.get(producer, -1)
    return {"op": number, "type": str(value.type), "bytes": nbytes(value)}
