"""Reductions of arrays with a narrow last axis: where they are used, and where they keep away."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg

POINTS = jax.random.normal(jax.random.key(0), (200, 3))
IMAGES = jax.random.normal(jax.random.key(1), (2, 64, 64, 3))


def wide(width):
    return jax.random.normal(jax.random.key(2), (5000, width))


def squared_distances(a, b):
    return ((a[:, None] - b[None]) ** 2).sum(-1)


USED = {
    "lengths": (lambda x: jnp.linalg.norm(x, axis=-1), wide(3)),
    "softmax": (lambda x: jax.nn.softmax(x, -1), wide(5)),
    "colours": (lambda x: x.mean(-1), IMAGES),
    "middle of points": (lambda x: x.mean(0), wide(3)),
    "distances": (lambda x: jnp.exp(-squared_distances(x, x)), POINTS),
}
LEFT = {
    "nearest point": (lambda x: squared_distances(x, x + 1).min(1), POINTS),
    "sum of all": (lambda x: jnp.sin(x.sum(-1)).sum(), wide(3)),
    "sixteen": (lambda x: x.sum(-1), wide(16)),
    "one": (lambda x: jnp.exp(x).sum(-1), wide(1)),
    "few points": (lambda x: x.sum(-1), POINTS[:20]),
    "wide, middle": (lambda x: x.mean(0), wide(4)),
}


def fired(program, x):
    return [f.rule for f in tg.function(program).trace(x).rewrites if "narrow" in f.rule]


@pytest.mark.parametrize("name", USED)
def test_used_and_right(name):
    program, x = USED[name]
    assert fired(program, x)
    np.testing.assert_allclose(tg.function(program)(x), jax.jit(program)(x), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", LEFT)
def test_left_to_xla(name):
    assert not fired(*LEFT[name])
