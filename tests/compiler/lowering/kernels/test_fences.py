"""Values behind fences: the same bits, computed once, and on their own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.fences import apart, stored

EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-45, 3.4e38, 1.5]


def _bits(array):
    return np.asarray(array).view(f"u{np.asarray(array).itemsize}")


@pytest.mark.parametrize("fence", [apart, stored])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "uint8"])
def test_a_value_keeps_its_bits(fence, dtype):
    kept = [x for x in EDGES if dtype[0] not in "iu" or x in (0.0, 1.5)]
    with np.errstate(over="ignore"):
        x = jnp.asarray(np.array(kept).astype(jnp.dtype(dtype)))
    np.testing.assert_array_equal(_bits(x), _bits(jax.jit(fence)(x)))
    batch = jnp.stack([x, x[::-1]])
    np.testing.assert_array_equal(_bits(batch), _bits(jax.jit(jax.vmap(fence))(batch)))


def test_other_numbers_than_floats_need_no_fence_to_be_apart():
    x = jnp.arange(3)
    assert apart(x) is x


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_the_other_form_is_taken_where_the_first_does_not_hold(fails, shape):
    x = jnp.ones(shape)
    found = jax.jit(lambda x, fails: or_else(x + 1, fails, lambda: x - 1))(x, fails)
    np.testing.assert_array_equal(found, x - 1 if fails else x + 1)


def test_each_element_of_a_batch_decides_for_itself():
    x = jnp.arange(4.0)
    found = jax.vmap(lambda x: or_else(x, x > 1, lambda: -x))(x)
    np.testing.assert_array_equal(found, [0, 1, -2, -3])
