"""Calls without nnx objects, in a program that has imported nnx: as quick and as right as jit's."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx, struct

import tracegraph as tg
from tracegraph.dispatch import Dispatcher


@pytest.fixture
def misses(monkeypatch):
    """What C++ could not answer, call by call."""
    found: list[Any] = []
    before = Dispatcher._on_object

    def counted(self: Dispatcher, direct: Any, compile: Any, args: Any, kwargs: Any) -> Any:
        found.append(args)
        return before(self, direct, compile, args, kwargs)

    monkeypatch.setattr(Dispatcher, "_on_object", counted)
    return found


def _state() -> Any:
    return nnx.split(nnx.Linear(2, 3, rngs=nnx.Rngs(params=0, noise=1)))[1]


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param(lambda: jax.random.key(0), id="key"),
        pytest.param(lambda: {"keys": [jax.random.split(jax.random.key(1), 3)]}, id="keys"),
        pytest.param(_state, id="state"),
        pytest.param(lambda: optax.adam(0.1).init(_state()), id="optimizer-of-state"),
        pytest.param(lambda: nnx.to_flat_state(_state()), id="flat-state"),
    ],
)
def test_cpp_answers_calls_with(argument, misses):
    def doubled(tree, x):
        return jax.tree.map(lambda leaf: leaf, tree), x * 2

    mine, plain = tg.function(doubled), jax.jit(doubled)
    for _ in range(2):
        mine(argument(), jnp.ones(3))
    before = len(misses)
    found, expected = mine(argument(), jnp.ones(3)), plain(argument(), jnp.ones(3))
    assert len(misses) == before
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert all(map(_is_equal, jax.tree.leaves(found), jax.tree.leaves(expected)))


def _is_equal(x: Any, y: Any) -> bool:
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x, y = jax.random.key_data(x), jax.random.key_data(y)
    return np.array_equal(x, y)


def test_states_of_other_structures_are_other_calls():
    step = tg.function(lambda state: jax.tree.map(lambda leaf: leaf + 1.0, state))
    for size in (2, 5, 2):
        params = nnx.state(nnx.Linear(size, 3, rngs=nnx.Rngs(0)), nnx.Param)
        found = step(params)
        assert type(found) is type(params)
        np.testing.assert_array_equal(found["kernel"][...], params["kernel"][...] + 1.0)


def test_a_static_argument_of_a_class_new_to_jax():
    @struct.dataclass
    class Scale:
        by: int = struct.field(pytree_node=False, default=3)

    @functools.partial(tg.function, static_argnums=0)
    def scaled(scale, x):
        return x * scale.by

    for by in (3, 3, 4):
        np.testing.assert_array_equal(scaled(Scale(by), jnp.ones(2)), jnp.full(2, float(by)))


def test_a_static_self_of_a_class_new_to_jax():
    class Environment(struct.PyTreeNode):
        size: int = struct.field(pytree_node=False, default=3)

        @functools.partial(tg.function, static_argnums=0)
        def step(self, x):
            return x + self.size

    np.testing.assert_array_equal(Environment().step(jnp.ones(2)), jnp.full(2, 4.0))


def test_a_function_of_trees_is_one_of_any_tree():
    step = tg.function(lambda tree: jax.tree.map(lambda leaf: leaf + 1.0, tree))
    step(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))  # from here on known to return new objects
    for tree in ({"a": jnp.ones(3)}, jnp.ones(4), jnp.ones(4)):
        found = step(tree)
        assert all(
            np.array_equal(leaf, jnp.full(leaf.shape, 2.0)) for leaf in jax.tree.leaves(found)
        )
    changed = step(nnx.Linear(2, 3, rngs=nnx.Rngs(0), bias_init=nnx.initializers.zeros))
    np.testing.assert_array_equal(changed.bias[...], jnp.ones(3))
