"""The kernels of reductions over rows against XLA: ties, nan, both zeros, where they are used."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from tests.compiler.lowering.kernels.forced import both, numbers


@pytest.mark.parametrize("rows", [(9,), (33,), (32, 2), (7, 6)])
@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_of_rows(name, rows):
    reduction, axes = {"max": jnp.max, "min": jnp.min}[name], tuple(range(len(rows)))
    x = numbers(0, (*rows, 4, 5), 0.5 / np.prod(rows))
    expected, found = both("extreme-by-rows", lambda x: reduction(x, axes), x)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(expected, found)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(expected)[is_number], np.signbit(found)[is_number])


@pytest.mark.parametrize("rows", [(9,), (33,), (32, 2), (7, 6)])
def test_sums_of_rows(rows):
    axes = tuple(range(len(rows)))
    x = numbers(1, (*rows, 4, 5), 0.5 / np.prod(rows))
    expected, found = both("sum-by-rows", lambda x: jnp.sum(x, axes), x)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(expected, found)  # whole numbers: sums without rounding


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 32768), 0), ((64, 32768), 0), ((2, 20, 256, 128), (0, 1)), ((1024, 32768), 0)],
)
@pytest.mark.parametrize(("name", "reduction"), [("sum", jnp.sum), ("extreme", jnp.max)])
def test_rows_that_are_long_enough(name, reduction, shape, axes):
    name = f"{name}-by-rows"
    expected = {name} if KERNELS[name].is_current else set()
    assert _used(lambda x: reduction(x, axes), shape) == expected


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 32768), 0), ((64, 32767), 0), ((1025, 32768), 0), ((64, 32768), 1)]
)
def test_rows_that_are_left_alone(shape, axes):
    assert not _used(lambda x: jnp.sum(x, axes), shape)
    assert not _used(lambda x: jnp.max(x, axes), shape)


def _used(function, shape):
    x = jax.ShapeDtypeStruct(shape, np.float32)
    return {firing.rule for firing in tg.function(function).trace(x).program.rewrites}
