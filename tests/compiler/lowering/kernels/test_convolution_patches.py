"""Convolutions of patches and their gradients: their values at the edges, and where they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from tests.compiler.lowering.kernels.forced import both, numbers

LAYOUTS = {
    "last": ("NHWC", "HWIO", "NHWC"),
    "first": ("NCHW", "OIHW", "NCHW"),
}
NAMES = ("convolution-of-patches", "gradient-of-patches", "image-gradient-of-patches")
CURRENT = {name for name in NAMES if KERNELS[name].is_current}


def _convolve(layout, x, w, stride):
    layouts = LAYOUTS[layout]
    return jax.lax.conv_general_dilated(x, w, stride, "VALID", dimension_numbers=layouts)


def _sizes(layout, batch, features, rows, columns):
    last = (batch, rows, columns, features)
    return last if layout == "last" else (batch, features, rows, columns)


def _case(layout, window=(3, 2)):
    """An image of 2 x 3 patches and what is left, a window, and the cotangents, with edges."""
    rows, columns = window
    shape = (*window, 2, 3) if layout == "last" else (3, 2, *window)
    x = numbers(0, _sizes(layout, 2, 2, 2 * rows, 3 * columns), 0.01)
    return x, numbers(1, shape, 0.02), numbers(2, _sizes(layout, 2, 3, 2, 3), 0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_patches_and_both_gradients_with_edges(layout):
    window = (3, 2)
    x, w, y = _case(layout, window)

    def forward(x, w):
        return _convolve(layout, x, w, window)

    def by_window(x, y):
        return jax.vjp(lambda w: forward(x, w), jnp.asarray(w))[1](y)[0]

    def by_image(w, y):
        return jax.vjp(lambda x: forward(x, w), jnp.asarray(x))[1](y)[0]

    for name, function, arguments in (
        ("convolution-of-patches", forward, (x, w)),
        ("gradient-of-patches", by_window, (x, y)),
        ("image-gradient-of-patches", by_image, (w, y)),
    ):
        expected, found = both(name, function, *arguments)
        assert np.isfinite(expected).any()
        assert not np.isfinite(expected).all()
        np.testing.assert_array_equal(expected, found)  # whole numbers: sums without rounding


def _loss(x, w):
    return jnp.sum(_convolve("last", x, w, w.shape[:2]) ** 2)


def _used(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    return {one.rule for one in tg.function(function).trace(*arguments).rewrites} & {*NAMES}


def test_small_patches_of_coloured_images_use_them():
    shapes = ((16, 64, 64, 3), (4, 4, 3, 32))
    assert _used(_loss, *shapes) == CURRENT & {"convolution-of-patches"}
    assert _used(jax.grad(_loss, (0, 1)), *shapes) == CURRENT


def test_large_patches_use_the_gradient_by_the_image_only():
    shapes = ((2, 224, 224, 3), (16, 16, 3, 64))
    assert not _used(_loss, *shapes)
    assert _used(jax.grad(_loss, (0, 1)), *shapes) == CURRENT & {"image-gradient-of-patches"}


def test_its_values_and_gradients_are_those_of_jit():
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(rng.normal(size=size), jnp.float32)
        for size in ((2, 64, 64, 3), (16, 16, 3, 32))
    )
    expected, found = (
        wrap(jax.value_and_grad(_loss, (0, 1)))(x, w) for wrap in (jax.jit, tg.function)
    )
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    "shapes",
    [
        ((8, 32, 32, 64), (2, 2, 64, 64)),
        ((1, 8, 8, 3), (4, 4, 3, 8)),
        ((16, 64, 64, 1), (4, 4, 1, 32)),  # of one feature, for YNNPACK
        ((16, 64, 64, 3), (4, 4, 3, 48)),
        ((16, 64, 64, 3), (8, 8, 3, 16)),  # for Eigen, of a large window
    ],
)
def test_what_a_library_computes_as_fast_is_left_alone(shapes):
    stride = shapes[1][:2]
    assert not _used(lambda x, w: _convolve("last", x, w, stride), *shapes)
