"""Runs a pipeline over a clone of a graph and reports on every pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from compiler.ir.graph import Graph
from compiler.ir.walk import clone, count_ops
from compiler.passes.base import Pass
from compiler.passes.instruments import Event, Instrument, Limit
from compiler.passes.pipeline import Pipeline, Repeat
from compiler.rewrite.log import RewriteLog, RuleFailure
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
        log: which rules fired, nearly fired and failed.
    """

    title: str
    changes: int
    ops_before: int
    ops_after: int
    milliseconds: float
    log: RewriteLog = field(default_factory=RewriteLog, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A pass or a rule that raised and was left out.

    Attributes:
        name: what it is and what it is called: ``the pass cse``, ``the rule slice-of-dot``.
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

    A pass that raises is left out from there on: the passes before it run again on a fresh clone
    (they are deterministic, so nothing has to be saved up front) and the pipeline goes on behind
    it.

    Args:
        pipeline: what to run.
        instruments: told before and after each pass, and when one fails.
        first: the number of the first step, where others have run before.
    """

    def __init__(
        self, pipeline: Pipeline, instruments: Sequence[Instrument] = (), *, first: int = 1
    ) -> None:
        self.pipeline = pipeline
        self.instruments = tuple(instruments)
        self.first = first

    def run(self, graph: Graph) -> Result:
        """Optimises a clone of the graph and returns it frozen; the graph itself is not touched."""
        return self.run_in_place(clone(graph), lambda: clone(graph))

    def run_in_place(self, graph: Graph, again: Callable[[], Graph]) -> Result:
        """Optimises the graph itself and returns it frozen.

        Args:
            graph: what to optimise; not to be used afterwards if a pass failed.
            again: makes the same graph anew, for the attempt without a pass that failed.
        """
        errors: dict[str, Exception] = {}
        while True:
            run = _Run(self, graph, errors)
            failed = run.execute()
            if failed is None:
                run.result.graph.freeze()
                return run.result
            errors[failed[0]] = failed[1]
            graph = again()


class _Step(NamedTuple):
    """A pass at its place: its title, and itself with all that follows."""

    title: str
    run: Pass
    rest: Pipeline


class _Run:
    """One attempt at a pipeline.

    Args:
        manager: whose pipeline it is.
        graph: what to optimise, in place.
        errors: what earlier attempts met, by the title of the step; these steps, and later ones of
            the same pass, are left out.

    Attributes:
        total: how many changes were made so far.
        settled: of each pass that would change nothing now, the total after its last run.
    """

    def __init__(self, manager: PassManager, graph: Graph, errors: Mapping[str, Exception]) -> None:
        self.manager = manager
        self.errors = errors
        self.left_out: set[Pass] = set()
        self.result = Result(graph)
        self.limit = next((i for i in manager.instruments if isinstance(i, Limit)), None)
        self.ops = count_ops(graph)
        self.total = 0
        self.settled: dict[Pass, int] = {}

    def execute(self) -> tuple[str, Exception] | None:
        """Runs all that is not left out; returns the title and error of the first new failure."""
        for instrument in self.manager.instruments:
            instrument.start()
        for step in self._steps(self.manager.pipeline, "", (), self.manager.first):
            if step.title in self.errors:
                self._report(step, self.errors[step.title])
            if step.run in self.left_out:
                continue
            error = self._step(step)
            if error is not None:
                return step.title, error
        return None

    def _report(self, step: _Step, error: Exception) -> None:
        """Tells the instruments of a failure, now that the graph from before it is here."""
        event = Event(step.title, self.result.graph, step.rest)
        path: Path | None = None
        for instrument in self.manager.instruments:
            path = instrument.failed(event, error) or path
        self.left_out.add(step.run)
        self.result.failures.append(Failure(f"the pass {step.run}", error, path))

    def _steps(
        self, pipeline: Pipeline, prefix: str, tail: tuple[Pass | Repeat, ...], first: int = 1
    ) -> Iterator[_Step]:
        for index, item in enumerate(pipeline.steps):
            after = (*pipeline.steps[index + 1 :], *tail)
            if isinstance(item, Pass):
                rest = Pipeline((item, *after))
                yield _Step(f"{prefix}{first + index} {item}", item, rest)
            else:
                yield from self._repeat(item, f"{prefix}{first + index}.", after)

    def _repeat(
        self, repeat: Repeat, prefix: str, tail: tuple[Pass | Repeat, ...]
    ) -> Iterator[_Step]:
        for iteration in range(1, repeat.max + 1):
            left = repeat.max - iteration
            again = (Repeat(repeat.body, left),) if left else ()
            before = self.total
            yield from self._steps(repeat.body, f"{prefix}{iteration}.", (*again, *tail))
            if self.total == before:
                return

    def _step(self, step: _Step) -> Exception | None:
        event = Event(step.title, self.result.graph, step.rest)
        for instrument in self.manager.instruments:
            instrument.before(event)
        rewriter = Rewriter(event.graph, step.run.name, limit=self._room())
        start = time.perf_counter()
        try:
            if self.settled.get(step.run) != self.total:
                step.run.run(event.graph, rewriter)
            milliseconds = (time.perf_counter() - start) * 1e3
            done = event._replace(changes=rewriter.changes, last=rewriter.last)
            self._after(done, milliseconds, rewriter.log)
            if step.run.idempotent:
                self.settled[step.run] = self.total
        except Exception as error:  # whatever a pass raises, the user's call goes on without it
            return error
        return None

    def _after(self, event: Event, milliseconds: float, log: RewriteLog) -> None:
        before = self.ops
        self.total += event.changes
        self.ops = count_ops(event.graph) if event.changes else before
        run = PassRun(event.title, event.changes, before, self.ops, milliseconds, log)
        self.result.runs.append(run)
        for instrument in self.manager.instruments:
            instrument.after(event)
        for failure in log.failures:
            self._report_rule(event, failure)

    def _report_rule(self, event: Event, failure: RuleFailure) -> None:
        """Tells of a rule that the pass left out, once for each rule; the pass itself went on."""
        name = f"the rule {failure.rule}"
        if any(known.name == name for known in self.result.failures):
            return
        path: Path | None = None
        for instrument in self.manager.instruments:
            path = instrument.failed(event, failure.error) or path
        self.result.failures.append(Failure(name, failure.error, path))

    def _room(self) -> int | None:
        return None if self.limit is None else max(0, self.limit.changes - self.total)
