"""A plan for reading objects holds until more than values changes in them."""

import threading
import time

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import tracegraph as tg
from tracegraph.state import nnx_objects
from tracegraph.state.packing import Plans


def network():
    """A dense layer behind another object, with normalisation."""
    rngs = nnx.Rngs(0)
    return nnx.Sequential(nnx.Linear(3, 3, rngs=rngs), nnx.BatchNorm(3, rngs=rngs))


@pytest.fixture
def walks(monkeypatch):
    """How often objects were walked instead of read by plan."""
    found = []
    split = nnx_objects.split
    monkeypatch.setattr(nnx_objects, "split", lambda objects: found.append(1) or split(objects))
    return found


def test_values_that_change_are_read_without_a_walk(walks):
    plans, net = Plans(), network()
    plans.pack([net])
    net.layers[0].kernel[...] = jnp.full((3, 3), 7.0)
    _, values, _ = plans.pack([net])
    assert walks == [1]
    assert any(value.shape == (3, 3) and (value == 7).all() for value in values)


def test_a_call_of_nnx_jit_in_between_needs_no_walk(walks):
    plans, net = Plans(), network()
    plans.pack([net])
    step = nnx.jit(lambda net, x: net(x))
    for _ in range(2):
        step(net, jnp.ones((2, 3)))
        plans.pack([net])
    assert walks == [1]


def test_what_nnx_jit_changes_in_an_object_is_seen(walks):
    plans, net = Plans(), network()
    plans.pack([net])

    @nnx.jit
    def grow(net):
        net.layers[0].seen = nnx.BatchStat(jnp.ones(2))

    grow(net)
    structure, _, _ = plans.pack([net])
    assert walks == [1, 1]
    assert any(path.endswith("seen") for path in structure.paths)


def test_an_attribute_that_changes_is_seen(walks):
    plans, net = Plans(), network()
    plans.pack([net])
    net.layers[1].use_running_average = True
    plans.pack([net])
    assert walks == [1, 1]


def test_metadata_that_is_changed_or_exchanged_is_seen(walks):
    plans, net = Plans(), network()
    plans.pack([net])
    variable = net.layers[0].kernel
    nnx_objects.metadata(variable)["mine"] = 1
    plans.pack([net])
    assert walks == [1, 1]
    object.__setattr__(variable, "_var_metadata", {**nnx_objects.metadata(variable), "mine": 2})
    plans.pack([net])
    assert walks == [1, 1, 1]


def test_another_object_at_the_address_of_a_dead_one_is_read_itself():
    plans, net = Plans(), network()

    class Scale(nnx.Module):
        def __init__(self, value):
            self.value = nnx.Param(jnp.asarray(value))

    for value in range(8):  # CPython gives the address of what has just died to the next
        _, values, _ = plans.pack([net, Scale(value)])
        assert any(leaf.shape == () and leaf == value for leaf in values)


def test_a_cleared_function_has_forgotten_what_objects_consist_of(walks):
    plans, net = Plans(), network()
    first, _, _ = plans.pack([net])
    plans.clear()
    second, _, _ = plans.pack([net])
    assert walks == [1, 1]
    assert first is not second


def test_a_variable_of_equal_value_is_another_variable():
    class Counter(nnx.Module):
        def __init__(self):
            self.count = nnx.Variable(jnp.array(1))

    @tg.function
    def step(counter):
        counter.count[...] += 1

    counter = Counter()
    step(counter)
    before, counter.count = counter.count, nnx.Variable(jnp.array(2))
    step(counter)
    assert (int(before[...]), int(counter.count[...])) == (2, 3)


def test_threads_do_not_read_what_another_has_lent():
    model, failed = nnx.Linear(2, 2, rngs=nnx.Rngs(0)), []

    @tg.function
    def step(x):
        time.sleep(0.05)
        return model(x)

    def call(rows):
        try:
            step(jnp.ones((rows, 2)))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=call, args=(rows,)) for rows in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert not isinstance(model.kernel[...], jax.core.Tracer)
