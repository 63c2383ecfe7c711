"""Constants as inputs: the same values, equal arrays once, and what is known computed once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering import hoisting, jax_compat
from compiler.lowering.hoisting import Hoisted, hoist_constants

_TOTAL = 1 << 20
_SIDE = int((_TOTAL // 4) ** 0.5)
"""A square matrix of so many rows is as large as everything together has to be."""


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte is large."""
    monkeypatch.setattr(hoisting, "MIN_TOTAL", _TOTAL)
    monkeypatch.setattr(hoisting, "MIN_BYTES", _TOTAL // 16)


def _weights(seed: int = 0, dtype: str = "float32") -> jax.Array:
    numbers = np.random.default_rng(seed).standard_normal((_SIDE, _SIDE)).astype(np.float32)
    return jnp.asarray(numbers / _SIDE, dtype)


def _hoisted(fun, *args) -> Hoisted | None:
    found = hoist_constants(jax.make_jaxpr(fun)(*args))
    if found is None:
        return None
    run = jax.jit(jax_compat.jaxpr_function(found.jaxpr))
    results = run(*[found.arrays[place] for place in found.places], *args)
    expected = jax.jit(fun)(*args)
    np.testing.assert_allclose(results[0], expected, rtol=2e-5, atol=1e-5)
    return found


def test_a_large_constant_is_an_input():
    w = _weights()
    found = _hoisted(lambda x: x @ w, jnp.ones((2, _SIDE)))
    assert found is not None
    assert not jax_compat.split_jaxpr(found.jaxpr).constants
    assert [array.shape for array in found.arrays] == [w.shape]


def test_the_copy_is_nobody_elses():
    w = _weights()
    found = hoist_constants(jax.make_jaxpr(lambda x: x @ w)(jnp.ones((2, _SIDE))))
    expected = np.array(w)
    w.delete()
    assert found is not None
    np.testing.assert_array_equal(found.arrays[0], expected)
    assert not found.arrays[0].committed


def test_a_numpy_array_may_change_afterwards():
    w = np.array(_weights())
    found = hoist_constants(jax.make_jaxpr(lambda x: x @ w)(jnp.ones((2, _SIDE))))
    expected, w[:] = w.copy(), 0
    assert found is not None
    np.testing.assert_array_equal(found.arrays[0], expected)


def test_equal_arrays_are_one_and_others_are_not():
    one, same, other, nearly = _weights(), _weights(), _weights(1), _weights().at[-1, -1].add(1)

    def fun(x):
        return x @ one + x @ same * 2 + x @ other + x @ nearly

    found = _hoisted(fun, jnp.ones((2, _SIDE)))
    assert found is not None
    assert list(found.places) == [0, 0, 1, 2]


def test_equal_numbers_of_other_signs_are_two():
    zero, minus = jnp.zeros((_SIDE, _SIDE)), -jnp.zeros((_SIDE, _SIDE))
    found = _hoisted(lambda x: jnp.copysign(x, zero) + jnp.copysign(x, minus), zero + 1)
    assert found is not None
    assert list(found.places) == [0, 1]


def test_what_depends_on_constants_alone_is_computed_once():
    w = _weights()
    found = _hoisted(lambda x: x @ (jnp.exp(w) * 2).T, jnp.ones((2, _SIDE)))
    assert found is not None
    names = [equation.primitive.name for equation in jax_compat.split_jaxpr(found.jaxpr).equations]
    assert names == ["dot_general"]
    np.testing.assert_allclose(found.arrays[0], (jnp.exp(w) * 2).T, rtol=1e-6)


def test_a_cast_to_a_wider_type_is_computed_once_too():
    w = jnp.concatenate([_weights(dtype="bfloat16")] * 2)
    found = _hoisted(lambda x: x @ w.astype(jnp.float32), jnp.ones((2, 2 * _SIDE)))
    assert found is not None
    assert [array.dtype for array in found.arrays] == [jnp.float32]


def test_what_makes_much_of_little_stays():
    w = _weights()

    def fun(x):
        return jnp.sum(jnp.broadcast_to(w, (4, *w.shape)) + x[:, None, None], (1, 2))

    found = _hoisted(fun, jnp.ones(4))
    assert found is not None
    assert [array.shape for array in found.arrays] == [w.shape]


def test_a_constant_that_is_read_raw_and_computed_is_both():
    w = _weights()
    found = _hoisted(lambda x: x @ w + x @ jnp.sin(w), jnp.ones((2, _SIDE)))
    assert found is not None
    assert len(found.arrays) == 2


def test_a_result_that_is_a_constant():
    w = _weights()
    found = hoist_constants(jax.make_jaxpr(lambda x: (w, x))(1.0))
    assert found is not None
    results = jax_compat.jaxpr_function(found.jaxpr)(*found.arrays, 2.0)
    np.testing.assert_array_equal(results[0], w)
    assert results[1] == 2.0


def test_a_callback_runs_at_every_call():
    w = _weights()

    def fun(x):
        return x + jax.pure_callback(lambda a: a[0], jax.ShapeDtypeStruct((_SIDE,), w.dtype), w)

    found = hoist_constants(jax.make_jaxpr(fun)(jnp.ones(_SIDE)))
    assert found is not None
    names = [equation.primitive.name for equation in jax_compat.split_jaxpr(found.jaxpr).equations]
    assert "pure_callback" in names


def test_what_is_small_together_stays():
    w = jnp.ones(_TOTAL // 4 - 1)
    assert hoist_constants(jax.make_jaxpr(lambda x: x + w)(w)) is None


def test_small_constants_stay_beside_large_ones():
    w, b = _weights(), jnp.arange(float(_SIDE))
    found = _hoisted(lambda x: x @ w + b, jnp.ones((2, _SIDE)))
    assert found is not None
    assert len(jax_compat.split_jaxpr(found.jaxpr).constants) == 1


def test_random_keys_stay():
    keys, w = jax.random.split(jax.random.key(0), _TOTAL), _weights()
    found = hoist_constants(jax.make_jaxpr(lambda x: x @ w + jax.random.uniform(keys[0]))(w))
    assert found is not None
    assert [array.shape for array in found.arrays] == [w.shape]


def test_a_weak_type_stays():
    w, weak = _weights(), jax.lax.broadcast(2.0, (_TOTAL // 4,))
    found = hoist_constants(jax.make_jaxpr(lambda x: (weak, x @ w))(w))
    assert found is not None
    assert [array.shape for array in found.arrays] == [w.shape]
    assert found.jaxpr.out_avals[0].weak_type


def test_arrays_of_another_memory_stay():
    weights = jax.device_put(_weights(), jax.memory.Space.Host)
    assert hoist_constants(jax.make_jaxpr(lambda: weights)()) is None


def test_arrays_with_a_sharding_in_their_type_stay():
    axes = (jax.sharding.AxisType.Explicit,)
    mesh = jax.make_mesh((1,), ("x",), axis_types=axes, devices=jax.devices()[:1])
    places = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x", None))
    weights = jax.device_put(_weights(), places)
    assert hoist_constants(jax.make_jaxpr(lambda: weights)()) is None


def test_references_stay():
    """Read as an array, a reference would be read element by element."""
    state = jax.new_ref(_weights())

    def doubled(x):
        return x + state[...]

    assert hoist_constants(jax.make_jaxpr(doubled)(jnp.float32(1))) is None


@pytest.mark.usefixtures("x64")
def test_wider_numbers_than_are_made_here_stay():
    wide = jnp.arange(_TOTAL // 4) + (1 << 40)
    jax.config.update("jax_enable_x64", False)
    w = _weights()
    found = hoist_constants(jax.make_jaxpr(lambda x: (wide, x @ w))(w))
    assert found is not None
    assert [array.shape for array in found.arrays] == [w.shape]
    assert found.jaxpr.out_avals[0].dtype == np.int64


def _convolved(x: jax.Array, w: jax.Array) -> jax.Array:
    return jax.lax.conv(x, w, (1, 1), "SAME")


def _in_a_loop(x: jax.Array, w: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, 2, lambda _, y: _convolved(y, w), x)


@pytest.mark.parametrize("convolve", [_convolved, _in_a_loop, lambda x, w: _convolved(x, w * 2)])
def test_the_windows_of_convolutions_stay(convolve):
    window = _weights().reshape(_SIDE, _SIDE, 1, 1)
    x = jnp.ones((1, _SIDE, 2, 2))
    assert hoist_constants(jax.make_jaxpr(lambda x: convolve(x, window))(x)) is None
    w = _weights(1)
    found = _hoisted(lambda x: convolve(x, window).mean((2, 3)) @ w, x)
    assert found is not None
    np.testing.assert_array_equal(found.arrays[0], w)
    assert len(found.arrays) == 1
