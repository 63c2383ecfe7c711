"""Convolutions of few features by strips: their values at the edges, and where they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering.kernels import KERNELS, processor
from tests.compiler.lowering.kernels.forced import both, numbers

NAMES = ("narrow-convolution-by-strips", "colour-convolution-by-strips")
LAYOUTS = {
    "last": ("NHWC", "HWIO", "NHWC"),
    "first": ("NCHW", "OIHW", "NCHW"),
}


def convolution(stride=1, padding="SAME", layout="last"):
    def run(x, w):
        dims = LAYOUTS[layout]
        return jax.lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=dims)

    return run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("results", [3, 20])
@pytest.mark.parametrize(
    ("stride", "padding", "window"),
    [
        (1, "SAME", (3, 3)),
        (1, "VALID", (2, 5)),
        (1, ((0, 1), (4, 2)), (1, 3)),
        (2, "SAME", (3, 3)),
        (2, "VALID", (7, 7)),
        (3, ((1, 1), (3, 0)), (2, 4)),
        (5, "SAME", (3, 3)),
    ],
)
def test_whole_numbers_have_the_same_bits(name, results, stride, padding, window):
    x, w = numbers(0, (2, 9, 11, 3), 0.0), numbers(1, (*window, 3, results), 0.0)
    expected, found = both(name, convolution(stride, padding), x, w)
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.004, 0.05])
def test_infinities_and_nans_of_the_image_reach_their_own_results_only(name, layout, share):
    x = numbers(2, (2, 9, 10, 3) if layout == "last" else (2, 3, 9, 10), share)
    w = numbers(3, (3, 3, 3, 4) if layout == "last" else (4, 3, 3, 3), 0.0)
    assert not np.isfinite(x).all()
    expected, found = both(name, convolution(layout=layout), x, w)
    assert np.isfinite(expected).any()
    assert not np.isfinite(expected).all()
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinite_weights_meet_the_padding(name, bad):
    x, w = numbers(4, (2, 6, 7, 3), 0.0), numbers(5, (3, 3, 3, 4), 0.0)
    w[0, 2, 1, 3] = bad
    expected, found = both(name, convolution(), x, w)
    assert np.isfinite(expected).any()
    assert not np.isfinite(expected).all()
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(2, 9, 10, 3, 4), (2, 6, 7, 1, 1), (1, 6, 7, 1, 1)])
def test_infinite_weights_meet_the_padding_of_images_with_a_nan(name, layout, sizes):
    *image, results = sizes
    x, w = numbers(8, image, 0.0), numbers(9, (3, 3, image[-1], results), 0.0)
    x[0, 3, 3, 0], w[0, 0, 0, 0] = np.nan, np.inf
    if layout == "first":
        x, w = x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1)
    expected, found = both(name, convolution(layout=layout), x, w)
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", NAMES)
def test_large_numbers_are_no_infinities(name):
    """Of one sign: where large numbers cancel, the order says what is finite in between."""
    x, w = np.abs(numbers(6, (1, 5, 6, 2), 0.0)), np.abs(numbers(7, (3, 3, 2, 4), 0.0))
    expected, found = both(name, convolution(), x * np.float32(5e37), w)
    assert np.isinf(expected).any()
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(np.isfinite(expected), np.isfinite(found))


def used(function, *shapes):
    given = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    return {one.rule for one in tg.function(function).trace(*given).rewrites} & {*NAMES}


def test_few_results_of_few_features():
    narrow = {NAMES[0]}
    assert used(convolution(), (64, 28, 28, 1), (5, 5, 1, 6)) == narrow
    assert used(convolution(), (16, 64, 64, 6), (3, 3, 6, 16)) == narrow
    assert used(convolution(2), (64, 28, 28, 1), (5, 5, 1, 6)) == narrow
    assert used(convolution(), (16, 64, 64, 7), (3, 3, 7, 16)) == set()
    assert used(convolution(2), (64, 28, 28, 3), (5, 5, 3, 6)) == set()
    assert used(convolution(2, "VALID"), (64, 28, 28, 1), (5, 5, 1, 6)) == set()
    assert used(convolution(4, "VALID"), (17, 60, 60, 4), (8, 8, 4, 16)) == set()
    assert used(convolution(4), (64, 30, 30, 1), (5, 5, 1, 6)) == set()  # little is read twice
    assert used(convolution(1, "VALID"), (64, 64, 5, 3), (3, 5, 3, 16)) == set()  # one in a row
    assert used(convolution(), (1, 8, 8, 1), (3, 3, 1, 8)) == set()


@pytest.mark.parametrize("is_wide", [False, True])
def test_colours_become_17_to_32_features(is_wide, monkeypatch):
    monkeypatch.setattr(processor, "has_wide_vectors", lambda: is_wide)
    colours = {NAMES[1]} if is_wide and KERNELS[NAMES[1]].is_current else set()
    for features in (17, 32):
        for stride in (1, 2):
            shapes = (16, 64, 64, 3), (3, 3, 3, features)
            assert used(convolution(stride), *shapes) == colours
    assert used(convolution(), (16, 64, 64, 3), (3, 3, 3, 33)) == set()
    assert used(convolution(), (16, 64, 64, 2), (3, 3, 2, 32)) == set()
    assert used(convolution(3), (16, 63, 63, 3), (3, 3, 3, 32)) == set()


def test_under_gradients():
    x, w = numbers(8, (8, 28, 28, 1), 0.0), numbers(9, (5, 5, 1, 6), 0.0)
    run = convolution()

    def loss(run, x, w):
        return jnp.sum(jax.nn.relu(run(x, w)))

    gradients = jax.grad(loss, (1, 2))
    inside = tg.function(lambda x, w: gradients(run, x, w))
    assert NAMES[0] in {one.rule for one in inside.trace(x, w).rewrites}
    expected = jax.jit(lambda x, w: gradients(run, x, w))(x, w)
    for found in (inside(x, w), gradients(tg.function(run), x, w)):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
