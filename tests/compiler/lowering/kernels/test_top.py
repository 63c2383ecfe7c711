"""The largest few by blocks against XLA, bit for bit: ties, nans, both zeros, few large blocks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from compiler.lowering.rule_cases import apply, function_of, graph_of

NAME = "top-of-blocks"
TINY = np.float32(1e-45)
EDGES = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, 1.0], np.float32)


def check(x, count):
    """The same numbers, bit for bit, from the same places."""

    def largest(x):
        return lax.top_k(x, count)

    x = jnp.asarray(x)
    outcome = apply(KERNELS[NAME].rule(always=True), graph_of(largest, (x,)))
    assert outcome.log.firings
    expected, found = jax.jit(largest)(x), jax.jit(function_of(outcome.graph))(x)
    np.testing.assert_array_equal(expected[1], found[1])
    bits = [np.asarray(one).view(np.int32) for one in (expected[0], found[0])]
    np.testing.assert_array_equal(*bits)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("size", [4096, 1000, 97])
@pytest.mark.parametrize("seed", range(3))
def test_ties_and_edge_values(seed, size, count):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(7, size)) * 2).astype(np.float32)
    check(np.where(rng.random(x.shape) < 0.3, rng.choice(EDGES, x.shape), x), count)


@pytest.mark.parametrize("value", EDGES)
def test_all_equal(value):
    check(np.full((3, 4096), value, np.float32), 4)


def test_the_largest_all_in_one_block_or_each_in_another():
    x = np.arange(2 * 4096, dtype=np.float32).reshape(2, 4096)
    check(x, 8)
    check(-x, 8)
    check(np.random.default_rng(0).permuted(x, axis=1), 8)
    check(np.repeat(x[:, ::32], 32, 1), 8)


@pytest.mark.parametrize("shape", [(4096,), (2, 3, 4096), (1, 4096)])
def test_any_number_of_axes(shape):
    check(np.random.default_rng(0).normal(size=shape).astype(np.float32), 3)


def test_of_many_places_plain_jit_takes_care():
    x = jnp.ones((512, 128))
    for count in (8, 128):
        step = tg.function(lambda x, count=count: lax.top_k(x, count))
        assert NAME not in [firing.rule for firing in step.trace(x).rewrites]


def test_its_gradient_and_its_batch():
    def total(x):
        return (lax.top_k(x, 4)[0] ** 2).sum()

    x = jax.random.normal(jax.random.key(0), (32, 4096))
    for wrap, given in ((jax.grad, x), (jax.vmap, x[None])):
        step = tg.function(wrap(total))
        assert NAME in [firing.rule for firing in step.trace(given).rewrites]
        np.testing.assert_allclose(step(given), jax.jit(wrap(total))(given), rtol=1e-6)


@pytest.mark.parametrize(("order", "used"), [((0, 1), True), ((1, 0), False)])
def test_rows_that_are_columns_in_memory_are_left_alone(order, used):
    x = jnp.transpose(jnp.ones((64, 4096)), order)
    step = tg.function(lambda x: lax.top_k(jnp.transpose(x, order), 4))
    assert (NAME in [firing.rule for firing in step.trace(x).rewrites]) is used
