from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import lax

import compiler.ops  # noqa: F401 fills the table
from compiler.ir.builder import build_graph, finish_graph
from compiler.ir.effects import Effect
from compiler.ir.types import ArrayType
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.definition import (
    UNKNOWN,
    OpDef,
    are_reorderable,
    is_duplicable,
    is_mergeable,
    is_removable,
    known_names,
    lookup,
    register,
)

F32 = ArrayType((4,), np.dtype(np.float32))

LEFT_UNKNOWN = {
    "dce_sink": "exists only in order not to be removed",
    "stage": "a marker of JAX's own staging; holds a program that the IR does not look into",
}


def public_primitives():
    modules = (lax, lax.linalg)
    found = {
        value.name
        for module in modules
        for name, value in vars(module).items()
        if name.endswith("_p") and hasattr(value, "bind")
    }
    assert len(found) > 100
    return found


def test_every_public_primitive_is_defined_or_left_out_for_a_reason():
    unknown = {name for name in public_primitives() if lookup(name) is UNKNOWN}
    assert unknown <= LEFT_UNKNOWN.keys()


@pytest.mark.parametrize("name", sorted(LEFT_UNKNOWN))
def test_what_is_left_out_is_not_defined(name):
    assert lookup(name) is UNKNOWN


def test_a_name_is_defined_once():
    with pytest.raises(ValueError, match="add is defined twice"):
        register([OpDef("add", "elementwise")])


def test_every_evaluator_is_of_a_pure_and_stable_op():
    evaluated = [lookup(name) for name in known_names() if lookup(name).evaluate is not None]
    assert len(evaluated) > 50
    assert all(definition.pure and definition.stable for definition in evaluated)


def op_named(name, effects=()):
    graph, builder = build_graph("f", [F32])
    op = builder.op(name, graph.parameters, [F32], effects=frozenset(effects))
    finish_graph(graph, op.results)
    return op


def answers(op):
    return (is_removable(op), is_mergeable(op), is_duplicable(op))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", (True, True, True)),
        ("constant", (True, True, True)),
        ("random_bits", (True, True, True)),
        ("psum", (True, True, True)),
        ("optimization_barrier", (True, False, False)),
        ("copy", (True, False, False)),
        ("sharding_constraint", (True, False, False)),
        ("pure_callback", (True, False, False)),
        ("rng_uniform", (False, False, False)),
        ("io_callback", (False, False, False)),
        ("swap", (False, False, False)),
        ("ffi_call", (False, False, False)),
        ("pallas_call", (False, False, False)),
        ("foreign.add", (False, False, False)),
        ("return", (False, False, False)),
    ],
)
def test_the_questions(name, expected):
    assert answers(op_named(name)) == expected


def test_effects_of_the_use_count():
    assert answers(op_named("add", [Effect("IO")])) == (False, False, False)
    assert answers(op_named("psum", [Effect("NamedAxis")])) == (True, True, True)


def test_reordering_needs_one_op_without_effects():
    pure, first, second = op_named("add"), op_named("io_callback"), op_named("debug_callback")
    assert are_reorderable(pure, first)
    assert are_reorderable(first, pure)
    assert not are_reorderable(first, second)


def test_ops_inside_regions_count():
    def noisy(x):
        return lax.cond(x > 0, lambda v: lax.rng_uniform(v, 1.0, ()), lambda v: v, x)

    def quiet(x):
        return lax.cond(x > 0, lambda v: v + 1, lambda v: v, x)

    for function, expected in ((noisy, False), (quiet, True)):
        graph = import_jaxpr(jax.make_jaxpr(function)(1.0))
        (cond,) = (op for op in graph.body if op.name == "cond")
        assert is_removable(cond) is expected


def test_common_programs_contain_no_unknown_op():
    def program(x, key):
        y = jax.nn.softmax(x @ x.T) + jax.random.normal(key, x.shape)
        y = jax.checkpoint(jax.numpy.sin)(jax.nn.gelu(y))
        return lax.scan(lambda c, row: (c + row, c.max()), y[0], y)

    jaxpr = jax.make_jaxpr(jax.jit(program))(np.ones((4, 4), np.float32), jax.random.key(0))
    graph = import_jaxpr(jaxpr)
    assert all(is_removable(op) for op in graph.body if not op.is_terminator)
