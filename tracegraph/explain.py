"""Explains one signature of a function: what fired, what it was worth, and what more there is.

Worth is by the cost model for rules, and by measurement for kernels. What a freer level would add
is found by running the pipeline at that level, on the captured graph.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from compiler.analysis.cost import graph_cost
from compiler.ir.graph import Graph
from compiler.ir.locations import Frame, Location
from compiler.ir.walk import count_ops
from compiler.lowering.code_generator import Option
from compiler.lowering.kernels import KERNELS
from compiler.passes.configure import configured
from compiler.passes.lower_platform import LowerPlatform
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from compiler.passes.rewrite import Rewrite
from compiler.passes.spread import SpreadDots
from compiler.passes.tile import TileRows
from compiler.rewrite.driver import score
from compiler.rewrite.log import Firing, NearMiss
from compiler.rewrite.numerics import Numerics, level_name, parse_level
from tracegraph.advice import advice, compiling, description
from tracegraph.costs.report import cost_report
from tracegraph.explanation import Explanation, Fired, NextLevel
from tracegraph.laws import laws_of
from tracegraph.program import Program, Times

MISSES: Final = 3
"""So many near misses are named: those that came furthest."""


HEAVIEST: Final = 5


class _Place(NamedTuple):
    """Firings that belong in one row: of one rule, at one line."""

    rule: str
    line: Frame | Location


def explain_program(
    program: Program | _Read,
    pipeline: Pipeline,
    tuned: str = "",
    donated: str = "",
    told: Sequence[Option] = (),
) -> Explanation:
    """What the passes made of a program.

    Args:
        program: the program of one signature.
        pipeline: the passes that it was made by.
        tuned: what was chosen by measurement, in words.
        donated: which arguments are given away because the function replaces them, in words.
        told: what XLA is told of the program.
    """
    plain = _without_kernels(pipeline)
    level = _level_of(pipeline)
    now = _run(program.captured, plain)
    before, after = graph_cost(program.captured), graph_cost(now.graph)
    firings = list(program.rewrites)
    fired = _fired(firings, laws_of(pipeline))
    costs = cost_report(now.graph)
    return Explanation(
        program.captured.name,
        level,
        (count_ops(program.captured), count_ops(now.graph)),
        before,
        after,
        fired,
        tuple(_next_level(program.captured, plain, above, firings) for above in _above(level)),
        tuple(map(str, _nearest(program, firings))),
        score(before),
        tuned,
        description(program.captured, costs),
        costs.lines[:HEAVIEST],
        advice(program.captured),
        compiling(program.times, program.unmarked.runs, count_ops(program.captured)),
        donated,
        ", ".join(f"{name}={value!r}" for name, value in told),
    )


def explain_graph(graph: Graph, numerics: str | None = None) -> Explanation:
    """What the default pipeline makes of a graph that was not captured here.

    Raises:
        TracegraphError: there is no such level.
    """
    pipeline = parse_pipeline(DEFAULT_PIPELINE)
    if numerics is not None:
        pipeline = configured(pipeline, numerics=numerics)
    start = time.perf_counter()
    result = _run(graph, pipeline)
    times = Times(0.0, (time.perf_counter() - start) * 1e3, 0.0)
    return explain_program(_Read(graph, result, times), pipeline)


@dataclass(frozen=True, slots=True)
class _Read:
    """A graph that was read from a file and optimised, as a program that can be explained."""

    captured: Graph
    unmarked: Result
    times: Times

    @property
    def rewrites(self) -> Sequence[Firing]:
        return [firing for run in self.unmarked.runs for firing in run.log.firings]


def _run(graph: Graph, pipeline: Pipeline) -> Result:
    return PassManager(pipeline).run(graph)


def _above(level: Numerics) -> Sequence[Numerics]:
    return [other for other in Numerics if other > level]


def _next_level(
    captured: Graph, pipeline: Pipeline, level: Numerics, firings: Sequence[Firing]
) -> NextLevel:
    freer = configured(pipeline, numerics=level_name(level))
    result = _run(captured, freer)
    known = {firing.rule for firing in firings}
    new = [f for run in result.runs for f in run.log.firings if f.rule not in known]
    fired = _fired(new, laws_of(pipeline))
    return NextLevel(level, fired, graph_cost(result.graph).flops)


def _fired(firings: Sequence[Firing], laws: dict[str, str]) -> tuple[Fired, ...]:
    """One row for each rule and line, the most valuable first; kernels come first of all."""
    rows: dict[_Place, list[Firing]] = {}
    for firing in firings:
        line = firing.location.frame or firing.location
        rows.setdefault(_Place(firing.rule, line), []).append(firing)
    found = [_row(same, laws) for same in rows.values()]
    return tuple(sorted(found, key=lambda row: (not row.kernel, -row.saved)))


def _row(firings: Sequence[Firing], laws: dict[str, str]) -> Fired:
    first, times = firings[0], len(firings)
    rule, numerics, location = first.rule, first.numerics, first.location
    kernel = KERNELS.get(rule)
    if kernel is not None:
        ratios = [evidence.ratio for evidence in kernel.evidence]
        span = (min(ratios), max(ratios))
        return Fired(kernel.name, kernel.law, numerics, location, times, 0, kernel.platforms, span)
    saved = sum(firing.before - firing.after for firing in firings)
    return Fired(rule, laws.get(rule, ""), numerics, location, times, saved)


_CHOSEN: Final = "is_not_chosen_yet"
"""The guard that keeps kernels off what a kernel has made: that is near to nothing."""


def _nearest(program: Program | _Read, firings: Sequence[Firing]) -> list[NearMiss]:
    known = {firing.rule for firing in firings}
    misses: dict[str, NearMiss] = {}
    for run in program.unmarked.runs:
        for name, miss in run.log.near_misses.items():
            is_nearer = name not in misses or miss.progress > misses[name].progress
            if name not in known and is_nearer and miss.miss.guard != _CHOSEN:
                misses[name] = miss
    return sorted(misses.values(), key=lambda miss: -miss.progress)[:MISSES]


_LEVELLED: Final = (Rewrite, LowerPlatform, SpreadDots, TileRows)


def _level_of(pipeline: Pipeline) -> Numerics:
    """The freest level that a pass of the pipeline admits."""
    steps = [step for step in pipeline.passes() if isinstance(step, _LEVELLED)]
    return max((parse_level(step.numerics) for step in steps), default=Numerics.EXACT)


def _without_kernels(pipeline: Pipeline) -> Pipeline:
    """The passes that decide what is computed: neither kernels nor marks."""
    kept = [
        s
        for s in pipeline.split()[0].steps
        if not isinstance(s, LowerPlatform | SpreadDots | TileRows)
    ]
    return Pipeline(tuple(kept))
