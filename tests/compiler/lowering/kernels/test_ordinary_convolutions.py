"""Which library a convolution is given to, and that its numbers are the same in either."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.convolution_forms import convolve, gradient_of
from compiler.lowering.kernels.convolution_libraries import SINCE, UNTIL
from compiler.lowering.kernels.kernel import is_between
from compiler.lowering.rule_cases import PREPARE, apply, function_of, graph_of
from compiler.passes.manager import PassManager

HOLES, DOT = "convolution-over-holes", "pointwise-convolution-by-dot"
of_ynnpack = pytest.mark.skipif(
    not is_between(SINCE, UNTIL), reason="this jaxlib gives convolutions to the faster library"
)


def applied(name, function, *shapes, dtype=np.float32, always=False):
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    graph = PassManager(PREPARE).run(graph_of(function, arguments)).graph
    return apply(KERNELS[name].rule(always=always), graph)


def is_used(name, function, *shapes, **others):
    return bool(applied(name, function, *shapes, **others).log.firings)


def libraries(function, *arguments):
    """The libraries that XLA gives the convolutions of a program to."""
    text = jax.jit(function).lower(*arguments).compile().as_text()
    called = re.findall(r"calls=(%[\w.-]+),.*__ynn_fusion", text)
    with_one = [part.split()[0] for part in text.split("\n\n") if " convolution(" in part]
    return {"ynnpack" if name in called else "eigen" for name in with_one}


@pytest.mark.parametrize(
    ("image", "window", "others", "used"),
    [
        ((8, 28, 28, 64), (3, 3, 64, 64), {}, True),
        ((8, 28, 28, 64), (3, 3, 64, 64), {"padding": "VALID"}, True),
        ((8, 28, 28, 64), (3, 3, 64, 64), {"stride": 2}, True),
        ((8, 28, 28, 64), (3, 3, 64, 64), {"rhs_dilation": (2, 2)}, True),
        ((64, 28, 28, 3), (3, 3, 3, 64), {}, False),
        ((64, 28, 28, 64), (3, 3, 64, 16), {}, False),
        ((8, 28, 28, 16), (3, 3, 16, 64), {}, False),
        ((1, 14, 14, 64), (3, 3, 64, 64), {}, False),
        ((8, 28, 28, 64), (3, 3, 64, 64), {"padding": ((2, 2), (2, 2))}, False),
        (
            (8, 28, 28, 64),
            (3, 3, 64, 64),
            {"padding": ((2, 2),) * 2, "lhs_dilation": (2, 2)},
            False,
        ),
        ((8, 28, 28, 64), (3, 3, 32, 64), {"feature_group_count": 2}, False),
    ],
)
def test_large_convolutions_that_ynnpack_would_take_are_given_to_eigen(image, window, others, used):
    assert is_used(HOLES, lambda x, w: convolve(x, w, **others), image, window) == used


@of_ynnpack
@pytest.mark.parametrize(
    ("name", "used"),
    [("of features", False), ("of places", False), ("of a batch", True), ("computed", True)],
)
def test_what_a_reduction_reads_is_left_to_the_library_that_computes_both(name, used):
    behind = {
        "of features": lambda y: y - y.mean(-1, keepdims=True),
        "of places": lambda y: jax.nn.relu(y + 1).max((1, 2)),
        "of a batch": lambda y: y - y.mean((0, 1, 2)),
        "computed": lambda y: jax.nn.relu(y) * 2,
    }
    shapes = (8, 28, 28, 64), (3, 3, 64, 64)
    assert is_used(HOLES, lambda x, w: behind[name](convolve(x, w)), *shapes) == used


@pytest.mark.parametrize(
    ("batch", "features", "used"), [(8, 32, True), (64, 8, True), (2, 64, False), (64, 1, True)]
)
def test_gradients_by_the_window_of_large_batches_are_given_to_eigen(batch, features, used):
    gradient = gradient_of(f"3,3,{features},32")
    shapes = (batch, 28, 28, features), (batch, 28, 28, 32)
    assert is_used(HOLES, gradient, *shapes) == used


@pytest.mark.parametrize("name", [HOLES, DOT])
@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float64])
def test_other_numbers_stay_where_they_are(name, dtype, x64):
    size = 1 if name == DOT else 3
    shapes = (8, 28, 28, 64), (size, size, 64, 64)
    assert not is_used(name, convolve, *shapes, dtype=dtype)


@of_ynnpack
@pytest.mark.parametrize("way", ["forward", "by window"])
def test_xla_gives_holes_to_eigen(way):
    shapes = [(16, 14, 14, 32), (3, 3, 32, 64)]
    function = convolve
    if way == "by window":
        function, shapes = gradient_of("3,3,32,64"), [shapes[0], (16, 14, 14, 64)]
    rng = np.random.default_rng(0)
    arguments = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    outcome = applied(HOLES, function, *shapes)
    found = lambda *a: function_of(outcome.graph)(*a)[0]  # noqa: E731
    assert libraries(function, *arguments) == {"ynnpack"}
    assert libraries(found, *arguments) == {"eigen"}
    np.testing.assert_allclose(
        jax.jit(found)(*arguments), jax.jit(function)(*arguments), rtol=1e-3, atol=1e-3
    )


@of_ynnpack
@pytest.mark.parametrize(
    ("name", "function", "shapes"),
    [
        (
            "grouped-convolution-by-groups",
            lambda x, w: convolve(x, w, feature_group_count=2),
            [(8, 14, 14, 64), (3, 3, 32, 64)],
        ),
        (
            "grouped-gradient-by-groups",
            gradient_of("3,3,32,64", feature_group_count=2),
            [(16, 14, 14, 64), (16, 14, 14, 64)],
        ),
    ],
)
def test_kernels_give_their_parts_to_eigen_too(name, function, shapes):
    arguments = [np.ones(shape, np.float32) for shape in shapes]
    outcome = applied(name, function, *shapes)
    assert outcome.log.firings
    assert libraries(function_of(outcome.graph), *arguments) == {"eigen"}


@of_ynnpack
@pytest.mark.parametrize(("dtype", "count"), [(np.float32, 2), (jnp.bfloat16, 0)])
def test_only_parts_of_single_precision_get_holes(dtype, count):
    grouped = lambda x, w: convolve(x, w, feature_group_count=2)  # noqa: E731
    shapes = (8, 14, 14, 64), (3, 3, 32, 64)
    outcome = applied("grouped-convolution-by-groups", grouped, *shapes, dtype=dtype)
    assert outcome.log.firings
    assert str(outcome.graph).count("lhs_dilation = (2, 1)") == count


@pytest.mark.parametrize(
    ("image", "window", "others", "used"),
    [
        ((8, 28, 28, 64), (1, 1, 64, 64), {}, True),
        ((8, 28, 28, 64), (1, 1, 64, 64), {"stride": 2}, True),
        ((8, 800, 64), (1, 64, 64), {}, False),
        ((64, 28, 28, 16), (1, 1, 16, 16), {}, False),
        ((1, 8, 8, 64), (1, 1, 64, 64), {}, False),
        ((8, 64, 28, 28), (64, 64, 1, 1), {"layouts": ("NCHW", "OIHW", "NCHW")}, False),
    ],
)
def test_large_pointwise_convolutions_are_products(image, window, others, used):
    assert is_used(DOT, lambda x, w: convolve(x, w, **others), image, window) == used


def test_a_strided_pointwise_convolution_reads_every_second_place():
    x = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3)
    w = np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
    outcome = applied(DOT, lambda x, w: convolve(x, w, 2), x.shape, w.shape, always=True)
    np.testing.assert_array_equal(function_of(outcome.graph)(x, w)[0], x[:, ::2, ::2])


def test_no_element_meets_a_hole():
    x = np.full((2, 6, 5, 3), np.inf, np.float32)
    w = np.ones((3, 3, 3, 4), np.float32)
    function = lambda x, w: convolve(x, w, 2, ((2, 1), (0, 1)))  # noqa: E731
    outcome = applied(HOLES, function, x.shape, w.shape, always=True)
    assert np.all(np.isinf(function_of(outcome.graph)(x, w)[0]))
