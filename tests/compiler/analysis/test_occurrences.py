from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.analysis.cost import cost_of, graph_cost, total
from compiler.analysis.occurrences import Runs, occurrences
from compiler.ir.graph import Operation
from compiler.ir.walk import walk
from compiler.lowering.import_jaxpr import import_jaxpr

X = np.ones((4, 4), np.float32)


def imported(function, *arrays):
    return import_jaxpr(jax.make_jaxpr(function)(*arrays))


def runs_of(graph, name):
    """How often the ops of a name run."""
    found = occurrences(graph)
    return [found[op.parent] for op in walk(graph) if op.name == name]


def nested(x):
    def outer(c, _):
        return lax.scan(lambda c, _: (jnp.sin(c), None), c, None, length=3)[0], jnp.cos(c)

    return lax.scan(outer, x, None, length=5)


def branches(x):
    return lax.cond(x[0, 0] > 0, lambda x: x @ x, lambda x: jnp.sin(x), x)


def counting(x):
    return lax.while_loop(lambda c: c[0] < 6, lambda c: (c[0] + 2, jnp.sin(c[1])), (0, x))


def unknown(x):
    return lax.while_loop(lambda c: c[0, 0] < 6, jnp.sin, x)


def test_loops_multiply():
    graph = imported(nested, X)
    assert runs_of(graph, "sin") == [Runs(15)]
    assert runs_of(graph, "cos") == [Runs(5)]


def test_the_dearest_branch_runs():
    graph = imported(branches, X)
    assert runs_of(graph, "dot_general") == [Runs(1)]
    assert runs_of(graph, "sin") == [Runs(0)]


def test_a_counting_loop_tests_once_more_than_it_runs():
    graph = imported(counting, X)
    assert runs_of(graph, "sin") == [Runs(3)]
    assert runs_of(graph, "lt") == [Runs(4)]


def test_where_the_trip_count_is_not_known_one_round_is_counted_and_said():
    graph = imported(unknown, X)
    assert runs_of(graph, "sin") == [Runs(1, known=False)]
    assert runs_of(graph, "lt") == [Runs(2, known=False)]


@pytest.mark.parametrize("function", [nested, branches, counting, unknown])
def test_the_ops_add_up_to_the_graph(function):
    graph = imported(function, X)
    parts = [
        cost_of(op) * runs.times
        for region, runs in occurrences(graph).items()
        for op in region
        if isinstance(op, Operation) and not op.regions
    ]
    whole, found = graph_cost(graph), total(parts)
    assert (whole.flops, whole.transcendentals, whole.bytes) == (
        found.flops,
        found.transcendentals,
        found.bytes,
    )
    assert whole.flops + whole.transcendentals > 0
