"""Rows computed in blocks are the rows computed at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.kernels import row_blocks
from compiler.lowering.kernels.row_blocks import by_row_blocks


def running(x):
    return jnp.cumsum(x, -1), x.sum(-1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(row_blocks, "MIN_SIZE", 64)
    monkeypatch.setattr(row_blocks, "BLOCK", 32)
    monkeypatch.setattr(row_blocks, "SMALLEST", 16)


def loops(x, axis=-1):
    jaxpr = jax.make_jaxpr(lambda x: by_row_blocks(running, x, x.ndim + axis))(x)
    return str(jaxpr).count("scan[")


@pytest.mark.parametrize("shape", [(16, 8), (4, 4, 8), (2, 2, 2, 16)])
def test_blocks_give_what_the_whole_gives(shape):
    numbers = np.round(np.random.default_rng(0).normal(size=shape) * 8)  # sums without rounding
    x = jnp.asarray(numbers, jnp.float32)
    assert loops(x) == 1 + loops(jnp.ones((1, 1)))
    for whole, blocks in zip(running(x), by_row_blocks(running, x, x.ndim - 1), strict=True):
        assert whole.shape == blocks.shape
        np.testing.assert_array_equal(whole, blocks)


@pytest.mark.parametrize(
    "shape", [(2, 8), (11, 8), (16, 64)], ids=["small", "of prime number", "of long rows"]
)
def test_arrays_that_are_taken_whole(shape):
    x = jnp.ones(shape)
    assert loops(x) == loops(jnp.ones((1, 1)))
    np.testing.assert_array_equal(by_row_blocks(running, x, 1)[0], running(x)[0])


def test_rows_along_another_axis_are_taken_whole():
    assert loops(jnp.ones((16, 8)), axis=-2) == loops(jnp.ones((1, 1)))
