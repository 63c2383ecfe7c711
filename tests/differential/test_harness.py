"""The harness finds every difference that it is there to find."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.differential.harness import assert_same, assert_same_value, differential, ulp_distance


def otherwise(here: Any, there: Any) -> Any:
    """A program that is ``here()`` under jax.jit and ``there()`` under tracegraph."""
    return lambda decorator: here() if decorator is jax.jit else there()


def failing(error: BaseException) -> Any:
    def program() -> None:
        raise error

    return program


DIFFERENCES = {
    "value": (lambda: jnp.float32(1), lambda: jnp.float32(2)),
    "signed_zero": (lambda: jnp.float32(0.0), lambda: jnp.float32(-0.0)),
    "nan": (lambda: jnp.float32(0), lambda: jnp.float32(np.nan)),
    "one_ulp": (lambda: np.float32(1), lambda: np.nextafter(np.float32(1), np.float32(2))),
    "dtype": (lambda: jnp.int32(1), lambda: jnp.float32(1)),
    "weak_type": (lambda: jnp.float32(1), lambda: jnp.asarray(1.0)),
    "shape": (lambda: jnp.ones(1), lambda: jnp.ones(())),
    "structure": (lambda: (1,), lambda: [1]),
    "kind": (lambda: np.float32(1), lambda: jnp.float32(1)),
    "python": (lambda: 1, lambda: True),
    "committed": (lambda: jnp.ones(2), lambda: jax.device_put(jnp.ones(2), jax.devices()[0])),
    "device": (
        lambda: jax.device_put(1.0, jax.devices()[1]),
        lambda: jax.device_put(1.0, jax.devices()[2]),
    ),
    "printed": (lambda: print("a"), lambda: print("b")),
    "warned": (lambda: warnings.warn("a", stacklevel=1), lambda: None),
    "raised": (lambda: None, failing(ValueError("a"))),
    "not_raised": (failing(ValueError("a")), lambda: None),
    "error_type": (failing(ValueError("a")), failing(TypeError("a"))),
    "error_text": (failing(ValueError("a")), failing(ValueError("b"))),
    "error_line": (failing(ValueError("a")), lambda: failing(ValueError("a"))()),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_found(name: str) -> None:
    raises = name.startswith(("error", "not_raised"))
    with pytest.raises(AssertionError):
        assert_same(otherwise(*DIFFERENCES[name]), raises=raises)


@differential(raises=True)
def test_equal_errors_are_equal(jit: Any) -> Any:
    raise ValueError(str(jit is None))


def test_an_error_that_was_not_announced_fails() -> None:
    with pytest.raises(ValueError, match="both"):
        assert_same(lambda jit: failing(ValueError("both"))())


def test_an_announced_error_that_does_not_come_fails() -> None:
    with pytest.raises(AssertionError):
        assert_same(lambda jit: 1, raises=True)


@differential
def test_nothing_else_is_a_difference(jit: Any) -> Any:
    return jit(lambda x: {"a": x / 0, "b": None})(jnp.zeros(3)), 1, "text", np.zeros(2), np.int8(3)


def test_all_nans_are_one() -> None:
    quiet = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    assert_same_value(quiet, quiet[::-1].copy())


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float32, np.float64])
def test_ulp_distance_counts_steps(dtype: Any) -> None:
    one, tiny = np.array([1], dtype), np.finfo(np.float64).tiny
    up = np.nextafter(one, np.array([2], dtype))
    assert ulp_distance(one, up) == 1
    assert ulp_distance(np.array([0.0], dtype), np.array([-0.0], dtype)) == 1
    assert ulp_distance(one, np.array([np.nan], dtype)) > 1 << 32
    assert ulp_distance(one, -one) > 1000 * tiny
