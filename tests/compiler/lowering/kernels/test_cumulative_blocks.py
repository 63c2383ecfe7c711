"""Running sums by blocks: where the sums are not finite too, in both directions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.cumulative_blocks import BLOCK, MAX_BLOCKS

NAME = "cumsum-by-blocks"
BIG = float(np.finfo(np.float32).max)

pytestmark = pytest.mark.skipif(not KERNELS[NAME].is_current, reason="jaxlib is as fast without")


def both(x, **options):
    """What the kernel and plain jit make of it; the kernel was used."""
    run = lambda x: lax.cumsum(x, axis=x.ndim - 1, **options)  # noqa: E731
    step = tg.function(run)
    assert NAME in [firing.rule for firing in step.trace(x).rewrites]
    return np.asarray(step(x)), np.asarray(jax.jit(run)(x))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(64, 1024), (4, 16, 1024), (256, 256), (32, 2048)])
def test_the_sums(shape, reverse):
    x = jax.random.normal(jax.random.key(0), shape)
    found, expected = both(x, reverse=reverse)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("blocks", [MAX_BLOCKS, MAX_BLOCKS + 1])
def test_the_totals_of_many_blocks_are_summed_up_in_a_loop(blocks, reverse):
    x = np.random.default_rng(0).integers(-9, 9, (32, BLOCK * blocks)).astype(np.float32)
    run = lambda x: lax.cumsum(x, axis=1, reverse=reverse)  # noqa: E731
    text = str(tg.function(run).trace(x).jaxpr)
    assert text.count("dot_general") == (2 if blocks <= MAX_BLOCKS else 1)
    found, expected = both(jnp.asarray(x), reverse=reverse)
    np.testing.assert_array_equal(found, expected)


def test_the_roundings_of_many_totals_do_not_add_up():
    x = jnp.full((32, BLOCK * 2 * MAX_BLOCKS), 0.1)
    exact = np.cumsum(np.asarray(x[0]).astype(np.float64))
    found, _ = both(x)
    assert np.abs(found[0].astype(np.float64) - exact).max() < 5e-7 * exact[-1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 31, 32, 700, 1023])
def test_what_is_not_finite_is_seen_from_its_place_on(place, value, reverse):
    x = jax.random.normal(jax.random.key(0), (64, 1024)).at[5, place].set(value)
    found, expected = both(x, reverse=reverse)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blocks", [MAX_BLOCKS, MAX_BLOCKS + 1])
def test_an_infinity_at_the_end_is_seen(blocks):
    found, expected = both(jnp.ones((32, BLOCK * blocks)).at[7, -1].set(np.inf))
    np.testing.assert_array_equal(found, expected)


def test_sums_that_become_too_large():
    x = jnp.ones((64, 1024)).at[3, 100].set(BIG).at[3, 500].set(BIG)
    found, expected = both(x)
    np.testing.assert_array_equal(found, expected)
    assert np.isinf(found[3, 500:]).all()


def test_sums_of_negative_zeros():
    found, expected = both(jnp.full((64, 1024), -0.0))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("shape", [(64, 1000), (16, 8192), (1024, 128), (32, 1024)])
def test_other_rows_are_summed_up_otherwise(shape):
    graph = tg.function(lambda x: jnp.cumsum(x, 1)).trace(jnp.ones(shape))
    assert NAME not in [firing.rule for firing in graph.rewrites]


def test_its_gradient_and_its_batch():
    def total(x):
        return (jnp.cumsum(x, -1) ** 2).sum()

    x = jax.random.normal(jax.random.key(0), (64, 1024))
    for wrap, given in ((jax.grad, x), (jax.vmap, x[None])):
        step = tg.function(wrap(total))
        assert NAME in [firing.rule for firing in step.trace(given).rewrites]
        found, expected = step(given), jax.jit(wrap(total))(given)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0.1)


def test_rows_that_are_columns_in_memory_are_summed_up_otherwise():
    graph = tg.function(lambda x: jnp.cumsum(x.T, 1)).trace(jnp.ones((1024, 64)))
    assert NAME not in [firing.rule for firing in graph.rewrites]
