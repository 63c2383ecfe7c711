"""nnx variables of JAX's high-level types, which jit itself updates in place."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import errors, nnx

import tracegraph as tg

if not hasattr(nnx, "with_vars"):
    pytest.skip("this flax has no such variables", allow_module_level=True)

X = jnp.ones((4, 2))


class Layer(nnx.Pytree):
    """A layer that counts its calls."""

    def __init__(self):
        self.weight = nnx.Param(jnp.full((2, 3), 0.5))
        self.count = nnx.Variable(jnp.array(0))


def forward(layer, x):
    layer.count[...] += 1
    return x @ layer.weight[...]


def add(variable, amount):
    variable[...] += amount
    return variable[...] * 2


def high(value):
    return nnx.with_vars(value, hijax=True)


@pytest.fixture(autouse=True, scope="module")
def _updates_inside_jit():
    """From flax 0.12.12 on such variables take no updates inside jit, whoever compiles."""
    try:
        jax.jit(add)(high(nnx.Param(jnp.array(1.0))), 3.0)
    except errors.FlaxError as error:
        pytest.skip(f"this flax says: {error}")


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", tg.OptimizationWarning)
        yield


def test_a_variable_as_an_argument():
    results = []
    for jit in (jax.jit, tg.function):
        variable, decorated = high(nnx.Param(jnp.array(1.0))), jit(add)
        results.append([decorated(variable, 3.0), decorated(variable, 4.0), variable[...]])
    np.testing.assert_array_equal(results[1], results[0])


def test_a_variable_that_the_function_captures():
    results = []
    for jit in (jax.jit, tg.function):
        variable = high(nnx.Param(jnp.array(1.0)))
        decorated = jit(lambda amount, variable=variable: add(variable, amount))
        results.append([decorated(3.0), decorated(4.0), variable[...]])
    np.testing.assert_array_equal(results[1], results[0])


def test_variables_in_an_object():
    results = []
    for jit in (jax.jit, tg.function):
        layer, decorated = high(Layer()), jit(forward)
        results.append([decorated(layer, X), decorated(layer, X)])
        assert layer.count[...] == 2
    np.testing.assert_array_equal(results[1], results[0])


def test_objects_with_and_without_them_in_turns():
    decorated = tg.function(forward)
    low, raised = Layer(), high(Layer())
    for _ in range(2):
        np.testing.assert_array_equal(decorated(low, X), decorated(raised, X))
    assert (low.count[...], raised.count[...]) == (2, 2)


def test_lowered_without_a_run():
    layer = high(Layer())
    lowered = tg.function(forward).lower(layer, X)
    assert lowered.as_text() == jax.jit(forward).lower(layer, X).as_text()
    assert layer.count[...] == 0
