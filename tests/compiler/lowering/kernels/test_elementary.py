"""Angles by polynomials beside numbers of 64 bits: edges, far angles, and where they are used."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from tests.compiler.lowering.kernels.forced import both

NAMES = {
    "function-of-angle-by-polynomial",
    "arctangent-by-polynomial",
    "angle-by-polynomial",
    "angle-of-point-by-polynomial",
}
EDGES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0, 1e-30, -1e-4, 3e38], "f")
OF_ANGLES = {"sin": (jnp.sin, 1.0), "cos": (jnp.cos, 1.0), "tan": (jnp.tan, 3.0)}
TO_ANGLES = {
    "asin": (jnp.arcsin, np.arcsin, 3.0),
    "acos": (jnp.arccos, np.arccos, 3.0),
    "atan": (jnp.arctan, np.arctan, 2.0),
}


def _ulps(found, exact):
    """The largest difference from numbers of 64 bits, in steps of 32-bit floats."""
    exact = np.asarray(exact)
    return np.max(
        np.abs(np.asarray(found, np.float64) - exact) / np.spacing(np.abs(exact, dtype="f"))
    )


def _same_at_edges(expected, found):
    np.testing.assert_allclose(found, expected, rtol=5e-7)
    is_zero = expected == 0
    np.testing.assert_array_equal(np.signbit(expected[is_zero]), np.signbit(found[is_zero]))


@pytest.mark.parametrize("scale", [1.0, 100.0, 6000.0])
@pytest.mark.parametrize("name", OF_ANGLES)
def test_functions_of_angles_are_precise(name, scale):
    function, bound = OF_ANGLES[name]
    angles = np.random.default_rng(0).normal(size=20000) * scale
    quarters = np.arange(-15000, 15000) * (np.pi / 2)  # next to zeros and poles
    x = np.concatenate([angles, quarters]).astype(np.float32)
    x = x[np.abs(x) < 25000]
    _, found = both("function-of-angle-by-polynomial", function, x)
    assert _ulps(found, getattr(np, name)(x.astype(np.float64))) < bound


@pytest.mark.parametrize("most", [25100.0, 1e6, 3e38])
@pytest.mark.parametrize("name", OF_ANGLES)
def test_far_angles_and_edges_are_those_of_jit(name, most):
    function, _ = OF_ANGLES[name]
    far = np.geomspace(1.0, most, 500).astype(np.float32)
    expected, found = both("function-of-angle-by-polynomial", function, far)
    np.testing.assert_allclose(found, expected, rtol=2e-7)  # one ulp
    _same_at_edges(*both("function-of-angle-by-polynomial", function, EDGES[:-1]))


@pytest.mark.parametrize("function", [jnp.sin, jnp.tan, jnp.arctan])
def test_numbers_too_small_for_arithmetic_are_their_own_angles(function):
    x = jnp.tile(jnp.array([1e-40, -1e-40, 1e-45, -1.2e-38, 1e-38], jnp.float32), 1 << 13)
    np.testing.assert_array_equal(tg.function(function)(x), jax.jit(function)(x))


@pytest.mark.parametrize("name", TO_ANGLES)
def test_angles_are_precise(name):
    function, exact, bound = TO_ANGLES[name]
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 20000) if name != "atan" else rng.normal(size=20000) * 3
    x = x.astype(np.float32)
    kernel = "arctangent-by-polynomial" if name == "atan" else "angle-by-polynomial"
    _, found = both(kernel, function, x)
    assert _ulps(found, exact(x.astype(np.float64))) < bound
    _same_at_edges(*both(kernel, function, EDGES))


def test_angles_of_points_are_precise_in_all_quarters():
    rng = np.random.default_rng(2)
    y, x = (rng.normal(size=(2, 20000)) * np.exp(rng.normal(size=(2, 20000)) * 6)).astype("f")
    _, found = both("angle-of-point-by-polynomial", jnp.arctan2, y, x)
    assert _ulps(found, np.arctan2(y.astype(np.float64), x.astype(np.float64))) < 2
    y, x = (grid.ravel() for grid in np.meshgrid(EDGES, EDGES))
    _same_at_edges(*both("angle-of-point-by-polynomial", jnp.arctan2, y, x))


def _used(function, *sizes):
    arguments = [jax.ShapeDtypeStruct(size, np.float32) for size in sizes]
    return {one.rule for one in tg.function(function).trace(*arguments).rewrites} & NAMES


def _current(name):
    return {name} if KERNELS[name].is_current else set()


def test_where_they_are_used():
    turned, steep = (
        _current("function-of-angle-by-polynomial"),
        _current("arctangent-by-polynomial"),
    )
    assert _used(lambda x: jnp.sin(x * 2) + x, (512, 512)) == turned
    assert _used(lambda x: 1 + jnp.arctan(x) / 2, (128, 128)) == steep
    assert _used(jnp.arcsin, (128, 128)) == _current("angle-by-polynomial")
    assert _used(jnp.arctan2, (128, 128), (128, 128)) == _current("angle-of-point-by-polynomial")
    assert not _used(jnp.sin, (256, 256))
    assert not _used(jnp.arctan, (16, 16))


def test_gradients_and_batches_go_through():
    def loss(x):
        return jnp.sum(jnp.sin(x) * jnp.arctan(x))

    x = jnp.asarray(np.random.default_rng(0).normal(size=(512, 512)), jnp.float32)
    for wrapped in (jax.grad(loss), jax.vmap(jax.grad(loss))):
        np.testing.assert_allclose(
            tg.function(wrapped)(x), jax.jit(wrapped)(x), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("hiding", [np.nan, np.inf])
def test_a_far_angle_beside_what_is_no_number_is_seen(hiding):
    x = np.full((512, 512), 1.0, np.float32)
    x[0, 0], x[0, 1], x[1] = hiding, 1e30, 3e7
    expected, found = (wrap(jnp.sin)(x) for wrap in (jax.jit, tg.function))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
