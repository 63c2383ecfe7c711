"""Dead code elimination, through regions: dead ops, dead loop carries, dead branch results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import ClassVar

from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.walk import walk
from compiler.ops.definition import is_removable
from compiler.ops.regions import (
    Lane,
    Lanes,
    Narrowing,
    lanes_of,
    narrowing,
)
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter


@dataclass(frozen=True, slots=True)
class DeadCodeElimination(Pass):
    """Drop what no result and no effect depends on.

    A value is live if a graph result, an op that must stay, or a live value needs it. Liveness
    runs backwards through regions, so a carry that only feeds itself is dead. Parameters of the
    graph are its signature and stay. Under a change limit the pass runs whole or not at all.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %unused = sin %x : f32[4]
          %y = cos %x : f32[4]
          return %y
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %y = cos %x : f32[4]
          return %y
        }
    """

    name: ClassVar[str] = "dce"
    keeps_derivatives: ClassVar[bool] = True

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        if not rewriter.may_change():
            return
        if all(not op.regions for op in graph.body):
            _erase_unread(graph.body, rewriter)
            return
        liveness = _Liveness(graph)
        plans = liveness.plans()
        ops = [op for op in _walk_live(graph.body, liveness) if not op.is_terminator]
        for op, plan in plans.items():
            for region, keep in zip(op.regions, plan.outputs, strict=True):
                rewriter.set_operands(region.terminator, list(compress(region.outputs, keep)))
        # Backwards, so that whatever reads a value is gone or cut before what makes it is erased.
        for op in reversed(ops):
            if op not in liveness.ops:
                rewriter.erase(op)
            elif op in plans:
                _cut(op, plans[op], rewriter)


def _erase_unread(region: Region, rewriter: Rewriter) -> None:
    """Without regions an op is dead if nobody reads it, those that are gone not counted."""
    for op in reversed(region):
        if not op.has_uses and not op.is_terminator and is_removable(op):
            rewriter.erase(op)


def _cut(op: Operation, plan: Narrowing, rewriter: Rewriter) -> None:
    """Drops the dead parameters, operands and results of a region op."""
    for region, keep in zip(op.regions, plan.parameters, strict=True):
        rewriter.remove_parameters(region, keep)
    rewriter.rebuild(op, plan.operands, plan.results, plan.attributes)


class _Liveness:
    """Which values and ops of a graph are needed: one walk back over every edge."""

    def __init__(self, graph: Graph) -> None:
        self.values: set[Value] = set()
        self.ops: set[Operation] = set()
        self._lanes: dict[Operation, Lanes] = {}
        self._arrivals: dict[Value, tuple[Operation, Lane]] = {}
        self._pending: list[Value] = []
        self._enter(graph)
        self._mark(graph.outputs)
        while self._pending:
            self._visit(self._pending.pop())

    def plans(self) -> dict[Operation, Narrowing]:
        """What is to be left of each live region op that has dead lanes."""
        plans: dict[Operation, Narrowing] = {}
        for op, found in self._lanes.items():
            needed = [self._is_needed(op, lane) for lane in found.lanes]
            if op in self.ops and not all(needed):
                plans[op] = narrowing(op, found.lanes, needed)
        return plans

    def _is_needed(self, op: Operation, lane: Lane) -> bool:
        return any(value in self.values for value in lane.arrivals(op))

    def _enter(self, graph: Graph) -> None:
        """Notes the lanes of every region op, and takes the ops that must stay as live."""
        for op in walk(graph):
            found = lanes_of(op)
            if found is not None:
                self._lanes[op] = found
                for lane in found.lanes:
                    self._arrivals.update((value, (op, lane)) for value in lane.arrivals(op))
        for op in walk(graph):
            if not op.is_terminator and not is_removable(op):
                self._use(op)

    def _mark(self, values: Sequence[Value]) -> None:
        fresh = [value for value in values if value not in self.values]
        self.values.update(fresh)
        self._pending += fresh

    def _visit(self, value: Value) -> None:
        if value in self._arrivals:
            op, lane = self._arrivals[value]
            self._mark(lane.sources(op, value))
        if value.producer is not None:
            self._use(value.producer)

    def _use(self, op: Operation) -> None:
        if op in self.ops:
            return
        self.ops.add(op)
        found = self._lanes.get(op)
        if found is not None:
            self._mark(found.controls)
            return
        self._mark(op.operands)
        for region in op.regions:
            self._mark(region.outputs)


def _walk_live(region: Region, liveness: _Liveness) -> Iterator[Operation]:
    """Every op, outer before inner, not looking inside dead ones: they go as a whole."""
    stack = [region]
    while stack:
        for op in stack.pop():
            yield op
            if op in liveness.ops:
                stack.extend(op.regions)
