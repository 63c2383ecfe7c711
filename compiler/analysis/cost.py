"""What a graph costs by arithmetic and memory traffic, op by op, as if nothing were fused.

The arithmetic of each op is counted in ``compiler.analysis.flops``; this file adds the bytes and
puts regions together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from compiler.analysis.constants import trip_count
from compiler.analysis.flops import arithmetic_of
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.ir.walk import walk_regions
from compiler.ops.definition import UNKNOWN, lookup
from compiler.ops.indexing import SCATTERS

VIEWS: Final = frozenset(
    {
        "bitcast_convert_type",
        "optimization_barrier",
        "pvary",
        "reshape",
        "squeeze",
        "stop_gradient",
        CONSTANT,
    }
)
"""Ops that move nothing: the result is the operand's (or the executable's) own bytes."""

_READS_WHAT_IT_GIVES: Final = frozenset({"dynamic_slice", "gather", "slice"})
_LOOPS: Final = frozenset({"scan", "while"})


@dataclass(frozen=True, slots=True)
class Cost:
    """Arithmetic and traffic.

    Attributes:
        flops: additions, multiplications, comparisons and the like.
        transcendentals: elements of exp, log, sqrt and the like.
        bytes_read: operand bytes.
        bytes_written: result bytes.
        exact: whether every number is a law and none an estimate.
    """

    flops: int = 0
    transcendentals: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    exact: bool = True

    @property
    def bytes(self) -> int:
        """All traffic."""
        return self.bytes_read + self.bytes_written

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.transcendentals + other.transcendentals,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
            self.exact and other.exact,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            self.flops * times,
            self.transcendentals * times,
            self.bytes_read * times,
            self.bytes_written * times,
            self.exact,
        )

    __rmul__ = __mul__

    def estimated(self) -> Cost:
        """The same cost, marked as an estimate."""
        return self + Cost(exact=False)


def graph_cost(graph: Graph) -> Cost:
    """The cost of one run of the graph."""
    return region_cost(graph.body)


def region_cost(region: Region) -> Cost:
    """The cost of one run of the region."""
    return region_costs(region)[region]


def region_costs(root: Region) -> dict[Region, Cost]:
    """The cost of one run of each region, of the root itself and of all inside it."""
    known: dict[Region, Cost] = {}
    # Inner regions first, so that nesting costs no stack.
    for inner in reversed(list(walk_regions(root))):
        known[inner] = total(_cost_of(op, known) for op in inner)
    return known


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return sum(costs, start=Cost())


def cost_of(op: Operation) -> Cost:
    """The cost of one run of an op, its regions included.

    A loop costs its regions times its trip count, once and inexactly where that is not known; a
    branch costs its most expensive region; any other op with regions runs each of them once.
    """
    return _cost_of(op, {region: region_cost(region) for region in op.regions})


def _cost_of(op: Operation, known: Mapping[Region, Cost]) -> Cost:
    if not op.regions:
        return _leaf_cost(op)
    if op.name in _LOOPS:
        return _loop_cost(op, known)
    inner = [known[region] for region in op.regions]
    if op.name == "cond":
        dearest = max(inner, key=weight)
        return dearest if all(cost == dearest for cost in inner) else dearest.estimated()
    return total(inner) if lookup(op.name) is not UNKNOWN else total(inner).estimated()


def nbytes(value: Value) -> int:
    """The bytes of a value; zero for tokens and references."""
    return value.type.nbytes if isinstance(value.type, ArrayType) else 0


def weight(cost: Cost) -> tuple[int, int]:
    """What branches are compared by: arithmetic first, then traffic."""
    return (cost.flops + cost.transcendentals, cost.bytes)


def _loop_cost(op: Operation, known: Mapping[Region, Cost]) -> Cost:
    count = trip_count(op)
    if op.name == "scan":
        return known[op.region("jaxpr")] * (count or 0)
    body, test = known[op.region("body_jaxpr")], known[op.region("cond_jaxpr")]
    if count is None:
        return (body + test + test).estimated()
    return body * count + test * (count + 1)


def _leaf_cost(op: Operation) -> Cost:
    if op.is_terminator:
        return Cost()
    flops, transcendentals, exact = arithmetic_of(op)
    static = all(
        value.type.is_static
        for value in (*op.operands, *op.results)
        if isinstance(value.type, ArrayType)
    )
    read, written = _traffic(op)
    return Cost(flops, transcendentals, read, written, exact and static)


def _traffic(op: Operation) -> tuple[int, int]:
    """The bytes that an op reads and writes; windows count by their own size, not the array's."""
    if op.name in VIEWS:
        return 0, 0
    operands, written = op.operands, sum(map(nbytes, op.results))
    if op.name in _READS_WHAT_IT_GIVES:
        return written + sum(map(nbytes, operands[1:])), written
    if op.name == "dynamic_update_slice":
        return sum(map(nbytes, operands[1:])), nbytes(operands[1])
    if op.name in SCATTERS:
        _, indices, updates = operands
        touched = nbytes(updates)
        return nbytes(indices) + touched * (1 if op.name == "scatter" else 2), touched
    return sum(map(nbytes, dict.fromkeys(operands))), written
