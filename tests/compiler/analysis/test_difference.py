from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.difference import compare_graphs
from compiler.ir.parser import parse_graph
from compiler.ir.printer import print_graph
from compiler.lowering.import_jaxpr import import_jaxpr

X = np.ones((4, 4), np.float32)


def imported(function, *arrays):
    return import_jaxpr(jax.make_jaxpr(function)(*arrays))


def names(ops):
    return [op.name for op in ops]


def test_a_graph_is_the_same_as_itself_whatever_its_names_and_lines():
    graph = imported(lambda x: jnp.sin(x) @ x, X)
    other = parse_graph(print_graph(graph))
    found = compare_graphs(graph, other)
    assert len(found.same) == 2
    assert (found.changed, found.removed, found.added) == ((), (), ())


def test_an_op_in_another_place_is_the_same():
    a = imported(lambda x: (jnp.sin(x), jnp.cos(x)), X)
    b = imported(lambda x: (jnp.cos(x), jnp.sin(x))[::-1], X)
    assert names(op for op, _ in compare_graphs(a, b).same) == ["sin", "cos"]


def test_added_and_removed():
    a = imported(lambda x: jnp.sin(x), X)
    b = imported(lambda x: (jnp.sin(x), x @ x), X)
    assert names(compare_graphs(a, b).added) == ["dot_general"]
    assert names(compare_graphs(b, a).removed) == ["dot_general"]


def test_an_attribute_that_changed_is_named():
    a = imported(lambda x: lax.integer_pow(x, 2), X)
    b = imported(lambda x: lax.integer_pow(x, 3), X)
    (changed,) = compare_graphs(a, b).changed
    assert changed.what == "y was 2, is 3"


def test_another_op_on_the_same_operands_is_a_change():
    a, b = imported(jnp.sin, X), imported(jnp.cos, X)
    (changed,) = compare_graphs(a, b).changed
    assert changed.what == "sin became cos"


def test_what_follows_a_change_is_not_added_anew():
    a = imported(lambda x: jnp.tanh(jnp.sin(x)), X)
    b = imported(lambda x: jnp.tanh(jnp.sin(x + x)), X)
    found = compare_graphs(a, b)
    assert names(found.added) == ["add"]
    assert [one.what for one in found.changed] == ["it reads something else"] * 2


def test_a_change_in_a_region_is_found_in_it():
    def loop(f):
        return lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=3)

    found = compare_graphs(imported(loop(jnp.sin), X), imported(loop(jnp.cos), X))
    assert sorted(one.what for one in found.changed) == ["its regions differ", "sin became cos"]


def test_two_equal_ops_against_one():
    a = imported(lambda x: (jnp.sin(x), jnp.sin(x)), X)
    b = imported(lambda x: jnp.sin(x), X)
    found = compare_graphs(a, b)
    assert (len(found.same), names(found.removed)) == (1, ["sin"])


def test_constants_count_by_what_they_hold():
    a, b = imported(lambda x: x + 1.0, X), imported(lambda x: x + 2.0, X)
    found = compare_graphs(a, b)
    assert not found.same
    assert len(found.changed) == 1
