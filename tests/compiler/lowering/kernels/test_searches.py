"""The kernels of searches against XLA, bit for bit: ties, nan, both zeros, types of the index."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tests.compiler.lowering.kernels.forced import EDGES, both, numbers

BY = {"argmax": "argmax-by-max", "argmin": "argmin-by-min"}


@pytest.mark.parametrize("name", BY)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("share", [0, 0.1, 1])
def test_the_first_of_equal_elements_or_nans(name, axis, share):
    find = getattr(lax, name)
    for seed in range(4):
        x = numbers(seed, (5, 7, 6), share)
        expected, found = both(BY[name], lambda x: find(x, axis, np.int32), x)
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", BY)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(4096, 64), (64, 4096)])
def test_nans_in_large_arrays_come_first(name, axis, shape):
    find, random = getattr(lax, name), np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    x[3], x[:, 5] = np.inf, -np.inf
    x[random.random(shape) < 5e-4] = np.nan
    expected, found = both(BY[name], lambda x: find(x, axis, np.int32), x)
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize(("sizes", "pays"), [((32, 65536), False), ((64, 32768), True)])
def test_few_long_rows_are_left_to_xla(sizes, pays):
    x = jax.ShapeDtypeStruct(sizes, np.float32)
    fired = [
        one.rule for one in tg.function(lambda x: lax.argmax(x, 0, np.int32)).trace(x).rewrites
    ]
    assert ("argmax-by-max" in fired) == pays


@pytest.mark.parametrize("name", BY)
@pytest.mark.parametrize("value", EDGES)
@pytest.mark.parametrize("index", [np.int8, np.uint8, np.int16, np.uint32])
def test_all_equal(name, value, index):
    find = getattr(lax, name)
    x = np.full((3, 128), value, np.float32)
    expected, found = both(BY[name], lambda x: find(x, 1, index), x)
    assert expected.dtype == found.dtype == index
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("find", [lax.argmax, lax.argmin])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
@pytest.mark.parametrize("shape", [(64,), (7, 72), (3, 4, 1000), (2, 290)])
def test_the_first_in_the_first_part(find, share, shape):
    for seed in range(4):
        x = numbers(seed, shape, share)
        name = f"{find.__name__}-by-parts"
        expected, found = both(name, lambda x: find(x, x.ndim - 1, np.int16), x)
        assert expected.dtype == found.dtype
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("find", [lax.argmax, lax.argmin])
def test_rows_of_no_elements(find):
    expected, found = both(
        f"{find.__name__}-by-parts", lambda x: find(x, 1, np.int32), np.ones((0, 64), np.float32)
    )
    assert expected.shape == found.shape == (0,)
