"""The kernel of argsort against XLA: ties, nan, both zeros, denormal numbers, any axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.lowering.kernels import KERNELS
from compiler.lowering.rule_cases import apply, function_of, graph_of

TINY = np.float32(1e-45)
EDGES = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, 2 * TINY], np.float32)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint32", "int8"])
@pytest.mark.parametrize("seed", range(3))
def test_numbers_and_places(axis, dtype, seed):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(70, 30)) * 3).astype(np.float32)
    if dtype in ("float32", "bfloat16"):
        x = np.where(rng.random(x.shape) < 0.4, rng.choice(EDGES, x.shape), x)
    x = jnp.asarray(x).astype(dtype)

    def order(x):
        return lax.sort((x, lax.broadcasted_iota(np.int32, x.shape, axis)), axis, num_keys=1)

    outcome = apply(KERNELS["argsort-of-packed"].rule(always=True), graph_of(order, (x,)))
    assert outcome.log.firings
    expected, found = jax.jit(order)(x), jax.jit(function_of(outcome.graph))(x)
    np.testing.assert_array_equal(expected[1], found[1])
    np.testing.assert_array_equal(
        np.asarray(expected[0]).astype(np.float64), np.asarray(found[0]).astype(np.float64)
    )
