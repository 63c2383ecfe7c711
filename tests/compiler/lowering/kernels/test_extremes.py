"""The kernels of reductions over rows against XLA: ties, nan, both zeros."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.kernels import KERNELS
from compiler.lowering.rule_cases import apply, function_of, graph_of

EDGES = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0)


def numbers(seed, shape, share):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=shape)).astype(np.float32)
    return np.where(rng.random(shape) < share, rng.choice(np.array(EDGES, np.float32), shape), x)


def both(name, function, x):
    """What plain jit gives, and what the kernel gives where it is forced."""
    outcome = apply(KERNELS[name].rule(always=True), graph_of(function, (x,)))
    assert outcome.log.firings
    (found,) = jax.jit(function_of(outcome.graph))(x)
    return np.asarray(jax.jit(function)(x)), np.asarray(found)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_of_rows(name):
    reduction = {"max": jnp.max, "min": jnp.min}[name]
    x = numbers(0, (9, 4, 5), 0.1)
    expected, found = both("extreme-by-rows", lambda x: reduction(x, 0), x)
    np.testing.assert_array_equal(expected, found)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(expected)[is_number], np.signbit(found)[is_number])
