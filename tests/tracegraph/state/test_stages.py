"""Functions of nnx objects lowered and compiled ahead of time."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg

X = jnp.ones((4, 2))


class Counting(nnx.Module):
    """A layer that counts its calls."""

    def __init__(self):
        self.kernel = nnx.Param(jnp.full((2, 3), 0.5))
        self.count = nnx.Variable(jnp.array(0))


def read(module, x):
    return x @ module.kernel[...]


def count(module, x):
    module.count[...] += 1
    return read(module, x)


def renew(module, x):
    module.last = nnx.Variable(x.sum())
    return read(module, x), module


@pytest.mark.parametrize("function", [read, count])
def test_compiled_takes_what_it_takes_under_jit(function):
    compiled = tg.function(function).lower(Counting(), X).compile()
    expected = jax.jit(function).lower(Counting(), X).compile()(Counting(), X)
    np.testing.assert_array_equal(compiled(Counting(), X), expected)


def test_compiled_updates_as_the_function_does():
    module = Counting()
    compiled = tg.function(count).lower(module, X).compile()
    assert module.count[...] == 0
    compiled(module, X), compiled(module, X + 1)
    assert module.count[...] == 2


def test_compiled_by_way_of_a_trace():
    module = Counting()
    compiled = tg.function(count).trace(module, x=X).lower().compile()
    compiled(module, x=X)
    assert module.count[...] == 1


def test_a_captured_object():
    module = Counting()
    compiled = tg.function(lambda x: count(module, x)).lower(X).compile()
    compiled(X)
    assert module.count[...] == 1


def test_a_structure_that_changes():
    module = Counting()
    compiled = tg.function(renew).lower(module, X).compile()
    _, returned = compiled(module, X)
    assert returned is module
    assert module.last[...] == 8


def test_other_objects_are_refused():
    compiled = tg.function(read).lower(Counting(), X).compile()
    with pytest.raises(TypeError, match="does not match the input pytree"):
        compiled(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), X)


def test_what_else_there_is_to_ask():
    lowered = tg.function(count).lower(Counting(), X)
    assert "stablehlo" in lowered.as_text()
    assert lowered.compile().cost_analysis()


def test_stages_can_be_copied():
    step, module = tg.function(count), Counting()
    lowered = copy.copy(step.lower(module, X))
    compiled = copy.copy(lowered.compile())
    assert lowered.as_text()
    compiled(module, X)
    assert module.count[...] == 1
    assert not hasattr(compiled, "__len__")
    assert not hasattr(compiled, "nothing_of_this_name")
