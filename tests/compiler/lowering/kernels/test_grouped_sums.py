"""Reductions within groups of channels: where the kernels are used, and group norm with them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels import KERNELS

NAMES = {"sum-of-groups-by-rows", "extreme-of-groups-by-rows"}
SHAPE = (4, 16, 16, 32)

pytestmark = pytest.mark.skipif(
    not KERNELS["sum-of-groups-by-rows"].is_current, reason="jaxlib is as fast without"
)


def _used(fun, *args) -> set[str]:
    return {one.rule for one in tg.function(fun).trace(*args).rewrites} & NAMES


def _groups(x, count):
    return x.reshape(*x.shape[:-1], count, -1)


def _norm(x):
    groups = _groups(x, 8)
    mean = groups.mean((1, 2, 4), keepdims=True)
    scale = jax.lax.rsqrt(jnp.square(groups).mean((1, 2, 4), keepdims=True) - mean**2 + 1e-5)
    return ((groups - mean) * scale).reshape(x.shape)


def _x(seed: int = 0, shape=SHAPE) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_group_norm_uses_it_and_its_gradient_is_right():
    def loss(x):
        return jnp.sum(_norm(x) ** 3)

    x = _x()
    assert _used(_norm, x) == {"sum-of-groups-by-rows"}
    np.testing.assert_allclose(tg.function(_norm)(x), jax.jit(_norm)(x), rtol=1e-4, atol=1e-5)
    step = tg.function(jax.grad(loss))
    np.testing.assert_allclose(step(x), jax.jit(jax.grad(loss))(x), rtol=1e-3, atol=1e-4)


def test_flax_group_norm_uses_it():
    nn = pytest.importorskip("flax.linen")
    layer, x = nn.GroupNorm(8), _x()
    variables = layer.init(jax.random.key(0), x)
    assert _used(layer.apply, variables, x) == {"sum-of-groups-by-rows"}
    found, expected = tg.function(layer.apply)(variables, x), layer.apply(variables, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reduction", [jnp.max, jnp.min])
def test_extremes_keep_every_bit(reduction):
    def fun(x):
        return reduction(_groups(x, 8), (1, 2, 4))

    x = _x().at[0, 3, 3, 1].set(jnp.nan).at[1, 0, 0, 5].set(jnp.inf).at[2, 1].set(-0.0)
    x = x.at[3, :, :, :4].set(0.0).at[3, 2, 2, 1].set(-0.0)
    assert _used(fun, x) == {"extreme-of-groups-by-rows"}
    found, expected = np.asarray(tg.function(fun)(x)), np.asarray(jax.jit(fun)(x))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_an_infinity_in_one_group_stays_there():
    def fun(x):
        return _groups(x, 8).sum((1, 2, 4))

    x = _x().at[0, 3, 3, 1].set(jnp.inf).at[1, 2, 2, 9].set(jnp.nan)
    found, expected = tg.function(fun)(x), jax.jit(fun)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: _groups(x, 1).sum((1, 2, 4)),
        lambda x: _groups(x, 8).sum((1, 2, 3, 4)),
        lambda x: _groups(x, 8).sum(-1),
        lambda x: _groups(x, 8).sum((1, 2)),
        lambda x: x.reshape(4, 16, 64, 2, 4).sum((1, 2, 4)),
        lambda x: _groups((x * 9).astype(int), 8).sum((1, 2, 4)),
        lambda x: _groups(x.astype(jnp.bfloat16), 8).max((1, 2, 4)),
        lambda x: _groups(jnp.concatenate([x] * 2, -1), 2).sum((1, 2, 4)),
    ],
)
def test_others_stay(fun):
    assert not _used(fun, _x())


def test_small_ones_stay():
    assert not _used(lambda x: _groups(x, 4).sum((1, 3)), _x(shape=(2, 8, 16)))
