"""Random bits with the rounds written out: the very bits of plain jit, for every way to ask."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import jax_compat
from tests.compiler.lowering.kernels.forced import both

NAME = "threefry-written-out"
KEYS = [jax.random.key(0), jax.random.key(2**32 - 1), jax.random.fold_in(jax.random.key(7), 3)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 0), (2, 3, 5), (5000,)])
@pytest.mark.parametrize("key", KEYS, ids=["zero", "ones", "folded"])
def test_the_bits_are_those_of_jit(key, shape, dtype):
    expected, found = both(NAME, lambda k: jax.random.bits(k, shape, dtype), key)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(expected, found)


def test_numbers_of_64_bits():
    with jax_compat.with_64_bit_types():
        expected, found = both(NAME, lambda k: jax.random.bits(k, (70,), "uint64"), KEYS[2])
    assert found.dtype == np.uint64
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize(
    ("batch", "shape", "fires"),
    [
        ((), (4095,), False),
        ((), (4096,), True),
        ((1,), (600,), False),
        ((4,), (127,), False),
        ((4,), (128,), True),
        ((2, 32), (8,), True),
    ],
)
def test_it_is_used_for_many_numbers(batch, shape, fires):
    keys = jax.random.split(KEYS[0], batch)
    draw = lambda k: jax.random.bits(k, shape)  # noqa: E731
    for _ in batch:
        draw = jax.vmap(draw)
    rewrites = tg.function(draw).trace(keys).rewrites
    assert (NAME in [one.rule for one in rewrites]) == fires


@pytest.mark.parametrize("batch", [(0,), (3,), (2, 3)])
def test_an_array_of_keys(batch):
    keys = jax.random.split(KEYS[0], batch)
    draw = lambda k: jax.random.bits(k, (4, 5))  # noqa: E731
    for _ in batch:
        draw = jax.vmap(draw)
    np.testing.assert_array_equal(*both(NAME, draw, keys))


def test_another_generator_keeps_its_bits():
    def draw(seed):
        return jax.random.bits(jax.random.key(seed, impl="rbg"), (80, 80))

    step = tg.function(draw)
    assert NAME not in [firing.rule for firing in step.trace(3).rewrites]
    np.testing.assert_array_equal(jax.jit(draw)(3), step(3))


def test_the_older_order_of_the_counters_is_left_alone():
    def draw(key):
        return jax.random.bits(key, (80, 80))

    with jax.threefry_partitionable(False):
        step = tg.function(draw)
        assert NAME not in [firing.rule for firing in step.trace(KEYS[0]).rewrites]
        np.testing.assert_array_equal(jax.jit(draw)(KEYS[0]), step(KEYS[0]))


def test_few_numbers_are_left_to_xla():
    step = tg.function(lambda key: jax.random.uniform(key, (63, 64)))
    assert NAME not in [firing.rule for firing in step.trace(KEYS[0]).rewrites]


def test_numbers_drawn_under_grad_and_vmap():
    def loss(x, key):
        return (x * jax.random.normal(key, x.shape)).sum()

    x, keys = jnp.ones((80, 80)), jax.random.split(KEYS[0], 2)
    for wrap in (jax.grad, lambda f: jax.vmap(f, (None, 0))):
        seed = KEYS[0] if wrap is jax.grad else keys
        step = tg.function(wrap(loss))
        assert NAME in [firing.rule for firing in step.trace(x, seed).rewrites]
        np.testing.assert_allclose(step(x, seed), jax.jit(wrap(loss))(x, seed), rtol=1e-6)


SHAPE = (80, 80)


@pytest.mark.parametrize(
    ("draw", "stored"),
    [
        (lambda key: jax.random.uniform(key, SHAPE), False),
        (lambda key: jax.random.bernoulli(key, 0.9, SHAPE), False),
        (lambda key: jax.random.normal(key, SHAPE), True),
        (lambda key: (lambda x: x - x.mean(0))(jax.random.uniform(key, SHAPE)), True),
    ],
    ids=["one reader", "a comparison", "a costly function", "two readers"],
)
def test_bits_are_stored_where_rounds_would_be_computed_twice(draw, stored):
    step = tg.function(draw)
    program = step.lower(KEYS[0]).compile().as_text()
    assert program.count(" while(") == int(stored)
    np.testing.assert_allclose(jax.jit(draw)(KEYS[0]), step(KEYS[0]), rtol=1e-6, atol=1e-6)
