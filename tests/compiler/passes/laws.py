"""The laws of passes as an instrument: they are checked after every pass of a pipeline."""

from __future__ import annotations

from compiler.ir import Graph, clone, print_graph, walk
from compiler.lowering.check_types import check_types
from compiler.passes.base import Pass
from compiler.passes.instruments import Event, Instrument, OrderedEffects, Verify
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import Pipeline
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.running import signature


class Laws(Instrument):
    """Raises where a pass breaks one.

    The signature stays; an op whose line is known keeps one, and so does every op made from it;
    types are those that JAX gives; no changes mean the same text; and a pass that is declared
    idempotent changes nothing when it runs again.
    """

    def before(self, event: Event) -> None:
        self.text = print_graph(event.graph, locations=True)
        self.signature = signature(event.graph)
        self.nameless = nameless(event.graph)

    def after(self, event: Event) -> None:
        assert signature(event.graph) == self.signature, "the signature changed"
        assert self.nameless or not nameless(event.graph), "an op lost its line"
        if not event.changes:
            text = print_graph(event.graph, locations=True)
            assert text == self.text, "something changed that was not counted"
        check_types(event.graph)
        (step, *_) = event.rest.steps
        assert isinstance(step, Pass)
        if step.idempotent:
            again = changes_of(step, event.graph)
            assert not again, f"a second run of {step} made {again} changes"


def nameless(graph: Graph) -> list[str]:
    """The ops that no line stands behind; constants and terminators have none in any graph."""
    ops = (op for op in walk(graph) if not op.is_terminator and op.name != "constant")
    return [op.name for op in ops if not op.location.frames]


def changes_of(step: Pass, graph: Graph) -> int:
    """How many changes the pass makes to a copy of the graph."""
    rewriter = Rewriter(clone(graph), step.name)
    step.run(rewriter.graph, rewriter)
    return rewriter.changes


def run_lawfully(pipeline: Pipeline, graph: Graph) -> Result:
    """What the pipeline makes of a graph; fails where a pass raises or breaks a law."""
    result = PassManager(pipeline, (Verify(), OrderedEffects(), Laws())).run(graph)
    for failure in result.failures:
        raise failure.error
    return result
