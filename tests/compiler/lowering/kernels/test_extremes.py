"""The kernels of reductions over rows against XLA: ties, nan, both zeros."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from tests.compiler.lowering.kernels.forced import both, numbers


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_of_rows(name):
    reduction = {"max": jnp.max, "min": jnp.min}[name]
    x = numbers(0, (9, 4, 5), 0.1)
    expected, found = both("extreme-by-rows", lambda x: reduction(x, 0), x)
    np.testing.assert_array_equal(expected, found)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(expected)[is_number], np.signbit(found)[is_number])
