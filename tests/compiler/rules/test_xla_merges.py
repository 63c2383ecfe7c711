"""Ops that XLA would make one stay apart where the program keeps them apart, at every level."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg

ROWS = np.array([1, 2])
LARGE, HALF_LARGE = np.full((64, 4), 1e30, np.float32), np.full((64, 4), 1e20, np.float32)


def full(value, *sizes):
    return np.full(sizes or (64, 4), value, np.float32)


CASES = {
    "quotient of a quotient": (lambda x, y: (x / y)[:3] / y[:3], LARGE, HALF_LARGE),
    "quotient by a quotient": (lambda x, y: x[:3] / (y / y)[:3], LARGE, HALF_LARGE),
    "sum of a sum": (lambda x: (x + 1e8)[:3] - 1e8, full(1)),
    "product of a product": (lambda x: (x * 1e30)[:3] * 1e-30, HALF_LARGE),
    "root of a square": (lambda x: jnp.sqrt((x * x)[:3]), LARGE),
    "logarithm of an exponential": (lambda x: jnp.log(jnp.exp(x)[:3]), full(200)),
    "product of exponentials": (
        lambda x, y: jnp.exp(x)[:3] * jnp.exp(y)[:3],
        full(100),
        full(-100),
    ),
    "rows of an exponential": (lambda x: jnp.log(jnp.exp(x)[ROWS]), full(200)),
    "mask by a slice": (lambda x: jnp.eye(64)[:, 8:10] * x, np.array([np.inf, 1], np.float32)),
    "mask by rows": (
        lambda p, x: (p > 0).astype(jnp.float32)[ROWS] * x,
        full(-1),
        full(np.inf, 2, 4),
    ),
    "pieces divided by one array": (
        lambda x, y: jnp.stack([x[k] / y for k in range(4)]),
        full(3e38, 4, 1000),
        full(3e38, 1000),
    ),
    "pieces that are divided again": (
        lambda x, y: jnp.concatenate([x[:2] / y[:2], x[2:] / y[2:]]) / y,
        LARGE,
        HALF_LARGE,
    ),
}


@pytest.mark.parametrize("level", ["exact", "rounding"])
@pytest.mark.parametrize("name", CASES)
def test_extreme_values_stay(name, level):
    fun, *arguments = CASES[name]
    expected = jax.jit(fun)(*arguments)
    found = tg.function(fun, numerics=level)(*arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, y: (x + y)[:3] + y[:3],
        lambda x, y: (x * y)[:3] * y[:3],
        lambda x, y: jnp.exp(x)[:3] * y[:3],
        lambda x, y: jnp.tanh(x)[:3] / y[:3],
    ],
)
def test_others_are_computed_where_they_are_read(fun):
    fired = tg.function(fun).trace(LARGE, LARGE).rewrites
    assert any(one.rule in ("computed-where-read", "rounded-where-read") for one in fired)
