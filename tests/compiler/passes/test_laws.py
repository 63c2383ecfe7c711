"""The laws that hold for every pass, on a program for every operation of JAX that tests know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import pytest

from compiler.ir import Graph, mutate
from compiler.ir.locations import UNKNOWN
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.base import Pass
from compiler.passes.effect_order import OrderedEffect, is_kept
from compiler.passes.instruments import OrderedEffects, Verify
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from compiler.passes.registry import passes
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.laws import run_lawfully
from tests.differential.all_operations import OPERATIONS


def graph_of(name: str) -> Graph:
    function, arguments = OPERATIONS[name]
    return import_jaxpr(jax.make_jaxpr(function)(*arguments))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_pass_keeps_the_laws(name: str) -> None:
    before = graph_of(name)
    for cls in passes().values():
        run_lawfully(Pipeline((cls(),)), before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_default_pipeline_reaches_a_fixpoint_that_jax_accepts(name: str) -> None:
    function, arguments = OPERATIONS[name]
    before = jax.make_jaxpr(function)(*arguments)
    pipeline = parse_pipeline(DEFAULT_PIPELINE)
    result = PassManager(pipeline, (Verify(), OrderedEffects())).run(import_jaxpr(before))
    assert not result.failures
    assert not any(one.changes for one in PassManager(pipeline).run(result.graph).runs)
    after = export_jaxpr(result.graph)
    jax_compat.check_jaxpr(after)
    assert list(after.out_avals) == list(before.out_avals)
    assert list(after.in_avals) == list(before.in_avals)
    assert after.effects == before.effects


@dataclass(frozen=True, slots=True)
class Restless(Pass):
    """Adds an op each time, and claims that it does not."""

    name: ClassVar[str] = "restless"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        first = next(iter(graph.body))
        rewriter.create(first, "neg", graph.parameters[:1], [graph.parameters[0].type])


@dataclass(frozen=True, slots=True)
class Forgetful(Pass):
    """Loses the lines of what it touches."""

    name: ClassVar[str] = "forgetful"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        for op in graph.body:
            rewriter.set_attribute(op, "tg.seen", True)
            mutate.set_location(op, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Secretive(Pass):
    """Changes something behind the rewriter's back."""

    name: ClassVar[str] = "secretive"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        del rewriter
        mutate.set_attributes(next(iter(graph.body)), {"tg.seen": True})


@dataclass(frozen=True, slots=True)
class Greedy(Pass):
    """Takes a parameter away from the graph."""

    name: ClassVar[str] = "greedy"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        del rewriter
        graph.parameter_info = ()


@dataclass(frozen=True, slots=True)
class Careless(Pass):
    """Makes an op that gives another type than it says."""

    name: ClassVar[str] = "careless"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        op = next(iter(graph.body))
        if op.name == "sin":
            new = rewriter.create(op, "is_finite", op.operands, [op.result.type])
            rewriter.replace(op, new.results)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Restless(), "a second run of restless made 1 changes"),
        (Forgetful(), "an op lost its line"),
        (Secretive(), "something changed that was not counted"),
        (Greedy(), "facts about parameters|the signature changed"),
        (Careless(), "is_finite does not give what is written"),
    ],
    ids=lambda value: value.name if isinstance(value, Pass) else "",
)
def test_a_pass_that_breaks_a_law_is_caught(step: Pass, message: str) -> None:
    graph = import_jaxpr(jax.make_jaxpr(lambda x: jax.numpy.sin(x) + x)(1.0))
    with pytest.raises(Exception, match=message):
        run_lawfully(Pipeline((step,)), graph)


A, B = OrderedEffect("A", certain=True), OrderedEffect("B", certain=True)
MAYBE = OrderedEffect("A", certain=False)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ([A, B], [A, B], True),
        ([A, B], [B, A], False),
        ([A, B], [A], False),
        ([A], [A, A], False),
        ([MAYBE, B], [B], True),
        ([MAYBE, B], [A, B], True),
        ([MAYBE, A], [A], True),
        ([B, MAYBE], [A, B], False),
        ([MAYBE, MAYBE], [A], True),
        ([MAYBE], [A, A], False),
    ],
)
def test_only_effects_that_were_not_certain_may_go(
    before: list[OrderedEffect], after: list[OrderedEffect], kept: bool
) -> None:
    assert is_kept(before, after) == kept
