"""Resized images by neighbours: every method and factor, and images that are not finite."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels.resize_terms import Weights
from compiler.lowering.kernels.resizes import along

NAME = "resize-by-neighbours"
BIG = float(np.finfo(np.float32).max)


def fired(function, *arguments):
    return NAME in [firing.rule for firing in tg.function(function).trace(*arguments).rewrites]


def check(function, x, rtol=1e-5):
    assert fired(function, x)
    found, expected = tg.function(function)(x), jax.jit(function)(x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("sizes", [(3, 6), (6, 3), (4, 6), (9, 6), (5, 5), (4, 1), (1, 4), (3, 7)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_matrix_is_taken_apart_and_put_together(sizes, axis):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=sizes).astype(np.float32) * (rng.random(sizes) < 0.5)
    shape = [2, 3, 4]
    shape[axis] = sizes[0]
    x = rng.normal(size=shape).astype(np.float32)
    expected = np.moveaxis(np.tensordot(x, matrix, (axis, 0)), -1, axis)
    np.testing.assert_allclose(along(jnp.asarray(x), axis, matrix), expected, rtol=1e-5, atol=1e-5)


def test_a_matrix_has_a_phase_for_each_element_of_a_block():
    weights = Weights.of(np.repeat(np.eye(4, dtype=np.float32), 2, 1))
    assert (weights.count, weights.step, list(weights.places)) == (4, 1, [0])
    assert [list(phase) for phase in weights.phases] == [[0], [0]]


@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("sizes", [(128, 128), (32, 32), (96, 64), (128, 64), (64, 192)])
def test_images_of_all_sizes(sizes, method):
    x = jax.random.normal(jax.random.key(0), (8, 64, 64, 8))
    if (method, sizes) in (("cubic", (96, 64)), ("cubic", (64, 192))):
        return  # of more slices than pay
    check(lambda x: jax.image.resize(x, (8, *sizes, 8), method), x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, BIG])
@pytest.mark.parametrize("shape", [(128, 128), (32, 32)])
def test_what_is_not_finite_spreads_as_in_the_products(shape, value):
    x = jax.random.normal(jax.random.key(0), (4, 64, 64, 8)).at[1, 20, 30, 2].set(value)
    check(lambda x: jax.image.resize(x, (4, *shape, 8), "linear"), x)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_images_that_are_transposed_before_and_behind(order):
    def resized(x):
        return jax.image.resize(jnp.sin(x).T, (256, 384), "linear").transpose(order) * 2.0

    check(resized, jax.random.normal(jax.random.key(0), (192, 128)))


def test_its_gradient_is_made_of_neighbours_too():
    def total(x):
        return (jax.image.resize(x, (4, 128, 128, 8), "linear") ** 2).sum()

    x = jax.random.normal(jax.random.key(0), (4, 64, 64, 8))
    check(jax.grad(total), x, rtol=1e-4)
    check(jax.vmap(total), x[None], rtol=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jax.image.resize(x, (70, 70), "linear"),
        lambda x: jax.image.resize(x, (301, 256), "linear"),
        lambda x: jax.image.resize(x, (512, 512), "lanczos3"),
        lambda x: x @ np.ones((256, 256), np.float32),
    ],
    ids=["small", "no common factor", "lanczos", "dense"],
)
def test_what_would_not_pay_is_left_alone(function):
    assert not fired(function, jnp.ones((256, 256)))


def test_a_product_that_others_read_is_left_alone():
    def both(x):
        y = jax.image.resize(x, (256, 512), "linear")
        return y, jax.image.resize(y, (512, 512), "linear")

    x = jax.random.normal(jax.random.key(0), (256, 256))
    for found, expected in zip(tg.function(both)(x), jax.jit(both)(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
