"""Runs a pipeline over a clone of a graph and reports on every pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compiler.ir.graph import Graph
from compiler.ir.walk import clone, count_ops
from compiler.passes.base import Pass
from compiler.passes.instruments import Instrument, Limit
from compiler.passes.pipeline import Pipeline, Repeat
from compiler.rewrite.rewriter import Rewriter


@dataclass(frozen=True, slots=True)
class PassRun:
    """One run of one pass.

    Attributes:
        title: its place in the pipeline and its text, for example ``3.2.1 cse``.
        changes: how many changes the rewriter counted.
        ops_before: operations before it ran, nested ones included, constants not.
        ops_after: the same after it.
        milliseconds: its time, instruments not included.
    """

    title: str
    changes: int
    ops_before: int
    ops_after: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A pass that raised and was left out.

    Attributes:
        name: its text.
        error: what it raised.
        reproducer: the file that runs it again, if one was written.
    """

    name: str
    error: Exception
    reproducer: Path | None = None


@dataclass(slots=True)
class Result:
    """What came of a pipeline: the frozen graph, a record per pass run, and the failures."""

    graph: Graph
    runs: list[PassRun] = field(default_factory=list[PassRun])
    failures: list[Failure] = field(default_factory=list[Failure])


class PassManager:
    """Runs one pipeline.

    A pass that raises is left out: the passes before it run again on a fresh clone (they are
    deterministic, so nothing has to be saved up front) and the pipeline goes on behind it.

    Args:
        pipeline: what to run.
        instruments: told before and after each pass, and when one fails.
    """

    def __init__(self, pipeline: Pipeline, instruments: Sequence[Instrument] = ()) -> None:
        self.pipeline = pipeline
        self.instruments = tuple(instruments)

    def run(self, graph: Graph) -> Result:
        """Optimises a clone of the graph and returns it frozen; the graph itself is not touched."""
        errors: dict[str, Exception] = {}
        while True:
            run = _Run(self, graph, errors)
            failed = run.execute()
            if failed is None:
                run.result.graph.freeze()
                return run.result
            errors[failed[0]] = failed[1]


class _Run:
    """One attempt at a pipeline; the passes that failed in earlier attempts are left out."""

    def __init__(self, manager: PassManager, graph: Graph, errors: Mapping[str, Exception]) -> None:
        self.manager = manager
        self.unreported = dict(errors)
        self.skipped = frozenset(errors)
        self.result = Result(clone(graph))
        self.limit = next((i for i in manager.instruments if isinstance(i, Limit)), None)
        self.ops = count_ops(graph)
        self.total = 0

    def execute(self) -> tuple[str, Exception] | None:
        """Runs everything that is not left out; returns the first pass that raised, and what."""
        for instrument in self.manager.instruments:
            instrument.start(self.result.graph)
        for title, step in self._steps(self.manager.pipeline, ""):
            if str(step) in self.skipped:
                self._report(step)
                continue
            error = self._step(title, step)
            if error is not None:
                return str(step), error
        return None

    def _report(self, step: Pass) -> None:
        """Tells the instruments of a failure, now that the graph from before it is here."""
        error = self.unreported.pop(str(step), None)
        if error is None:
            return
        path: Path | None = None
        for instrument in self.manager.instruments:
            path = instrument.failed(step, self.result.graph, error) or path
        self.result.failures.append(Failure(str(step), error, path))

    def _steps(self, pipeline: Pipeline, prefix: str) -> Iterator[tuple[str, Pass]]:
        for number, step in enumerate(pipeline.steps, 1):
            if isinstance(step, Pass):
                yield f"{prefix}{number} {step}", step
                continue
            yield from self._repeat(step, f"{prefix}{number}.")

    def _repeat(self, repeat: Repeat, prefix: str) -> Iterator[tuple[str, Pass]]:
        for iteration in range(1, repeat.max + 1):
            before = self.total
            yield from self._steps(repeat.body, f"{prefix}{iteration}.")
            if self.total == before:
                return

    def _step(self, title: str, step: Pass) -> Exception | None:
        graph = self.result.graph
        for instrument in self.manager.instruments:
            instrument.before(title, graph)
        rewriter = Rewriter(graph, step.name, limit=self._room())
        start = time.perf_counter()
        try:
            step.run(graph, rewriter)
            milliseconds = (time.perf_counter() - start) * 1e3
            self._after(title, rewriter, milliseconds)
        except Exception as error:  # whatever a pass raises, the user's call goes on without it
            return error
        return None

    def _after(self, title: str, rewriter: Rewriter, milliseconds: float) -> None:
        changes, graph, before = rewriter.changes, self.result.graph, self.ops
        self.total += changes
        self.ops = count_ops(graph) if changes else before
        self.result.runs.append(PassRun(title, changes, before, self.ops, milliseconds))
        for instrument in self.manager.instruments:
            instrument.after(title, graph, changes)

    def _room(self) -> int | None:
        return None if self.limit is None else max(0, self.limit.changes - self.total)
