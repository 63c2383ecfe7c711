"""Shrinks a graph that shows a failure, by delta debugging.

A candidate is the graph with something taken away: results, ops in bulk and one by one, the op
around a region, dead code, unused parameters. It is kept if it is smaller, well formed, and still
fails in the same way; what that way is, the caller says. Candidates compute something else than the
graph did: only the failure is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from compiler.ir.graph import Graph
from compiler.ir.verifier import verify
from compiler.ir.walk import clone, walk
from compiler.lowering.reductions import (
    Edit,
    drop_dead_code,
    drop_ops,
    drop_results,
    drop_unused_parameters,
    free_result,
    fresh,
    op_count,
    region_count,
    result_count,
    return_early,
    return_region,
    reuse,
    shared_count,
    take_region,
    top_count,
)
from compiler.rewrite.rewriter import Rewriter

RULE: Final = "reduce"

Fails = Callable[[Graph], bool]
"""Whether a graph fails in the way that is looked for."""


class Size(NamedTuple):
    """What is made smaller, the most important first."""

    ops: int
    slots: int

    def __str__(self) -> str:
        return f"{self.ops} operations"


class Progress(NamedTuple):
    """How far a reduction has come.

    Attributes:
        size: of the smallest graph so far.
        tried: how many candidates were run.
        kept: how many of them failed in the same way.
        seconds: since it began.
    """

    size: Size
    tried: int
    kept: int
    seconds: float


def reduce_graph(
    graph: Graph,
    fails: Fails,
    *,
    max_seconds: float = float("inf"),
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Graph, Progress]:
    """The smallest graph found that still fails, and how it was found.

    Args:
        graph: a graph that fails.
        fails: whether a graph fails in the same way; may raise, which means no.
        max_seconds: no candidate is begun after this many seconds.
        progress: told of every smaller graph.
    """
    reduction = _Reduction(graph, fails, max_seconds, progress)
    reduction.run()
    return reduction.best, reduction.progress


def size_of(graph: Graph) -> Size:
    """The number of ops, nested ones and constants included, and of everything that they read."""
    ops = [op for op in walk(graph) if not op.is_terminator]
    slots = sum(len(op.operands) + len(op.results) for op in walk(graph))
    return Size(len(ops), slots + len(graph.parameters))


class _Reduction:
    """One search: the smallest graph so far, and the clock."""

    def __init__(
        self,
        graph: Graph,
        fails: Fails,
        max_seconds: float,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.best = graph
        self._fails = fails
        self._start = time.monotonic()
        self._max_seconds = max_seconds
        self._report = report
        self._tried = self._kept = 0
        self._size = size_of(graph)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(self._size, self._tried, self._kept, time.monotonic() - self._start)

    def run(self) -> None:
        """Takes away what it can until nothing more goes, or time is up."""
        before = None
        while before != self._size and not self._is_late():
            before = self._size
            self._attempt(drop_dead_code)
            self._in_bulk(result_count, drop_results)
            self._one_by_one(top_count, return_early)
            self._one_by_one(region_count, return_region)
            for stand_in in (reuse, fresh):
                self._in_bulk(op_count, lambda places, s=stand_in: drop_ops(places, s))
                self._one_by_one(region_count, lambda place, s=stand_in: take_region(place, s))
                self._one_by_one(shared_count, lambda place, s=stand_in: free_result(place, s))
            self._attempt(drop_unused_parameters)

    def _in_bulk(
        self, count: Callable[[Graph], int], edit: Callable[[Sequence[int]], Edit]
    ) -> None:
        """Tries to take away halves, quarters and so on, down to single things, the last first."""
        length = count(self.best)
        while length:
            stop = count(self.best)
            while stop > 0 and not self._is_late():
                self._attempt(edit(range(max(0, stop - length), stop)))
                stop = min(stop - length, count(self.best))
            length //= 2

    def _one_by_one(self, count: Callable[[Graph], int], edit: Callable[[int], Edit]) -> None:
        place = count(self.best) - 1
        while place >= 0 and not self._is_late():
            self._attempt(edit(place))
            place = min(place - 1, count(self.best) - 1)

    def _attempt(self, edit: Edit) -> None:
        candidate = _edited(self.best, edit)
        if candidate is None or self._is_late():
            return
        size = size_of(candidate)
        if size >= self._size:
            return
        self._tried += 1
        try:
            still_fails = self._fails(candidate)
        except Exception:  # it fails in another way
            still_fails = False
        if still_fails:
            self._kept += 1
            self.best, self._size = candidate, size
            if self._report is not None:
                self._report(self.progress)

    def _is_late(self) -> bool:
        return time.monotonic() - self._start > self._max_seconds


def _edited(graph: Graph, edit: Edit) -> Graph | None:
    """A changed copy; None if it cannot be made or is not well formed."""
    copy = clone(graph)
    try:
        edit(copy, Rewriter(copy, RULE))
        verify(copy)
    except Exception:  # the failure that is looked for may be in what is used here
        return None
    return copy
