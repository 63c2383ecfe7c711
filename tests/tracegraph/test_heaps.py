"""The blocks of memory that XLA is told to use reach it, at every level, and are explained."""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
import tracegraph.specializer
import tracegraph.tuner
from compiler.lowering import jax_compat
from compiler.lowering.heaps import BLOCK, IN_BLOCKS, NAME
from tracegraph.retraces.clock import measuring

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for glibc")

MINE = {"compiler_options": {NAME: 2 * BLOCK}}
X, W = jnp.full((2048, 1024), 0.5), jnp.eye(1024)


def layers(x, w):
    for _ in range(6):
        x = jnp.tanh(x @ w)
    return x.sum()


deep = jax.value_and_grad(layers)


@pytest.mark.parametrize("numerics", ["exact", "rounding"])
def test_reach_xla_whatever_the_level(options, numerics):
    step, plain = tg.function(deep, numerics=numerics), tg.function(deep, numerics=numerics, **MINE)
    found, expected = (jax.tree.leaves(run(X, W)) for run in (step, plain))
    assert dict([IN_BLOCKS]) in options
    held = plain.lower(X, W).compile().memory_analysis().temp_size_in_bytes
    assert held > BLOCK
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_the_user_says_wins(options):
    step = tg.function(deep, **MINE)
    step(X, W)
    assert MINE["compiler_options"] in options
    assert dict([IN_BLOCKS]) not in options
    assert f"{NAME}={BLOCK}" not in str(step.explain(X, W))


def test_given_away_arguments_are_written_over(options):
    step = tg.function(lambda x, w: x + deep(x, w)[1], donate_argnums=0)
    given = jnp.array(X)
    step(given, W)
    assert dict([IN_BLOCKS]) in options
    assert given.is_deleted()


def test_is_explained():
    assert f"XLA is told: {NAME}={BLOCK}" in str(tg.function(deep).explain(X, W))
    small = tg.function(deep).explain(X[:8], W)
    assert NAME not in str(small)


def test_loops_count_what_is_in_them():
    def looped(x, w):
        return jax.lax.fori_loop(0, 3, lambda _, x: layers_of(x, w), x)

    def layers_of(x, w):
        return jnp.tanh(jnp.tanh(jnp.tanh(jnp.tanh(x @ w) @ w) @ w) @ w)

    assert f"{NAME}={BLOCK}" in str(tg.function(looped).explain(X, W))


def test_tuned_functions_have_them_in_this_process_and_the_next(tmp_path, options):
    settings = tg.Autotune(seconds=0, progress=False, folder=tmp_path)
    for _ in range(2):  # the second one finds its choice on disk
        tuned = tg.function(deep, autotune=settings)
        del options[:]
        tuned(X, W)
        assert dict([IN_BLOCKS]) in options
        explained = tuned.explain(X, W)
        assert NAME not in str(explained.tuned)
        assert f"XLA is told: {NAME}={BLOCK}" in str(explained)


@pytest.mark.parametrize("is_kept", [False, True])
def test_tuning_measures_what_runs(tmp_path, monkeypatch, options, is_kept):
    kept = []
    monkeypatch.setattr(tracegraph.tuner, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(jax_compat, "keeps_executables", lambda: is_kept)
    settings = tg.Autotune(seconds=0, progress=False, folder=tmp_path)
    tg.function(jax.grad(lambda x, w: layers(x, w)), autotune=settings)(X, W)
    assert bool(kept) is not is_kept
    assert (dict([IN_BLOCKS]) in options) is not is_kept


def test_only_programs_in_blocks_have_freed_memory_kept(monkeypatch):
    kept = []
    monkeypatch.setattr(tracegraph.specializer, "keep_freed_memory", lambda: kept.append(True))
    fresh = tg.function(jax.grad(lambda x, w: layers(x, w)))
    fresh(X[:8], W)
    assert not kept
    fresh(X, W)
    assert kept


def test_programs_with_side_effects_are_compiled_once(options):
    def loud(x, w):
        jax.debug.callback(lambda _: None, x[0, 0])
        return deep(x, w)

    step = tg.function(loud)
    step(X, W)
    assert dict([IN_BLOCKS]) in options
    with measuring() as spent:
        step(X, W)
    jax.effects_barrier()
    assert not spent.compiled


def test_large_captured_arrays_are_no_exception(monkeypatch, options):
    kept, large = [], jnp.ones((3 * 1024, 3 * 1024))
    monkeypatch.setattr(tracegraph.specializer, "keep_freed_memory", lambda: kept.append(True))
    tg.function(jax.grad(lambda x, w: layers(x, w) + (large * x[0, 0]).sum()))(X, W)
    assert dict([IN_BLOCKS]) in options
    assert kept


def test_what_is_compiled_ahead_of_time_can_be_saved(options):
    compiled = tg.function(deep).lower(X, W).compile()
    assert dict([IN_BLOCKS]) not in options
    data, tree = jax_compat.executable_bytes(compiled), jax.tree.structure(((X, W), {}))
    again = jax_compat.executable_from(data, tree)
    np.testing.assert_array_equal(again(X, W)[1], compiled(X, W)[1])


def test_programs_that_are_kept_on_disk(tmp_path, options):
    step = tg.function(deep, cache=tg.Cache(tmp_path))
    step(X, W)
    assert dict([IN_BLOCKS]) not in options
    assert not step.cache_info().declined
    assert step.cache_info().misses == 1


def test_programs_that_jax_keeps_on_disk(tmp_path, monkeypatch, options):
    assert not jax_compat.keeps_executables()
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    try:
        assert jax_compat.keeps_executables()
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    monkeypatch.setattr(jax_compat, "keeps_executables", lambda: True)
    tg.function(jax.value_and_grad(lambda x, w: layers(x, w)))(X, W)
    assert dict([IN_BLOCKS]) not in options


def test_a_size_of_the_users_own_leaves_the_library_alone(monkeypatch):
    monkeypatch.setattr(tracegraph.specializer, "keep_freed_memory", pytest.fail)
    tg.function(jax.grad(lambda x, w: layers(x, w)), **MINE)(X, W)
