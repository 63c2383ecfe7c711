"""Random graphs through random pipelines: the laws of every pass hold after each, values stay."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.ir import Graph, parse_graph, print_graph
from compiler.lowering import jax_compat
from compiler.lowering.check_types import check_types
from compiler.lowering.compare import differences
from compiler.lowering.evaluate import Evaluator
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.inputs import edge_values, moved, random_arguments
from compiler.passes.base import Pass
from compiler.passes.pipeline import Pipeline, parse_pipeline
from compiler.passes.registry import passes
from tests.compiler.passes.laws import run_lawfully
from tests.strategies.jax_programs import RandomProgram, programs
from tests.strategies.pipelines import passes_of, pipelines
from tests.strategies.typed_graphs import typed_graphs

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
EXACT = {"numerics": "exact"}


def graph_of(program: RandomProgram) -> Graph:
    """The graph that tracing the program gives."""
    return import_jaxpr(jax.make_jaxpr(program)(*program.inputs))


def arguments_of(graph: Graph, seed: int) -> list[Any]:
    """Random arguments with nans, infinities and negative zeros among them."""
    rng = np.random.default_rng(seed)
    return [moved(value, edge_values, rng) for value in random_arguments(graph, seed)]


@settings(max_examples=100, suppress_health_check=QUIET)
@given(typed_graphs())
def test_the_drawn_graphs_are_well_typed_and_run(graph: Graph) -> None:
    check_types(graph)
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
    jax_compat.check_jaxpr(export_jaxpr(graph))
    Evaluator(graph)(*random_arguments(graph, 0))


@pytest.mark.parametrize("name", passes())
@settings(max_examples=40, suppress_health_check=QUIET)
@given(graph=typed_graphs(effects=True), data=st.data())
def test_each_pass_keeps_the_laws(name: str, graph: Graph, data: st.DataObject) -> None:
    step: Pass = data.draw(passes_of(passes()[name]))
    run_lawfully(Pipeline((step,)), graph)


@settings(max_examples=60, suppress_health_check=QUIET)
@given(typed_graphs(effects=True), pipelines())
def test_any_pipeline_keeps_the_laws(graph: Graph, pipeline: Pipeline) -> None:
    result = run_lawfully(pipeline, graph)
    assert parse_pipeline(str(pipeline)) == pipeline
    assert all(one.changes >= 0 for one in result.runs)


@settings(max_examples=25, suppress_health_check=QUIET)
@given(programs(most=5), pipelines())
def test_any_pipeline_keeps_the_laws_on_traced_programs(
    program: RandomProgram, pipeline: Pipeline
) -> None:
    run_lawfully(pipeline, graph_of(program))


@settings(max_examples=40, suppress_health_check=QUIET)
@given(typed_graphs(), pipelines(**EXACT), st.integers(0, 3))
def test_an_exact_pipeline_keeps_every_bit(graph: Graph, pipeline: Pipeline, seed: int) -> None:
    after = run_lawfully(pipeline, graph).graph
    for arguments in (random_arguments(graph, seed), arguments_of(graph, seed)):
        expected, found = Evaluator(graph)(*arguments), Evaluator(after)(*arguments)
        assert all(one.same_bits for one in differences(expected, found)), (expected, found)


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=QUIET)
@given(typed_graphs(most=20, effects=True), pipelines())
def test_any_pipeline_keeps_the_laws_at_length(graph: Graph, pipeline: Pipeline) -> None:
    run_lawfully(pipeline, graph)
