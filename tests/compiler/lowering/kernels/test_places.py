"""The kernel of argsort against XLA: ties, nan, both zeros, denormal numbers, any axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
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


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint32", "int8"])
def test_what_stands_beside_moves_along(axis, dtype):
    """Equal numbers, nans and both zeros keep the order of what stands beside them."""
    rng = np.random.default_rng(axis)
    x = np.round(rng.normal(size=(70, 30)) * 3).astype(np.float32)
    if dtype in ("float32", "bfloat16"):
        x = np.where(rng.random(x.shape) < 0.4, rng.choice(EDGES, x.shape), x)
    beside = (rng.normal(size=x.shape).astype(np.float32), rng.random(x.shape) < 0.5)
    arguments = (jnp.asarray(x).astype(dtype), *map(jnp.asarray, beside))

    def order(*operands):
        return lax.sort(operands, axis, num_keys=1)

    outcome = apply(KERNELS["sort-of-packed"].rule(always=True), graph_of(order, arguments))
    assert outcome.log.firings
    found = jax.jit(function_of(outcome.graph))(*arguments)
    for one, other in zip(jax.jit(order)(*arguments), found, strict=True):
        one, other = np.asarray(one).astype(np.float64), np.asarray(other).astype(np.float64)
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(np.signbit(one)[one == 0], np.signbit(other)[one == 0])


@pytest.mark.parametrize("size", [9000, 70000])
def test_a_permutation_keeps_its_bits(size):
    """It sorts twice where there are many numbers: places first, then what came of that."""

    def shuffle(key):
        return jax.random.permutation(key, size)

    step, key = tg.function(shuffle), jax.random.key(5)
    assert "argsort-of-packed" in [firing.rule for firing in step.trace(key).rewrites]
    np.testing.assert_array_equal(jax.jit(shuffle)(key), step(key))
