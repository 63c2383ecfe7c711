"""Cumulative ops row by row, bit for bit where plain jit fixes the bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.walk import walk
from compiler.lowering.kernels.kernel import IS_EARLY

NAMES = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
EDGES = [0.0, -0.0, jnp.nan, jnp.inf, -jnp.inf, 1.0, -1.0]
WHOLE = (jnp.int32, jnp.uint8, jnp.int8)


def both(name, x, **options):
    """What the kernel and plain jit make of it; the kernel was used."""
    run = getattr(lax, name)
    step = tg.function(lambda x: run(x, **options))
    assert f"{name}-by-rows" in [firing.rule for firing in step.trace(x).rewrites]
    return np.asarray(step(x)), np.asarray(jax.jit(lambda x: run(x, **options))(x))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
def test_a_single_edge_value_keeps_its_bits(name, reverse):
    """In the first row, and the sign of a zero to the last."""
    x = jnp.tile(jnp.array(EDGES), (100, 1))
    found, expected = both(name, x, axis=0, reverse=reverse)
    first = -1 if reverse else 0
    np.testing.assert_array_equal(found[first].view(np.int32), expected[first].view(np.int32))
    np.testing.assert_array_equal(np.signbit(found[:, 1]), np.signbit(expected[:, 1]))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
def test_whole_numbers_wrap_around_as_they_do_in_jit(name, dtype):
    info = jnp.iinfo(dtype)
    x = jnp.tile(jnp.array([info.max, info.min, 3], dtype), (70, 2))
    np.testing.assert_array_equal(*both(name, x, axis=0))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_along_every_axis(name, axis):
    if IS_EARLY and axis == 2 and name != "cumlogsumexp":
        pytest.skip("along the last axis jaxlib is as fast without")
    x = jax.random.uniform(jax.random.key(0), (64, 65, 66), minval=0.9, maxval=1.1)
    np.testing.assert_allclose(*both(name, x, axis=axis, reverse=True), rtol=2e-5)


def _exact(name, x, reverse):
    x = np.asarray(x).astype(np.float64)[:: -1 if reverse else 1]
    found = np.cumsum(x, 0) if name == "cumsum" else np.logaddexp.accumulate(x, 0)
    return found[:: -1 if reverse else 1]


LONG = {
    "of ones": np.ones(1 << 15),
    "of tenths": np.full(1 << 15, 0.1),
    "of any sign": np.random.default_rng(0).normal(size=1 << 15) * 0.5,
    "that cancel": np.tile([3e4, 1.0, -3e4, 2**-4], 1 << 13),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("numbers", LONG)
@pytest.mark.parametrize("name", ["cumsum", "cumlogsumexp"])
def test_a_long_sum_is_as_exact_as_that_of_a_tree(name, numbers, dtype, reverse):
    """One after the other, 65,536 ones of 16 bits would be 256."""
    x = jnp.asarray(LONG[numbers], dtype)
    found, expected = both(name, x, axis=0, reverse=reverse)
    exact = _exact(name, x, reverse)
    off, by_tree = (np.abs(one.astype(np.float64) - exact).max() for one in (found, expected))
    assert off <= max(by_tree, float(jnp.finfo(dtype).eps) * np.abs(exact).max())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_a_long_product_of_16_bits_is_as_exact_as_that_of_a_tree(dtype):
    x = jnp.asarray(np.random.default_rng(0).uniform(0.9, 1.1, 2000), dtype)
    found, expected = both("cumprod", x, axis=0)
    exact = np.cumprod(np.asarray(x).astype(np.float64))
    off, by_tree = (np.abs(one.astype(np.float64) / exact - 1).max() for one in (found, expected))
    assert off <= max(by_tree, float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("name", ["cumsum", "cumlogsumexp"])
def test_what_is_not_finite_stays_what_jit_makes_of_it(name):
    x = jnp.ones((200, 8)).at[50, 0].set(jnp.inf).at[50, 1].set(-jnp.inf).at[50, 2].set(jnp.nan)
    x = x.at[:, 3].set(-jnp.inf).at[90, 0].set(-jnp.inf).at[90, 4].set(jnp.inf).at[10, 5].set(3e38)
    x = x.at[60, 5].set(3e38).at[70, 5].set(-3e38).at[:, 6].set(jnp.inf)
    found, expected = both(name, x, axis=0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(63,), (63, 1000), (0, 3)])
def test_a_short_axis_is_left_to_xla(shape):
    graph = tg.function(lambda x: jnp.cumsum(x, 0)).graph(jnp.ones(shape))
    assert "platform_index" not in [op.name for op in graph.body]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn])
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_short_numbers_lie_in_32_bits_while_a_loop_changes_them(name, dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=300), dtype)
    run = getattr(jax.lax, name)
    graph = tg.function(run).graph(x)
    loops = [op for op in walk(graph.body) if op.name in ("scan", "while")]
    assert loops
    kept = {str(value.type) for op in loops for value in op.results}
    assert any(text.startswith("f32[300") for text in kept), kept
    expected = jax.jit(run)(x)
    found = tg.function(run)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.astype(jnp.float32), expected.astype(jnp.float32))
