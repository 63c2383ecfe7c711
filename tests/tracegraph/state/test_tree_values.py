"""nnx variables whose value is a tree: a tuple, a dictionary, nothing at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg

if not hasattr(nnx.Variable, "set_value"):
    pytest.skip("this flax reads and writes variables by another name", allow_module_level=True)

VALUES = {
    "empty": (),
    "none": None,
    "one": [jnp.ones(2)],
    "tuple": (jnp.ones(2), jnp.zeros(2)),
    "dict": {"a": jnp.ones(2), "b": {"c": jnp.zeros(2)}},
}


class Recorder(nnx.Module):
    """A module between whose arrays lies a variable that holds a tree."""

    def __init__(self, value):
        self.before = nnx.Param(jnp.full(2, 2.0))
        self.tree = nnx.Variable(value)
        self.last = nnx.Param(jnp.full(2, 3.0))


def read(module, x):
    leaves = jax.tree.leaves(module.tree.get_value())
    return sum(leaves, module.before[...] * module.last[...] + x)


def update(module, x):
    module.tree.set_value(jax.tree.map(lambda leaf: leaf + x, module.tree.get_value()))
    module.last[...] += x
    return read(module, x)


def append(module, x):
    module.tree.set_value((module.tree.get_value(), x))
    return read(module, x)


def same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("function", [read, update, append])
@pytest.mark.parametrize("name", VALUES)
def test_it_does_what_python_does(name, function):
    ours, theirs = Recorder(VALUES[name]), Recorder(VALUES[name])
    decorated = tg.function(function)
    for _ in range(3):
        same(decorated(ours, 1.0), function(theirs, jnp.float32(1.0)))
        same(nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)))


@pytest.mark.filterwarnings("ignore::tracegraph.RetraceWarning")  # it decorates in a loop
def test_first_call_is_that_of_jit():
    for value in VALUES.values():
        same(tg.function(read)(Recorder(value), 1.0), jax.jit(read)(Recorder(value), 1.0))


def test_an_array_that_becomes_a_tree():
    module = Recorder(jnp.ones(2))
    decorated = tg.function(append)
    decorated(module, 1.0)
    same(module.tree.get_value(), (jnp.ones(2), jnp.float32(1.0)))


@pytest.mark.filterwarnings("ignore::tracegraph.RetraceWarning")
def test_a_value_exchanged_between_calls():
    module, decorated = Recorder(jnp.ones(2)), tg.function(update)
    decorated(module, 1.0)
    for value in VALUES.values():
        module.tree.set_value(value)
        decorated(module, 1.0)
        same(module.tree.get_value(), jax.tree.map(lambda leaf: leaf + 1.0, value))
