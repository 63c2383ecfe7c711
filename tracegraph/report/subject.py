"""What a report is about: the stages of a graph, the passes between, and how to compile it."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import jax

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.passes.instruments import Snapshots
from compiler.passes.manager import PassManager, PassRun
from compiler.passes.pipeline import Pipeline
from tracegraph.laws import laws_of
from tracegraph.program import Stage
from tracegraph.trace import Trace

CAPTURED = "captured"


@dataclass(frozen=True, slots=True)
class Subject:
    """One graph before and after its passes.

    Attributes:
        name: the function's name.
        stages: the captured graph, then the graph after each pass that changed it.
        runs: one record per pass.
        compiled: gives the text of the module that XLA makes of it.
        laws: what each rule that may fire says, by its name.
        file: the file to show first; empty where that is not known.
    """

    name: str
    stages: Sequence[Stage]
    runs: Sequence[PassRun]
    compiled: Callable[[], str]
    laws: Mapping[str, str] = field(default_factory=dict[str, str])
    file: str = ""

    @property
    def optimized(self) -> Graph:
        """The graph after all passes."""
        return self.stages[-1].graph


def trace_subject(trace: Trace, file: str = "") -> Subject:
    """The subject of a function traced for one signature."""
    between = [*trace.stages]
    last = Stage(between.pop().name if between else CAPTURED, trace.optimized)
    first = [Stage(CAPTURED, trace.captured)] if trace.stages else []
    return Subject(
        trace.optimized.name,
        (*first, *between, last),
        trace.passes,
        lambda: str(trace.lower().compile().as_text()),
        laws_of(trace.program.pipeline),
        file,
    )


def graph_subject(graph: Graph, pipeline: Pipeline) -> Subject:
    """The subject of a graph on which a pipeline runs."""
    snapshots = Snapshots()
    result = PassManager(pipeline, (snapshots,)).run(graph)
    between = [Stage(name, after) for name, after in snapshots.stages[:-1]]
    last = [Stage(snapshots.stages[-1][0], result.graph)] if snapshots.stages else []
    stages = (Stage(CAPTURED, graph), *between, *last)
    laws = laws_of(pipeline)
    return Subject(graph.name, stages, result.runs, lambda: _compiled(result.graph), laws)


def _compiled(graph: Graph) -> str:
    jaxpr = export_jaxpr(graph)
    run = jax_compat.jaxpr_function(jaxpr)
    types = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in jaxpr.in_avals]
    return str(jax.jit(run).lower(*types).compile().as_text())
