"""The kernels of sorts against XLA, bit for bit: nan, both zeros, denormal numbers, any axis."""

from __future__ import annotations

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from tests.compiler.lowering.kernels.forced import both

TINY = np.float32(1e-45)
NEGATIVE_NAN = np.array(0xFFC00001, np.uint32).view(np.float32)
EDGES = {
    "numbers": (1.0, -1.0, 3e38, -3e38),
    "nan": (np.nan, NEGATIVE_NAN, np.inf, -np.inf, 0.0),
    "zeros": (-0.0, 0.0),
    "negative zeros": (-0.0,),
    "denormal": (TINY, -TINY, 2 * TINY, 0.0),
    "denormal and zeros": (TINY, -TINY, -0.0, 0.0),
}


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_sort(edges, axis, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 30)).astype(np.float32)
    edges = rng.choice(np.array(edges, np.float32), x.shape)
    x = np.where(rng.random(x.shape) < 0.4, edges, x).astype(dtype)
    expected, found = both("sort-by-integers", lambda x: jnp.sort(x, axis), x)
    assert expected.dtype == found.dtype == dtype
    is_number = ~np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(found.astype(np.float32)), ~is_number)
    bits = f"u{np.dtype(dtype).itemsize}"
    expected, found = expected[is_number].view(bits), found[is_number].view(bits)
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("function", [jnp.median, lambda x: jnp.quantile(x, 0.3, 0)])
def test_what_sorts_inside(function):
    x = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    expected, found = both("sort-by-integers", lambda x: function(x), x)
    np.testing.assert_array_equal(expected, found)
