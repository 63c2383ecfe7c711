"""Functions that take nnx objects as trees and return new ones, as plain jit has them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import tracegraph as tg

X = jnp.ones((4, 2))


def make():
    return nnx.Linear(2, 2, rngs=nnx.Rngs(0))


def step(model, x):
    gradients = jax.grad(lambda model: jnp.sum(model(x) ** 2))(model)
    return jax.tree.map(lambda p, g: p - 0.1 * g, model, gradients), jnp.sum(x)


def test_new_objects_are_returned_and_the_old_stay_as_they_were():
    model = make()
    before = np.asarray(model.kernel[...])
    ours, theirs = model, make()
    decorated, plain = tg.function(step), jax.jit(step)
    for _ in range(3):
        ours, _ = decorated(ours, X)
        theirs, _ = plain(theirs, X)
    assert ours is not model
    np.testing.assert_array_equal(model.kernel[...], before)
    np.testing.assert_allclose(ours.kernel[...], theirs.kernel[...], rtol=1e-5)
    assert len(decorated.retraces()) == 1


def test_states_of_optax_over_modules():
    chain = optax.adam(0.1)

    def train(model, state, x):
        gradients = jax.grad(lambda model: jnp.sum(model(x) ** 2))(model)
        updates, state = chain.update(gradients, state, model)
        return optax.apply_updates(model, updates), state

    results = []
    for jit in (tg.function, jax.jit):
        model = make()
        decorated, state = jit(train, donate_argnums=(0, 1)), chain.init(model)
        for _ in range(3):
            model, state = decorated(model, state, X)
        results.append(jax.tree.leaves((nnx.state(model), nnx.state(state[0].mu))))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_what_returns_a_given_object_is_not():
    @tg.function
    def given(model):
        return {"same": model}

    model = make()
    assert given(model)["same"] is model


def test_one_function_may_be_both_in_turn():
    @tg.function
    def either(model, x):
        if x.ndim == 1:
            model.bias[...] += x
            return x
        return step(model, x)[0]

    model = make()
    assert either(model, X) is not model
    before = np.asarray(model.bias[...])
    either(model, jnp.ones(2))
    np.testing.assert_allclose(model.bias[...], before + 1)
    assert isinstance(either(model, X), nnx.Linear)
    either(model, jnp.ones(2))
    np.testing.assert_allclose(model.bias[...], before + 2)


@pytest.mark.parametrize("door", ["graph", "explain", "eval_shape", "verify"])
def test_asked_before_the_first_call(door):
    decorated = tg.function(step)
    assert getattr(decorated, door)(make(), X) is not None
    new, _ = decorated(make(), X)
    assert isinstance(new, nnx.Linear)
