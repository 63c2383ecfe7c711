"""What is asked of a function before its first call, where it changes more than values."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import tracegraph as tg


def returning():
    """A function that gives an nnx object back, so that values alone cannot describe its call."""

    @tg.function
    def step(model, x):
        return model, jnp.sum(model(x))

    return step, nnx.Linear(4, 2, rngs=nnx.Rngs(0)), jnp.ones((3, 4))


@pytest.mark.parametrize("door", ["trace", "graph", "lower", "explain", "verify", "eval_shape"])
def test_every_door_answers_before_the_first_call(door):
    step, *args = returning()
    assert getattr(step, door)(*args) is not None


def test_the_graph_before_the_call_is_the_graph_after_it():
    step, *args = returning()
    before = str(step.graph(*args))
    step(*args)
    assert str(step.graph(*args)) == before
    assert "dot_general" in before


def test_the_call_still_works_after_the_question():
    step, model, x = returning()
    step.trace(model, x)
    same, total = step(model, x)
    assert same is model
    assert jnp.allclose(total, jax.jit(lambda x: jnp.sum(model(x)))(x))
