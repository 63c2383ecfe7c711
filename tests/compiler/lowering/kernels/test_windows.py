"""The kernels of windows against XLA, bit for bit: strides, padding, layouts, ties and nan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.walk import walk
from compiler.lowering.kernels.kernel import IS_EARLY
from tests.compiler.lowering.kernels.forced import both

SHAPE = (2, 7, 6, 3)
ONES = (1, 1, 1, 1)
POOLS = {
    "channels in front": {"window_dimensions": (1, 1, 3, 2), "window_strides": (1, 1, 2, 2)},
    "one dimension": {"window_dimensions": (1, 4, 1, 1)},
    "whole": {"window_dimensions": SHAPE},
    "padding": {"window_dimensions": (1, 2, 3, 1), "padding": ((0, 0), (1, 2), (2, 0), (0, 0))},
    "only padding": {
        "window_dimensions": (1, 2, 2, 1),
        "padding": ((0, 0), (3, 3), (2, 2), (0, 0)),
    },
    "cut": {"window_dimensions": (1, 2, 2, 1), "padding": ((0, 0), (-1, -2), (0, -1), (0, 0))},
    "dilation": {"window_dimensions": (1, 2, 3, 1), "window_dilation": (1, 3, 2, 1)},
    "base": {"window_dimensions": (1, 3, 2, 1), "base_dilation": (1, 2, 3, 1)},
    "strides": {"window_dimensions": (2, 3, 2, 2), "window_strides": (1, 2, 3, 1)},
    "too large": {"window_dimensions": (1, 9, 1, 1)},
}
GRADIENTS = ("channels in front", "one dimension", "padding", "only padding", "strides")
COMBINE = {"max": (lax.max, -np.inf), "min": (lax.min, np.inf), "sum": (lax.add, 0.0)}


def numbers(seed, shape=SHAPE):
    """Numbers with many ties, some nan, infinite or -0.0."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=shape) * 1.5).astype(np.float32)
    edges = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    return np.where(rng.random(shape) < 0.3, edges[rng.integers(0, 4, shape)], x)


def pool(x, kind, setting):
    combine, start = COMBINE[kind]
    defaults = {"window_strides": ONES, "padding": ((0, 0),) * 4}
    return lax.reduce_window(x, np.float32(start), combine, **{**defaults, **setting})


def assert_same_bits(expected, found):
    assert expected.dtype == found.dtype
    np.testing.assert_array_equal(expected, found)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(expected)[is_number], np.signbit(found)[is_number])


@pytest.mark.parametrize("setting", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_extremes(setting, kind):
    expected, found = both("extreme-of-slices", lambda x: pool(x, kind, setting), numbers(0))
    assert_same_bits(expected, found)


@pytest.mark.parametrize("setting", POOLS.values(), ids=POOLS)
def test_sums(setting):
    whole = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    expected, found = both("sum-of-slices", lambda x: pool(x, "sum", setting), whole)
    assert_same_bits(expected, found)


@pytest.mark.parametrize("setting", GRADIENTS)
@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_extremes(setting, kind, seed):
    x = numbers(seed)
    sent = numbers(seed + 10, jax.eval_shape(lambda x: pool(x, kind, POOLS[setting]), x).shape)

    def gradient(x, sent):
        return jax.vjp(lambda x: pool(x, kind, POOLS[setting]), x)[1](sent)[0]

    assert_same_bits(*both("extreme-gradient-of-slices", gradient, x, sent))


def test_a_window_sends_to_the_first_of_equal_elements():
    x = jnp.zeros((1, 4, 4, 1))

    def gradient(x):
        return jax.grad(lambda x: pool(x, "max", POOLS["padding"] | {"padding": "VALID"}).sum())(x)

    expected, found = both("extreme-gradient-of-slices", gradient, x)
    assert_same_bits(expected, found)
    assert found[0, :3, :2, 0].tolist() == np.ones((3, 2)).tolist()
    assert found.sum() == 6


@pytest.mark.parametrize(
    ("size", "stride", "padding", "is_used"),
    [
        (3, 3, "VALID", True),
        (3, 2, "SAME", not IS_EARLY),
        (5, 1, "SAME", True),
        (2, 1, "VALID", True),
        (3, 3, "SAME", False),
        (2, 3, "SAME", False),
        (2, 1, "SAME", False),
    ],
)
@pytest.mark.parametrize("kind", ["max", "sum"])
def test_where_padding_would_be_stored_for_little(kind, size, stride, padding, is_used):
    window = {"window_dimensions": (1, size, size, 1), "window_strides": (1, stride, stride, 1)}
    function = tg.function(lambda x: pool(x, kind, {**window, "padding": padding}))
    fired = function.trace(jax.ShapeDtypeStruct((8, 22, 22, 16), np.float32)).rewrites
    assert bool(fired) is is_used


@pytest.mark.parametrize(("size", "rules"), [(3, {"sum-of-single-elements"}), (2, set())])
def test_gradients_of_average_pools_without_overlap(size, rules):
    def gradient(y):
        window = (1, size, size, 1)
        setting = {"window_dimensions": window, "window_strides": window}
        image = jnp.zeros((4, 8 * size, 8 * size + 1, 16))
        return jax.vjp(lambda x: pool(x, "sum", setting), image)[1](y)[0]

    y = jnp.asarray(numbers(0, (4, 8, 8, 16)))
    step = tg.function(gradient)
    fired = {one.rule for one in step.trace(y).rewrites}
    assert fired & {"sum-of-single-elements", "sum-of-slices"} == rules
    assert_same_bits(np.asarray(jax.jit(gradient)(y)), np.asarray(step(y)))


@pytest.mark.skipif(IS_EARLY, reason="XLA has no library for sums before jaxlib 0.10")
@pytest.mark.parametrize("kind", ["max", "sum"])
@pytest.mark.parametrize("behind", [jnp.sum, jnp.max, lambda x: x.mean(-1)])
def test_no_slices_are_stored_for_what_reduces_the_pool(kind, behind):
    x = jnp.ones((8, 32, 32, 16))
    setting = {"window_dimensions": (1, 5, 5, 1), "padding": ((0, 0), (2, 2), (2, 2), (0, 0))}
    step = tg.function(lambda x: behind(jax.nn.relu(pool(x, kind, setting))))
    held = step.lower(x).compile().memory_analysis().temp_size_in_bytes
    assert held < 4 * x.nbytes  # the padded array, the pool, and what the reduction holds


@pytest.mark.parametrize("kind", ["max", "sum"])
def test_what_two_convolutions_read_is_pooled_once(kind):
    window = (1, 2, 2, 1)
    setting = {"window_dimensions": window, "window_strides": window}

    def loss(w, x):
        image = jax.nn.relu(pool(x, kind, setting) + 1)
        dims = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(image, w, (1, 1), "SAME", dimension_numbers=dims)
        return (y * y).sum()

    rng = np.random.default_rng(0)
    w, x = (jnp.asarray(rng.normal(size=n), "f4") for n in ((3, 3, 4, 4), (4, 32, 32, 4)))
    once, again = tg.function(loss), tg.function(jax.grad(loss))
    assert "while" not in {op.name for op in walk(once.graph(w, x))}
    assert "while" in {op.name for op in walk(again.graph(w, x))}
    expected, found = (np.asarray(run(w, x)) for run in (jax.jit(jax.grad(loss)), again))
    np.testing.assert_allclose(expected, found, rtol=1e-4)
