"""Numbers in the place of symbolic sizes: a jaxpr that JAX's own checker takes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.sizes import jaxpr_at


def traced(program, *shapes):
    scope = jax.export.SymbolicScope()
    types = [
        jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape, scope=scope), jnp.float32)
        for shape in shapes
    ]
    return jax.jit(program).trace(*types).jaxpr


def run(jaxpr, *arguments):
    return jax_compat.jaxpr_function(jaxpr)(*arguments)


PROGRAMS = {
    "sizes in attributes": lambda x: jnp.broadcast_to(x[:1], x.shape) + x.reshape(-1, 3),
    "a size as a value": lambda x: x * x.shape[0] + x.size,
    "a scan over it": lambda x: jax.lax.scan(lambda c, r: (c + r, r * c), jnp.zeros(3), x),
    "a loop up to it": lambda x: jax.lax.fori_loop(0, x.shape[0], lambda i, c: c + x[i], x[0]),
    "a branch": lambda x: jax.lax.cond(x.sum() > 0, jnp.sin, lambda a: a * a.shape[0], x),
    "calls": lambda x: jax.jit(lambda a: jax.checkpoint(jnp.sin)(a) / a.shape[0])(x),
    "a jaxpr out of sight": lambda x: jax.lax.reduce(x, 0.0, lambda a, b: a + b, (0,)),
    "types out of sight": lambda x: jax.pure_callback(
        lambda a: np.asarray(a) * 2, jax.ShapeDtypeStruct(x.shape, x.dtype), x
    ),
    "rules": lambda x: jax.nn.relu(x) + jax.nn.silu(x) + jnp.linalg.norm(x),
    "an expression": lambda x: jnp.concatenate([x, x, x[:1]])[: x.shape[0] * 2],
    "a solver": lambda x: jax.scipy.linalg.solve(x.T @ x + jnp.eye(3), x.T),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("size", [1, 4])
def test_the_jaxpr_is_sound_and_computes_the_same(name, size):
    program = PROGRAMS[name]
    made = jaxpr_at(traced(program, "n, 3"), {"n": size})
    jax_compat.check_jaxpr(made)
    x = np.random.RandomState(size).randn(size, 3).astype(np.float32)
    for ours, theirs in zip(run(made, x), jax.tree.leaves(jax.jit(program)(x)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert "n" not in str(made.in_avals)
    expected = jax.jit(program).trace(x).jaxpr
    assert list(made.out_avals) == list(expected.out_avals)


def test_several_names():
    jaxpr = traced(lambda x, y: x @ y * x.shape[1], "a, 2*b", "2*b, c")
    made = jaxpr_at(jaxpr, {"a": 2, "b": 3, "c": 5})
    assert [aval.shape for aval in made.in_avals] == [(2, 6), (6, 5)]
    assert made.out_avals[0].shape == (2, 5)


def test_a_name_without_a_number():
    with pytest.raises(KeyError, match="n"):
        jaxpr_at(traced(jnp.sin, "n, 3"), {"m": 3})


def test_what_has_no_symbolic_size_stays_the_same_object():
    jaxpr = traced(lambda x: jnp.sin(x) + 1, "n, 3")
    parts, made = (jax_compat.split_jaxpr(j) for j in (jaxpr, jaxpr_at(jaxpr, {"n": 2})))
    pairs = list(zip(parts.equations, made.equations, strict=True))
    assert all(old.source_info is new.source_info for old, new in pairs)
    assert all(old.primitive is new.primitive for old, new in pairs)


def test_effects_stay():
    def program(x):
        jax.debug.print("{}", x.shape[0])
        return x

    made = jaxpr_at(traced(program, "n, 3"), {"n": 2})
    assert made.effects


def test_derivative_rules_are_at_the_numbers_too():
    @jax.custom_vjp
    def power(x):
        return x**2

    power.defvjp(lambda x: (power(x), (x, x.shape[0])), lambda kept, g: (g * kept[0] * kept[1],))

    @jax.custom_jvp
    def scaled(x):
        return x * 2

    scaled.defjvp(lambda primals, tangents: (scaled(*primals), tangents[0] * primals[0].shape[0]))
    jaxpr = jaxpr_at(traced(lambda x: (power(x) + scaled(x)).sum(), "n, 3"), {"n": 4})
    x = np.random.RandomState(0).randn(4, 3).astype(np.float32)
    gradient = jax.grad(lambda x: run(jaxpr, x)[0])(x)
    np.testing.assert_allclose(gradient, x * 4 + 4, rtol=1e-6)


def test_the_graph_has_the_users_lines():
    graph = import_jaxpr(jaxpr_at(traced(lambda x: jnp.sin(x), "n, 3"), {"n": 2}))
    (op, _) = graph.body
    assert "test_sizes.py" in str(op.location)
