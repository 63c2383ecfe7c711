"""The blocks of memory that XLA is told to use reach it, at every level, and are explained."""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.heaps import BLOCK, IN_BLOCKS, NAME

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for glibc")

X, W = jnp.full((2048, 1024), 0.5), jnp.eye(1024)


def deep(x, w):
    for _ in range(4):
        x = jnp.tanh(x @ w)
    return x.sum()


@pytest.fixture
def options(monkeypatch):
    """The compiler options of each ``jax.jit`` that is made from here on."""
    seen, jit = [], jax.jit

    def watched(fun, **kwargs):
        seen.append(kwargs.get("compiler_options"))
        return jit(fun, **kwargs)

    monkeypatch.setattr(jax, "jit", watched)
    return seen


@pytest.mark.parametrize("numerics", ["exact", "rounding"])
def test_reach_xla_whatever_the_level(options, numerics):
    found = tg.function(deep, numerics=numerics)(X, W)
    assert dict([IN_BLOCKS]) in options
    np.testing.assert_array_equal(found, tg.function(deep, compiler_options={NAME: -1})(X, W))


def test_what_the_user_says_wins(options):
    tg.function(deep, compiler_options={NAME: 2 * BLOCK})(X, W)
    assert {NAME: 2 * BLOCK} in options
    assert dict([IN_BLOCKS]) not in options


def test_given_away_arguments_are_written_over(options):
    step = tg.function(lambda x, w: (x + deep(x, w), w), donate_argnums=0)
    given = jnp.array(X)
    step(given, W)
    assert dict([IN_BLOCKS]) in options
    assert given.is_deleted()


def test_is_explained():
    assert f"XLA is told: {NAME}={BLOCK}" in str(tg.function(deep).explain(X, W))
    small = tg.function(deep).explain(X[:8], W)
    assert NAME not in str(small)


def test_tuning_departs_from_it(tmp_path):
    settings = tg.Autotune(seconds=0, progress=False, folder=tmp_path)
    tuned = tg.function(deep, autotune=settings)
    tuned(X, W)
    assert f"{NAME}={BLOCK}" in str(tuned.explain(X, W))
