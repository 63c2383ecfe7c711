"""Rules on elements of few bits, on numbers that become known, and on scalars beside arrays."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.defaults import none_parameters

ELEMENTS = ("int4", "uint4", "int8", "uint8", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2")


def _same_bits(program, *arguments):
    found, expected = tg.function(program)(*arguments), jax.jit(program)(*arguments)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("name", ELEMENTS)
def test_small_elements_are_ordered_as_jit_orders_them(name, recwarn):
    x = (jnp.array([5, 0, 3, 7] * 4) - 4 * (name == "int4")).astype(name)
    _same_bits(lambda x: jnp.sort(x)[:3], x)
    _same_bits(lambda x: jnp.sort(x)[-1:], x)
    _same_bits(lambda x: jnp.argsort(x)[:3], x)
    _same_bits(lambda x: jax.lax.map(lambda t: t + t, x.reshape(4, 4)).max(0), x)
    _same_bits(lambda x: jax.lax.map(lambda t: t + t, x.reshape(4, 4)).min(0), x)
    assert not [w for w in recwarn.list if issubclass(w.category, tg.OptimizationWarning)]


@pytest.mark.parametrize(
    "program",
    [
        lambda x: 1 // (x < x),
        lambda x: 1 // ((x ^ x) > 0).astype(int),
        lambda x: x % (x < x),
        lambda x: x // ((x != x) * 2),
        lambda x: jax.lax.div(x, (x - x)[::-1]),
    ],
)
def test_a_divisor_that_becomes_zero_does_not_reach_xla(program):
    """XLA's own folding of a division by zero ends the process."""
    x = jnp.arange(3)
    with jax.disable_jit():
        expected = program(x)
    np.testing.assert_array_equal(tg.function(program)(x), expected)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: jnp.stack([x.sum() + 1, x.sum() + 1]),
        lambda x: jnp.abs(x) ** jnp.inf,
        lambda x: jnp.abs(x) ** jnp.nan,
        jax.vmap(lambda s: jnp.imag(jax.lax.complex(s, 0.0))),
        jax.vmap(lambda s: jnp.real(jax.lax.complex(0.0, s))),
        lambda x: jnp.clip(x > 1, False, True),
        lambda x: jax.lax.clamp(jnp.zeros(3, bool), x != x, jnp.ones(3, bool)),
    ],
)
def test_programs_that_rules_are_not_for(program):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _same_bits(program, jnp.arange(3.0))


@pytest.mark.parametrize(
    "program",
    [
        lambda m, w, s: jnp.concatenate([m * w, s * m]),
        lambda m, w, s: jnp.concatenate([s * m, m * w, s * w], 1),
        lambda m, w, s: jnp.concatenate([m**w, m**s]),
        lambda m, w, s: jnp.concatenate([m[0] * w[0], s * m[1]]),
        lambda m, w, s: jnp.concatenate([jnp.where(m > w, m, w), jnp.where(s > 0, m, w)]),
        lambda m, w, s: jnp.stack([m * w, s * m], 1),
    ],
)
def test_pieces_of_an_array_and_of_a_number_beside_each_other(program):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = jnp.arange(9.0).reshape(3, 3)
        _same_bits(program, m, m + 1, jnp.float32(2))


def test_dimension_numbers_of_a_range():
    numbers = jax.lax.ScatterDimensionNumbers(range(1), (1,), (1,))

    def program(updates):
        return jax.lax.scatter_add(jnp.zeros((4, 9)), jnp.array([[3], [6], [7]]), updates, numbers)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _same_bits(program, jnp.ones((4, 3)))


@pytest.mark.usefixtures("x64")
def test_rules_that_build_ops_where_numbers_have_64_bits():
    none_parameters.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _same_bits(lambda x: x @ x.T, jnp.ones((256, 128), jnp.float32))
