"""How often each operation runs in one run of a graph, as ``compiler.analysis.cost`` counts it.

So the costs of single operations, each times its runs, add up to the cost of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from compiler.analysis.constants import trip_count
from compiler.analysis.cost import Cost, region_costs, weight
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.walk import walk_regions


class Runs(NamedTuple):
    """How often a region runs.

    Attributes:
        times: so often; 0 in a branch that a dearer one stands for.
        known: whether every loop around it has a trip count that is known.
    """

    times: int
    known: bool = True


def occurrences(graph: Graph) -> dict[Region, Runs]:
    """The runs of each region of a graph.

    A scan's body runs as often as the scan is long, a counting loop's as often as it counts. Where
    a trip count is not known the body counts once. Of a branch's regions the dearest one runs.
    """
    costs = region_costs(graph.body)
    found = {graph.body: Runs(1)}
    for region in walk_regions(graph):
        for op in region:
            for inner in op.regions:
                found[inner] = _inside(op, inner, found[region], costs)
    return found


def _inside(op: Operation, region: Region, outer: Runs, costs: Mapping[Region, Cost]) -> Runs:
    times, known = outer
    if op.name == "cond":
        dearest = max(op.regions, key=lambda one: weight(costs[one]))
        return Runs(times if region is dearest else 0, known)
    if op.name not in ("scan", "while"):
        return outer
    tests = region.name == "cond_jaxpr"
    count = trip_count(op)
    if count is None:
        return Runs(times * (1 + tests), False)
    return Runs(times * (count + tests), known)
