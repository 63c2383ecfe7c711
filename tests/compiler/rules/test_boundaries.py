"""Laws at the ends of the types: integers that wrap round, floats that overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg

LONG = np.zeros(300, np.float32)
LONG[201] = 1
WIDE = np.random.default_rng(0).normal(size=(32, 300)).astype(np.float32)
BYTES = np.array([3, 7], np.uint8), np.array([0, 2], np.uint8)


def with_places(kind):
    """Sorts with the places in a type that cannot count so far."""
    places = lax.broadcasted_iota(kind, WIDE.shape, 1)
    return lambda x: lax.sort((x, places), dimension=1, num_keys=1)


CASES = {
    "remainder of a narrowed index": (lambda x: jnp.argmax(x).astype(jnp.int8) % 7, LONG),
    "quotient of narrowed places": (
        lambda x: x + jnp.arange(300).astype(jnp.int8) // 3,
        np.zeros(300, np.int8),
    ),
    "remainder of a narrow index": (lambda x: lax.argmax(x, 0, jnp.int8) % 7, LONG),
    "quotient of a quotient by zero": (
        lambda a, b: lax.div(a.astype(jnp.int32), b.astype(jnp.int32)) // 3,
        *BYTES,
    ),
    "numbers sorted with narrow places": (with_places(jnp.int8), WIDE),
    "numbers sorted with unsigned places": (with_places(jnp.uint8), WIDE),
    "picked by a narrow index": (lambda x: x[lax.argmax(x, 0, jnp.int8)], LONG),
    "half-precision reciprocal of a square": (
        lambda x: x**-2.0,
        np.array([300, 500], np.float16),
    ),
    "maximum of what overflows to nan": (
        lambda x: x.astype(jnp.float8_e4m3fn).max().astype(jnp.float32),
        np.array([-1e5, 1, 2] * 6, np.float32),
    ),
    "filled with nan, to the power of zero": (
        lambda x, i: jnp.take(lax.integer_pow_p.bind(x, y=0), i, axis=0),
        np.arange(100, dtype=np.float32),
        np.array([1, 200]),
    ),
    "zero in a type without one": (
        lambda m: m.astype(jnp.float8_e8m0fnu).astype(jnp.float32),
        np.array([True, False]),
    ),
    "products of groups": (
        lambda x: jnp.prod(x.reshape(4, 32, 32, 8, 2), axis=(1, 2, 4)),
        np.tile(np.array([2, 0.5], np.float32), (4, 32, 32, 8)),
    ),
}


@pytest.mark.parametrize("level", ["exact", "rounding"])
@pytest.mark.parametrize("name", CASES)
def test_as_jit(name, level):
    fun, *arguments = CASES[name]
    expected = jax.tree.leaves(jax.jit(fun)(*arguments))
    found = jax.tree.leaves(tg.function(fun, numerics=level)(*arguments))
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(
            np.asarray(other, np.float64), np.asarray(one, np.float64), rtol=1e-3
        )
