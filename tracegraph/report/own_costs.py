"""What each op costs by itself over one run of a graph: loops counted, nothing counted twice.

The costs of a graph's ops add up to what ``compiler.analysis.cost.graph_cost`` says of the graph,
so lines, groups and modules may add them up too.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.analysis.constants import trip_count
from compiler.analysis.cost import Cost, cost_of, region_cost
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.walk import walk_regions


def own_costs(graph: Graph) -> dict[Operation, Cost]:
    """The cost of each op without its regions, times the runs of the regions it stands in.

    A loop whose trip count is not known runs once, inexactly; of a branch only the most expensive
    side counts.
    """
    runs: dict[Region, int] = {}
    found: dict[Operation, Cost] = {}
    for region in walk_regions(graph):
        times = runs.setdefault(region, 1)
        for op in region:
            if not op.regions:
                found[op] = cost_of(op) * times
                continue
            found[op] = Cost()
            runs.update((inner, times * count) for inner, count in _runs(op))
    return found


def _runs(op: Operation) -> Iterator[tuple[Region, int]]:
    """How often each region of an op runs when the op does."""
    if op.name == "cond":
        costs = [region_cost(region) for region in op.regions]
        weights = [(c.flops + c.transcendentals, c.bytes) for c in costs]
        dearest = weights.index(max(weights))
        yield from ((region, int(i == dearest)) for i, region in enumerate(op.regions))
        return
    if op.name not in ("scan", "while"):
        yield from ((region, 1) for region in op.regions)
        return
    count = trip_count(op)
    for region in op.regions:
        tests = op.name == "while" and region.name == "cond_jaxpr"
        unknown = 0 if op.name == "scan" else 1
        yield region, (unknown if count is None else count) + tests
