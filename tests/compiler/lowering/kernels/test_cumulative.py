"""Cumulative ops row by row, bit for bit where plain jit fixes the bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
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


@pytest.mark.parametrize("shape", [(63,), (63, 1000), (0, 3)])
def test_a_short_axis_is_left_to_xla(shape):
    graph = tg.function(lambda x: jnp.cumsum(x, 0)).graph(jnp.ones(shape))
    assert "platform_index" not in [op.name for op in graph.body]
