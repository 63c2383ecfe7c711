"""Differences between arrays: in steps between floats, relatively, and in their nans."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from compiler.ir import TracegraphError
from compiler.lowering.compare import SAME, Difference, difference, differences

F32 = np.float32
FLOATS = [
    *(np.float16, np.float32, np.float64),
    *(
        getattr(ml_dtypes, name)
        for name in (
            *("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e4m3fnuz"),
            *("float8_e3m4", "float4_e2m1fn", "float8_e8m0fnu"),
        )
    ),
]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda t: np.dtype(t).name)
def test_one_step_is_one_ulp(dtype: Any) -> None:
    epsilon = float(ml_dtypes.finfo(dtype).eps)
    a = np.array([1.0, 0.5]).astype(dtype)
    b = np.array([1.0 + epsilon, 0.5]).astype(dtype)
    assert difference(a, b) == Difference(False, 1, epsilon, epsilon, 0, (0,))


@pytest.mark.parametrize("dtype", [t for t in FLOATS if t is not ml_dtypes.float8_e8m0fnu])
def test_steps_count_through_zero(dtype: Any) -> None:
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    below, above = (np.array([sign * tiny]).astype(dtype) for sign in (-1, 1))
    two_zeros = np.dtype(dtype).itemsize > 1
    assert difference(below, above).ulps == (3 if two_zeros else 2)


def test_equal_arrays() -> None:
    nan = np.array([0x7FC00001, 0xFFC00000], np.uint32).view(F32)
    assert difference(nan, nan[::-1]) == SAME, "all nans are one"
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) == SAME
    assert difference(np.zeros(2, jax.dtypes.float0), np.zeros(2, jax.dtypes.float0)) == SAME


def test_zeros_of_different_sign_are_one_step_apart() -> None:
    for dtype in (F32, ml_dtypes.float8_e5m2):
        a, b = np.array([0.0]).astype(dtype), np.array([-0.0]).astype(dtype)
        assert difference(a, b) == Difference(False, 1, 0.0, 0.0, 0, (0,))


@pytest.mark.parametrize(
    ("a", "b"), [(np.nan, 1.0), (1.0, np.inf), (np.inf, -np.inf), (np.nan, np.inf)]
)
def test_nans_and_infinities_at_other_places_are_counted_apart(a: float, b: float) -> None:
    found = difference(F32([2.0, a, np.nan, np.inf]), F32([2.0, b, np.nan, np.inf]))
    assert found == Difference(False, 0, 0.0, 0.0, 1, (1,))
    assert difference(F32([b, 8.0]), F32([a, 9.0])).absolute == 1.0


def test_relative_is_of_the_largest_magnitude() -> None:
    found = difference(F32([[1.0, -200.0], [0.0, np.inf]]), F32([[1.5, -200.0], [1.0, np.inf]]))
    assert (found.absolute, found.relative, found.index) == (1.0, 1 / 200, (1, 0))


def test_relative_to_nothing_is_infinite() -> None:
    assert difference(F32(0.0), F32(1.0)).relative == np.inf


@pytest.mark.parametrize(
    ("dtype", "a", "b", "ulps"),
    [
        ("int8", -128, 127, 255),
        ("int64", -(2**63), 2**63 - 1, 2**64 - 1),
        ("uint64", 0, 2**64 - 1, 2**64 - 1),
        ("uint32", 3, 1, 2),
        ("bool", False, True, 1),
        (ml_dtypes.int4, -8, 7, 15),
        ("float64", -1.7e308, 1.7e308, 2 * int(np.float64(1.7e308).view(np.int64)) + 1),
    ],
)
def test_differences_that_hardly_fit(dtype: Any, a: Any, b: Any, ulps: int) -> None:
    arrays = [np.array([value]).astype(dtype) for value in (a, b)]
    assert difference(*arrays).ulps == ulps
    assert not difference(*arrays).same_bits


def test_complex_numbers_are_compared_by_part() -> None:
    a = np.array([1 + 2j, complex(np.nan, 1)], np.complex64)
    b = np.array([1 + 2j, complex(np.nan, 1.5)], np.complex64)
    found = difference(a, b)
    assert (found.absolute, found.index, found.misplaced) == (0.5, (1,), 0)


def test_keys_are_compared_by_their_numbers() -> None:
    key = jax.random.key(1)
    assert difference(key, key) == SAME
    assert not difference(key, jax.random.key(2)).same_bits


@pytest.mark.parametrize(
    ("a", "b"),
    [(F32([1]), F32(1)), (F32(1), np.float64(1)), (jax.random.key(0), jnp.zeros(2))],
    ids=["shape", "dtype", "key"],
)
def test_arrays_of_two_types_are_not_compared(a: Any, b: Any) -> None:
    with pytest.raises(TracegraphError, match="these arrays cannot be compared"):
        difference(a, b)


def test_lists() -> None:
    assert differences([F32(1), F32(2)], [F32(1), F32(2)]) == [SAME, SAME]
    with pytest.raises(TracegraphError, match="these lists of arrays cannot be compared"):
        differences([F32(1)], [])


def test_the_rank_goes_from_none_to_the_worst() -> None:
    ordered = [
        SAME,
        difference(F32([0.0]), F32([-0.0])),
        difference(F32([1.0]), F32([1.0 + 2**-23])),
        difference(F32([1.0]), F32([2.0])),
        difference(F32([1.0]), F32([np.nan])),
    ]
    mixed = [*ordered[3:], *ordered[:3]]
    assert sorted(mixed, key=lambda found: found.rank) == ordered
