"""Numbers that XLA does not know: their values, and that slices at them are left to the run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.lowering.kernels.convolutions import over_groups
from compiler.lowering.kernels.offsets import DTYPE, offsets


@pytest.mark.parametrize("values", [[0, 1], [5, 0, 5, 3], list(range(40)), [2**32 - 1, 7]])
def test_the_values_are_those_given(values):
    found = jax.jit(lambda: offsets(values))()
    assert [int(one) for one in found] == values
    assert {one.dtype for one in found} == {DTYPE}


def test_xla_does_not_know_them():
    def pieces(places, x):
        return [jnp.sin(lax.dynamic_slice_in_dim(x, place, 8)) for place in places]

    x = jnp.arange(64.0)
    known = jax.jit(lambda x: pieces([0, 8, 16], x)).lower(x).compile()
    unknown = jax.jit(lambda x: pieces(offsets([0, 8, 16]), x)).lower(x).compile()
    assert " dynamic-slice(" not in known.as_text()
    assert unknown.as_text().count(" dynamic-slice(") == 3
    for one, other in zip(known(x), unknown(x), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("groups", [2, 3, 33])
def test_groups_one_after_the_other(groups):
    x = np.random.default_rng(0).normal(size=(5, 2 * groups)).astype(np.float32)
    y = np.arange(3.0 * groups, dtype=np.float32)
    found = over_groups(lambda a, b: a.sum(-1, keepdims=True) * b, groups, x, y[None])
    parts = zip(np.split(x, groups, -1), np.split(y, groups), strict=True)
    expected = np.concatenate([a.sum(-1, keepdims=True) * b for a, b in parts], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
