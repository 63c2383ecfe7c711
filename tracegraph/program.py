"""One signature of a function: its captured graph, its optimized graph, and the way between."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.code_generator import Option, xla_options
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.heaps import heap_options
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.instruments import Event, Instrument, Limit, Reproducer, Snapshots, Verify
from compiler.passes.lower_platform import LowerPlatform
from compiler.passes.manager import PassManager, PassRun, Result
from compiler.passes.pipeline import Pipeline
from compiler.rewrite.log import Firing
from compiler.rewrite.numerics import Numerics, parse_level
from tracegraph import config
from tracegraph.collector import paused_collector
from tracegraph.userlines import user_level


class OptimizationWarning(UserWarning):
    """An optimisation failed; the call still got its answer, from the graph before that pass."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The graph after one pass that changed it.

    Attributes:
        name: the pass, with its place in the pipeline.
        graph: the frozen graph.
    """

    name: str
    graph: Graph


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds spent between the finished jaxpr and the finished jaxpr."""

    importing: float
    passes: float
    exporting: float


class Program:
    """A traced signature, optimised once.

    Args:
        traced: the plain function's trace, as ``jax.jit(f).trace`` gives it.
        jaxpr: its closed jaxpr, without high-level primitives.
        pipeline: the passes to run.
        donated: which inputs are given away; empty for what the trace says.

    Attributes:
        pipeline: the passes that run.
        unmarked: the frozen graph that is exported, and the passes that made it.
        jaxpr: the optimized graph as a closed jaxpr; the user's own jaxpr if optimisation failed.
        times: where the milliseconds went.
        dumped: the folder it was dumped to, if it was.
    """

    def __init__(
        self, traced: Any, jaxpr: Any, pipeline: Pipeline, donated: Sequence[bool] = ()
    ) -> None:
        self.pipeline = pipeline
        self._donated = donated or jax_compat.donated_inputs(traced)
        self._computing, self._marking = pipeline.split()
        self.dumped: Path | None = None
        with paused_collector():
            self._optimize(traced, jaxpr)

    def _optimize(self, traced: Any, jaxpr: Any) -> None:
        start = time.perf_counter()
        self._capture = partial(import_jaxpr, jaxpr, name=traced.fun_name, donated=self._donated)
        graph = self._capture()
        imported = time.perf_counter()
        manager = PassManager(self._computing, _watched_by(_reproducer()))
        self.unmarked: Result = manager.run_in_place(graph, self._capture)
        _warn(self.unmarked)
        optimized = time.perf_counter()
        self.jaxpr: Any = _checked(export_jaxpr(self.unmarked.graph), jaxpr)
        done = time.perf_counter()
        self.times = Times(
            (imported - start) * 1e3, (optimized - imported) * 1e3, (done - optimized) * 1e3
        )

    @property
    def optimized(self) -> Graph:
        """The frozen graph after all passes."""
        return self._marked.graph

    @property
    def runs(self) -> Sequence[PassRun]:
        """One record per pass, in order."""
        return self._marked.runs

    @cached_property
    def _marked(self) -> Result:
        """All passes: the marks that none but a reader sees are made when somebody looks."""
        if not self._marking.steps:
            return self.unmarked
        first = len(self._computing.steps) + 1
        manager = PassManager(self._marking, _watched_by(_reproducer()), first=first)
        with paused_collector():
            found = manager.run(self.unmarked.graph)
        _warn(found)
        before = self.unmarked
        return Result(found.graph, [*before.runs, *found.runs], [*before.failures, *found.failures])

    @cached_property
    def code_options(self) -> tuple[Option, ...]:
        """What XLA is told of the program on the CPU, so that it compiles sooner."""
        levels = [s.numerics for s in self.pipeline.passes() if isinstance(s, LowerPlatform)]
        if not any(parse_level(level) >= Numerics.ROUNDING for level in levels):
            return ()
        try:
            return xla_options(self.unmarked.graph, {one.rule for one in self.rewrites})
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed("choosing XLA's code generator", error)
            return ()

    @cached_property
    def heap_options(self) -> tuple[Option, ...]:
        """What XLA is told of the program on the CPU, so that memory is used again."""
        try:
            return heap_options(self.unmarked.graph)
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed("choosing blocks of memory", error)
            return ()

    @cached_property
    def captured(self) -> Graph:
        """The frozen graph of the user's function, which few ask for: made when somebody does."""
        with paused_collector():
            return self._capture().freeze()

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The graph after every pass that changed it, found by running the passes once more."""
        snapshots = Snapshots()
        self._run(snapshots)
        return tuple(Stage(name, graph) for name, graph in snapshots.stages)

    @property
    def rewrites(self) -> Sequence[Firing]:
        """The rules that fired, in order."""
        return [firing for run in self.unmarked.runs for firing in run.log.firings]

    def prefix(self, changes: int) -> tuple[Graph, Event | None]:
        """The graph after the first changes of the pipeline, and the last pass that made one."""
        limit = Limit(changes)
        return self._run(limit).graph, limit.last

    def _run(self, instrument: Instrument) -> Result:
        """Runs all passes on the captured graph."""
        manager = PassManager(self.pipeline, _watched_by(instrument))
        return manager.run_in_place(self._capture(), self._capture)


def _watched_by(instrument: Instrument) -> tuple[Instrument, ...]:
    verify: tuple[Instrument, ...] = (Verify(),) if config.verify_each() else ()
    return (*verify, instrument)


def _reproducer() -> Instrument:
    directory = config.dump_directory()
    with suppress(OSError):
        return Reproducer(config.expanded(directory) if directory else None)
    return Reproducer()


def _warn(result: Result) -> None:
    for failure in result.failures:
        warn_failed(failure.name, failure.error, failure.reproducer)


def warn_failed(what: str, error: BaseException, reproducer: object = None) -> None:
    """One warning, at the user's own line, for something that failed and was left out.

    Args:
        what: what was tried, such as ``the pass cse``.
        error: what it raised.
        reproducer: a file that shows it again, if there is one.
    """
    again = f" To see it again: tracegraph opt {reproducer}" if reproducer else ""
    warnings.warn(
        f"{what} failed and was left out; the result is right, but not optimised as far as it "
        f"could be. The reason: {type(error).__name__}: {error}.{again}",
        OptimizationWarning,
        stacklevel=user_level(),
    )


def _checked(jaxpr: Any, original: Any) -> Any:
    """The jaxpr, if it returns exactly the types that the original returns."""
    found, expected = list(jaxpr.out_avals), list(original.out_avals)
    if found == expected:
        return jaxpr
    raise TracegraphError(
        "the optimized graph returns other types than the function",
        expected=", ".join(map(str, expected)),
        found=", ".join(map(str, found)),
        hint="report the function; until then its plain form is used",
    )
