"""Graphs, and what holds them, through ``copy`` and ``pickle``."""

from __future__ import annotations

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir import Operation, verify, walk
from compiler.ir.printer import print_graph

BIG = jnp.ones((64, 64))
X = jnp.ones((4, 64))
WAYS = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
TRACE = tg.function(
    lambda x: (
        lax.scan(lambda c, v: (c + v, c), jnp.zeros(64), jnp.tanh(x @ BIG))[0].sum(),
        jax.random.normal(jax.random.key(0), (3,)),
        jnp.concatenate([x] * 40),
    )
).trace(X)


@pytest.mark.parametrize("way", WAYS, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("graph", [TRACE.captured, TRACE.optimized], ids=["captured", "optimized"])
def test_a_graph_is_another_that_prints_the_same(way, graph):
    found = way(graph)
    verify(found)
    assert found is not graph
    assert found.frozen
    assert print_graph(found, locations=True) == print_graph(graph, locations=True)


@pytest.mark.parametrize("way", WAYS[1:], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize(
    "report",
    [TRACE.stages, tg.diff(TRACE.captured, TRACE.optimized), TRACE.passes],
    ids=["stages", "diff", "passes"],
)
def test_what_holds_graphs(way, report):
    assert str(way(report)) == str(report)


def test_a_deep_copy_keeps_the_objects_of_jax_and_its_operations_stand_in_one_graph():
    graph, *ops = copy.deepcopy([TRACE.captured, *walk(TRACE.captured)])
    assert ops == list(walk(graph))
    for op, before in zip(ops, walk(TRACE.captured), strict=True):
        assert op.primitive is before.primitive
        assert op.location.handle is before.location.handle


def test_an_operation_of_no_graph_is_refused():
    with pytest.raises(tg.TracegraphError, match="cannot be copied"):
        copy.deepcopy(Operation("sin", (), ()))
