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


def shifted(x, combine):
    """A window of the image that begins anywhere, against what does not move."""

    def step(i, seen):
        start = (0, i // 9, i % 9, 0)
        part = jax.lax.dynamic_slice(x, start, (2, 48, 48, 3))
        return seen + combine((part - x[:, :48, :48]) ** 2)

    return jax.lax.fori_loop(0, 81, step, jnp.zeros((2, 48, 48)))


def from_row(x):
    """Distances to one point after the other, of which only its row moves."""

    def step(i, seen):
        return seen + jnp.exp(-((x - x[i]) ** 2).sum(-1))

    return jax.lax.fori_loop(0, 9, step, jnp.zeros(len(x)))


USED["distances one by one"] = (from_row, wide(3))
LEFT = {
    "shifted image": (lambda x: shifted(x, lambda d: jnp.exp(-d.sum(-1))), IMAGES),
    "largest of a shifted image": (lambda x: shifted(x, lambda d: d.max(-1)), IMAGES),
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
