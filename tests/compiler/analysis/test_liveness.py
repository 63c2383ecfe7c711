from __future__ import annotations

import jax
import numpy as np
from jax import lax

from compiler.analysis.cost import nbytes
from compiler.analysis.liveness import peak_memory
from compiler.ir.builder import build_graph, finish_graph
from compiler.lowering.import_jaxpr import import_jaxpr

X = np.ones(256, np.float32)
UNIT = X.nbytes


def peak(function, *arrays, donated=()):
    return peak_memory(import_jaxpr(jax.make_jaxpr(function)(*arrays), donated=donated))


def test_parameters_are_held_throughout():
    found = peak(lambda x: lax.sin(lax.neg(x)), X)
    assert found.nbytes == 3 * UNIT
    assert found.op.name == "sin"


def test_a_donated_parameter_is_freed_after_its_last_use():
    found = peak(lambda x: lax.sin(lax.neg(x)), X, donated=(True,))
    assert found.nbytes == 2 * UNIT
    assert found.op.name == "neg"


def test_results_are_freed_after_their_last_use():
    def chain(x):
        for _ in range(10):
            x = lax.neg(x)
        return x

    assert peak(chain, X).nbytes == 3 * UNIT


def test_a_value_kept_for_later_counts():
    def kept(x):
        first = lax.neg(x)
        second = lax.sin(lax.cos(first))
        return first + second

    found = peak(kept, X)
    assert found.nbytes == 4 * UNIT
    assert found.op.name == "sin"
    assert [value.producer and value.producer.name for value in found.live] == [
        None,
        "neg",
        "cos",
        "sin",
    ]


def test_an_unused_result_is_held_while_its_op_runs():
    graph, builder = build_graph("f", [import_jaxpr(jax.make_jaxpr(lax.neg)(X)).parameters[0].type])
    builder.op("neg", graph.parameters, [graph.parameters[0].type])
    finish_graph(graph, graph.parameters)
    assert peak_memory(graph).nbytes == 2 * UNIT


def test_the_live_values_make_up_the_peak():
    found = peak(lambda x, y: (lax.exp(x) * y + x, lax.neg(y)), X, X)
    assert sum(map(nbytes, found.live)) == found.nbytes


def test_a_call_needs_what_its_region_needs():
    def inner(x):
        return lax.sin(lax.cos(x)) + lax.neg(x)

    flat, called = peak(inner, X), peak(lambda x: jax.jit(inner)(x), X)
    assert called.nbytes == flat.nbytes
    assert called.op.name == flat.op.name


def test_a_branch_needs_its_larger_region():
    def function(p, x):
        return lax.cond(p, lambda v: lax.sin(lax.cos(v)), lax.neg, x)

    found = peak(function, np.bool_(True), X)
    assert found.op.name == "sin"
    assert 3 * UNIT <= found.nbytes < 4 * UNIT


def test_a_loop_holds_two_rounds():
    def function(x):
        return lax.fori_loop(0, 5, lambda _, v: lax.sin(lax.cos(v)), x)

    found = peak(function, X)
    assert found.op.name == "sin"
    assert 4 * UNIT <= found.nbytes < 5 * UNIT


def test_stacked_results_count_whole():
    found = peak(lambda x: lax.scan(lambda c, _: (c, lax.neg(c)), x, None, length=10)[1], X)
    assert found.nbytes >= 11 * UNIT


def test_a_graph_that_does_nothing():
    found = peak(lambda x: x, X)
    assert found.nbytes == UNIT
    assert found.op.name == "return"
