"""How deep regions nest costs no stack: far more than JAX can trace goes through everything."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.analysis.cost import graph_cost
from compiler.analysis.liveness import peak_memory
from compiler.ir import (
    ArrayType,
    Graph,
    Region,
    build_graph,
    clone,
    count_ops,
    difference,
    finish_graph,
    mutate,
    parse_graph,
    print_graph,
    regions_equal,
    verify,
    walk,
)
from compiler.ir.builder import Builder
from compiler.ir.region_parser import MAX_REGIONS
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from compiler.passes.registry import passes

F32 = ArrayType((4,), np.dtype(np.float32))
TRACED = 40
"""JAX itself gives up not far above this on a stack of Python's usual size."""


def nested_jits(levels: int) -> Graph:
    """A jit in a jit in a jit, each with an op before the inner one."""
    graph, builder = build_graph("f", [F32])
    (value,) = graph.parameters
    result = value
    outer: list[Builder] = []
    for _ in range(levels):
        op = builder.op("sin", (value,), (F32,))
        region = Region("jaxpr")
        call = builder.op("jit", op.results, (F32,), {"name": "g"}, [region])
        result = call.result
        outer.append(builder)
        if len(outer) == 1:
            first = result
        else:
            outer[-1].finish([result])
        value, builder = mutate.add_parameter(region, F32), Builder(region)
    builder.finish([value])
    return finish_graph(graph, [first])


def conds(levels: int):
    """A function with that many branches inside each other."""

    def level(depth: int):
        if depth == 0:
            return jnp.sin
        return lambda x: lax.cond(x.sum() > depth, level(depth - 1), lambda y: y * 2, x)

    return level(levels)


@pytest.mark.parametrize("levels", [MAX_REGIONS, 5000])
def test_the_ir_has_no_limit(levels: int) -> None:
    graph = nested_jits(levels)
    verify(graph)
    copy = clone(graph)
    verify(copy)
    assert difference(graph, copy) is None
    assert regions_equal(graph.body, copy.body)
    assert count_ops(graph) == 2 * levels
    innermost = next(op for op in walk(copy) if op.name == "yield")
    mutate.set_attributes(innermost, {"a": 1})
    assert (difference(graph, copy) or "").count("of region jaxpr") == levels


def test_text_and_passes_take_all_that_text_may_hold() -> None:
    graph = nested_jits(MAX_REGIONS)
    text = print_graph(graph)
    parsed = parse_graph(text)
    assert print_graph(parsed) == text
    assert graph_cost(parsed).transcendentals == 4 * MAX_REGIONS
    assert peak_memory(parsed).nbytes == (MAX_REGIONS + 2) * F32.nbytes
    result = PassManager(parse_pipeline(DEFAULT_PIPELINE)).run(parsed)
    assert not result.failures
    assert len(result.graph.body) == MAX_REGIONS + 1
    for cls in passes().values():
        assert not PassManager(parse_pipeline(cls.name)).run(parsed).failures


def test_export_and_import_take_it_too() -> None:
    graph = nested_jits(MAX_REGIONS)
    jaxpr = export_jaxpr(graph)
    assert difference(import_jaxpr(jaxpr, name="f"), graph) is None


def test_a_program_with_forty_branches_in_each_other_is_optimised() -> None:
    step, x = tg.function(conds(TRACED)), jnp.arange(3.0)
    graph = step.trace(x).captured  # a fallback would be a warning, and so an error
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
    np.testing.assert_array_equal(step(x), jax.jit(conds(TRACED))(x))
