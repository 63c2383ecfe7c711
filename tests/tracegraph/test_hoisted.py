"""Large captured arrays are hidden arguments of the compiled program, and nobody can tell."""

from __future__ import annotations

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import hoisting
from tracegraph import hoisted
from tracegraph.program import OptimizationWarning

_SIDE = 512


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of that side is large."""
    monkeypatch.setattr(hoisting, "MIN_TOTAL", 4 * _SIDE**2)
    monkeypatch.setattr(hoisting, "MIN_BYTES", 4 * _SIDE**2)


def _weights(seed: int = 0) -> jax.Array:
    numbers = np.random.default_rng(seed).standard_normal((_SIDE, _SIDE)).astype(np.float32)
    return jnp.asarray(numbers / _SIDE)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many arrays each program that was compiled in the test took without being given them."""
    counts: list[int] = []
    real = hoisted.hoist_constants

    def counting(jaxpr):
        found = real(jaxpr)
        counts.append(0 if found is None else len(found.arrays))
        return found

    monkeypatch.setattr(hoisted, "hoist_constants", counting)
    return counts


def test_values_trees_and_commitment_are_jits(compiled: list[int]):
    w, same, other = _weights(), _weights(), _weights(1)

    def fun(x, *, scale=1.0):
        return {"y": x @ w * scale, "z": (x @ same, x @ other.T)}

    step, plain = tg.function(fun), jax.jit(fun)
    for factor in (1.0, 2.0):
        x = jnp.ones((3, _SIDE)) * factor
        found, expected = step(x, scale=3.0), plain(x, scale=3.0)
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), found, expected)
        assert not found["y"].committed
    assert compiled == [2]


def test_a_hit_asks_nobody(compiled: list[int]):
    w, runs = _weights(), []

    @tg.function
    def step(x):
        runs.append(1)
        return x @ w

    x = jnp.ones((2, _SIDE))
    expected = 2 * np.array(step(x))
    twice = x * 2
    with jax.no_tracing():
        found = step(twice)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert (len(runs), compiled) == (1, [1])


def test_static_and_donated_arguments(compiled: list[int]):
    w = _weights()

    def fun(mode, state, x, *, last="no"):
        return state + (x @ w if mode == "on" else x), last == "yes"

    step = tg.function(fun, static_argnums=0, static_argnames="last", donate_argnums=1)
    for mode, last in (("on", "no"), ("off", "yes"), ("on", "yes")):
        x, state = jnp.ones((2, _SIDE)), jnp.zeros((2, _SIDE))
        found, flag = step(mode, state, x, last=last)
        expected, _ = fun(mode, jnp.zeros((2, _SIDE)), x, last=last)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert state.is_deleted()
        assert bool(flag) == (last == "yes")
    assert compiled == [1, 0, 1]


def test_the_captured_array_may_go(compiled: list[int]):
    w = _weights()
    step = tg.function(lambda x: x @ w)
    x = jnp.ones((2, _SIDE))
    expected = np.array(step(x))
    w.delete()
    np.testing.assert_array_equal(step(x), expected)
    assert compiled == [1]


def test_a_program_that_was_dropped_from_jits_cache_comes_back(compiled: list[int]):
    w = _weights()
    step = tg.function(lambda x: x @ w)
    x = jnp.ones((2, _SIDE))
    expected = np.array(step(x))
    jax.clear_caches()
    np.testing.assert_array_equal(step(x), expected)
    step.clear_cache()
    np.testing.assert_array_equal(step(x), expected)
    assert compiled[0] == 1


def test_other_kinds_of_the_same_argument(compiled: list[int]):
    w = _weights()
    step = tg.function(lambda x, s: x @ w * s)
    x = np.ones((2, _SIDE), np.float32)
    found = [step(x, 2), step(jnp.asarray(x), 2), step(jax.device_put(x, jax.devices()[0]), 2)]
    for one in found:
        np.testing.assert_array_equal(one, found[0])
    assert [one.committed for one in found] == [False, False, True]


def test_under_transformations(compiled: list[int]):
    w = _weights()

    def fun(x):
        return jnp.sum(jnp.sin(x @ w))

    step, x = tg.function(fun), jnp.ones((2, _SIDE))
    np.testing.assert_allclose(jax.grad(step)(x), jax.grad(fun)(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(step)(x), jax.vmap(fun)(x), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(step)(x), fun(x), rtol=1e-5)
    assert compiled == []


def test_printing_functions_keep_their_effects(capsys: pytest.CaptureFixture[str]):
    w = _weights()

    @tg.function
    def step(x):
        jax.debug.print("called")
        return x @ w

    for _ in range(3):
        step(jnp.ones((2, _SIDE)))
    jax.effects_barrier()
    assert capsys.readouterr().out.count("called") == 3


def test_nan_checks_of_jax_find_the_line():
    w = _weights()
    step = tg.function(lambda x: jnp.log(x @ w * 0 - 1))
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        step(jnp.ones((2, _SIDE)))


def test_a_failure_breaks_no_call(monkeypatch: pytest.MonkeyPatch):
    def failing(jaxpr):
        raise RuntimeError("no")

    monkeypatch.setattr(hoisted, "hoist_constants", failing)
    w, x = _weights(), jnp.ones((2, _SIDE))
    step = tg.function(lambda x: x @ w)
    with pytest.warns(OptimizationWarning, match="hoisting the constants"):
        np.testing.assert_allclose(step(x), x @ w, rtol=1e-5, atol=1e-5)


def test_what_lower_gives_holds_its_constants():
    w, x = _weights(), jnp.ones((2, _SIDE))
    step = tg.function(lambda x: x @ w)
    np.testing.assert_allclose(step.lower(x).compile()(x), step(x), rtol=1e-5, atol=1e-5)


def test_the_copies_go_with_the_function():
    w, x = _weights(), jnp.ones((2, _SIDE))
    step = tg.function(lambda x: x @ w)
    step(x)
    copies = [a for a in jax.live_arrays() if a.shape == w.shape and a is not w]
    held = [weakref.ref(one) for one in copies]
    assert held
    del step, copies
    gc.collect()
    assert not any(one() for one in held)


def test_nnx_weights_are_arguments_anyway(compiled: list[int]):
    nnx = pytest.importorskip("flax.nnx")
    layer = nnx.Linear(_SIDE, _SIDE, rngs=nnx.Rngs(0))
    x = jnp.ones((2, _SIDE))
    step = tg.function(lambda x: layer(x))
    np.testing.assert_allclose(step(x), layer(x), rtol=1e-5, atol=1e-5)
    layer.bias[...] = layer.bias[...] + 1
    np.testing.assert_allclose(step(x), layer(x), rtol=1e-5, atol=1e-5)
    assert set(compiled) <= {0}


def test_several_devices_keep_constants():
    if jax.device_count() < 2:
        pytest.skip("one device")
    w, x = _weights(), jnp.ones((2, _SIDE))
    step = tg.function(lambda x: x @ w)
    for device in jax.devices()[:2]:
        found = step(jax.device_put(x, device))
        assert found.devices() == {device}
        np.testing.assert_allclose(found, np.asarray(x @ w), rtol=1e-5, atol=1e-5)


def test_a_transfer_guard_sees_no_transfer(compiled: list[int], recwarn: pytest.WarningsRecorder):
    w, x = _weights(), jnp.ones(_SIDE)
    step = tg.function(lambda x: w @ x)
    with jax.transfer_guard("disallow"):
        found = step(x)
    np.testing.assert_allclose(found, jax.jit(lambda x: w @ x)(x), rtol=1e-5)
    assert compiled == [1]
    assert not recwarn.list
