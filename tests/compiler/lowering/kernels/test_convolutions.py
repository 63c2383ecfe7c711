"""Convolutions in many configurations: the kernels give what XLA gives, at infinities too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.inputs import edge_values, moved
from compiler.lowering.kernels import GROUPS, KERNELS, convolution_shapes, kernel
from compiler.lowering.kernels.convolution_forms import LAYOUTS
from compiler.lowering.kernels.convolutions import MAX_GROUPS
from compiler.lowering.rule_cases import PREPARE, apply, function_of, graph_of
from compiler.passes.manager import PassManager

TABLES = (
    "convolutions",
    "convolution_shapes",
    "convolution_gradients",
    "grouped_gradients",
    "ordinary_convolutions",
)
NAMES = [kernel.name for table in TABLES for kernel in GROUPS[table]]
CHANNELS_FIRST = {2: ("NCHW", "OIHW", "NCHW"), 3: ("NCDHW", "OIDHW", "NCDHW")}


def case(image, window, groups=1, stride=1, padding="SAME", holes=1, dilation=1, first=False):
    rank = len(image) - 2
    if first:
        image = (image[0], image[-1], *image[1:-1])
        window = (window[-1], window[-2], *window[:-2])

    def convolve(x, w):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride,) * rank,
            padding if isinstance(padding, str) else (padding,) * rank,
            lhs_dilation=(holes,) * rank,
            rhs_dilation=(dilation,) * rank,
            feature_group_count=groups,
            dimension_numbers=(CHANNELS_FIRST if first else LAYOUTS)[rank],
        )

    return convolve, image, window


CASES = {
    "depthwise": case((2, 6, 5, 3), (3, 3, 1, 3), 3),
    "depthwise, valid": case((2, 6, 5, 3), (3, 3, 1, 3), 3, padding="VALID"),
    "depthwise, strides": case((2, 7, 6, 3), (3, 2, 1, 3), 3, stride=2),
    "depthwise, strides with a rest": case((2, 8, 6, 3), (3, 3, 1, 3), 3, stride=3),
    "depthwise, dilation": case((2, 7, 6, 3), (3, 2, 1, 3), 3, dilation=2),
    "depthwise, strides and dilation": case((2, 9, 8, 3), (3, 2, 1, 3), 3, 2, dilation=2),
    "depthwise, holes": case((2, 4, 3, 3), (3, 3, 1, 3), 3, padding=(1, 2), holes=2),
    "depthwise, cropped": case((2, 6, 6, 3), (3, 3, 1, 3), 3, padding=(-1, 0)),
    "depthwise, two each": case((2, 5, 6, 3), (3, 3, 1, 6), 3),
    "depthwise, two each, strides": case((2, 5, 6, 3), (3, 3, 1, 6), 3, stride=2),
    "depthwise, three of two": case((1, 5, 6, 2), (2, 3, 1, 6), 2),
    "depthwise, channels first": case((2, 5, 6, 3), (3, 3, 1, 3), 3, first=True),
    "depthwise, large window": case((2, 2, 2, 3), (3, 3, 1, 3), 3),
    "depthwise, causal": case((2, 9, 4), (4, 1, 4), 4, padding=(3, 0)),
    "depthwise, three dimensions": case((2, 4, 4, 4, 2), (3, 3, 3, 1, 2), 2),
    "groups": case((2, 5, 6, 4), (3, 3, 2, 6), 2),
    "groups, strides": case((2, 5, 6, 6), (3, 3, 2, 6), 3, stride=2),
    "groups, channels first": case((2, 6, 6, 4), (3, 3, 2, 4), 2, first=True),
    "groups, many": case((2, 5, 5, 20), (3, 3, 2, 10), 10),
    "a row in groups": case((2, 7, 4), (3, 2, 4), 2),
    "a row in groups of one": case((2, 7, 2), (3, 1, 4), 2),
    "depth in groups": case((2, 4, 4, 4, 4), (3, 3, 3, 2, 4), 2),
    "groups, one place": case((2, 5, 5, 4), (1, 1, 2, 6), 2),
    "a row in many groups": case((2, 7, 9), (3, 1, 9), 9),
    "groups of ten": case((2, 5, 5, 20), (3, 3, 10, 20), 2),
    "groups, more places than elements": case((2, 7, 6, 4), (1, 1, 2, 6), 2, padding=(1, 2)),
    "many groups, more places": case((2, 6, 5, 9), (3, 3, 1, 9), 9, padding=(3, 2)),
    "depthwise, more places": case((2, 4, 5, 3), (1, 1, 1, 6), 3, padding=(0, 3)),
    "one place": case((2, 5, 5, 3), (1, 1, 3, 4)),
    "one place, strides": case((2, 5, 6, 3), (1, 1, 3, 4), stride=2),
    "small image": case((2, 2, 2, 3), (3, 3, 3, 4)),
    "small image, strides": case((2, 3, 2, 3), (3, 3, 3, 4), stride=2),
    "small image, all padding": case((2, 1, 1, 3), (3, 3, 3, 4), padding=(2, 2)),
    "small image, dilation": case((2, 2, 2, 3), (3, 3, 3, 4), dilation=2),
    "small image, holes": case((2, 2, 2, 3), (3, 3, 3, 4), padding=(2, 2), holes=2),
    "small image, holes and strides": case((2, 2, 2, 3), (3, 3, 3, 4), 1, 2, (2, 2), 3),
    "small image, channels first": case((2, 2, 2, 3), (3, 3, 3, 4), first=True),
    "a row": case((2, 2, 3), (3, 3, 4)),
    "transposed": case((2, 4, 4, 3), (4, 4, 3, 2), padding=(2, 2), holes=2),
    "transposed, wide holes": case((2, 4, 4, 3), (2, 2, 3, 2), padding=(1, 1), holes=3),
    "depth": case((2, 4, 4, 5, 2), (3, 3, 3, 2, 3)),
    "depth, strides": case((2, 5, 5, 5, 2), (3, 3, 3, 2, 3), stride=2),
    "depth, strides, even": case((2, 6, 6, 6, 2), (3, 3, 3, 2, 3), stride=2),
    "depth, valid": case((2, 5, 5, 5, 2), (3, 2, 2, 2, 3), padding="VALID"),
    "depth, dilation": case((2, 6, 6, 6, 2), (2, 2, 3, 2, 3), dilation=2),
    "depth, holes": case((2, 3, 3, 3, 2), (2, 2, 2, 2, 3), padding=(1, 1), holes=2),
    "depth, channels first": case((2, 4, 4, 4, 2), (3, 3, 3, 2, 3), first=True),
    "depth, flat image": case((2, 6, 2, 2, 2), (2, 3, 3, 2, 3)),
}


def programs(convolve, image, window):
    """The convolution and its two gradients, with the shapes of their arguments."""
    x, w = jnp.ones(image), jnp.ones(window)
    y = jax.eval_shape(convolve, x, w).shape
    return {
        "forward": (convolve, [image, window]),
        "by image": (lambda w, y: jax.vjp(lambda x: convolve(x, w), x)[1](y)[0], [window, y]),
        "by window": (lambda x, y: jax.vjp(lambda w: convolve(x, w), w)[1](y)[0], [image, y]),
    }


@pytest.mark.parametrize("way", ["forward", "by image", "by window"])
@pytest.mark.parametrize("title", CASES)
def test_every_kernel_gives_what_xla_gives(title, way):
    function, shapes = programs(*CASES[title])[way]
    rng = np.random.default_rng(0)
    arguments = [jnp.asarray(rng.standard_normal(shape), np.float32) for shape in shapes]
    graph = PassManager(PREPARE).run(graph_of(function, arguments)).graph
    expected = jax.jit(function)
    for name in NAMES:
        outcome = apply(KERNELS[name].rule(always=True), graph)
        if not outcome.log.firings:
            continue
        found = jax.jit(lambda *a, graph=outcome.graph: function_of(graph)(*a)[0])
        np.testing.assert_allclose(
            found(*arguments), expected(*arguments), rtol=1e-5, atol=1e-5, err_msg=name
        )
        for edged in infinities(arguments, rng):
            is_nan = np.isnan(found(*edged)), np.isnan(expected(*edged))
            np.testing.assert_array_equal(*is_nan, err_msg=name)


@pytest.mark.parametrize("form", ["_added_up", "_side_by_side", "_slice_by_slice"])
@pytest.mark.parametrize(
    "title", [title for title in CASES if title.startswith("depth,") or title == "depth"]
)
def test_each_form_of_a_deep_convolution_is_right(title, form, monkeypatch):
    for one in ("_added_up", "_side_by_side", "_slice_by_slice"):
        monkeypatch.setattr(convolution_shapes, one, getattr(convolution_shapes, form))
    monkeypatch.setattr(kernel, "_made", {})
    function, image, window = CASES[title]
    rng = np.random.default_rng(1)
    arguments = [jnp.asarray(rng.standard_normal(s), np.float32) for s in (image, window)]
    graph = PassManager(PREPARE).run(graph_of(function, arguments)).graph
    outcome = apply(KERNELS["convolution-by-depth"].rule(always=True), graph)
    assert outcome.log.firings
    found = jax.jit(lambda *a: function_of(outcome.graph)(*a)[0])
    is_loop = "while" in found.lower(*arguments).as_text()
    assert is_loop == (form == "_slice_by_slice")
    expected = jax.jit(function)
    np.testing.assert_allclose(found(*arguments), expected(*arguments), rtol=1e-5, atol=1e-5)
    for edged in infinities(arguments, rng):
        np.testing.assert_array_equal(np.isnan(found(*edged)), np.isnan(expected(*edged)))


@pytest.mark.parametrize(
    ("image", "window", "stride", "form"),
    [
        ((2, 16, 32, 32, 16), (3, 3, 3, 16, 16), 1, "_added_up"),
        ((2, 16, 32, 32, 16), (3, 3, 3, 16, 32), 2, "_added_up"),
        ((2, 16, 32, 32, 3), (3, 3, 3, 3, 16), 1, "_side_by_side"),
        ((1, 16, 64, 64, 32), (3, 3, 3, 32, 32), 1, "_slice_by_slice"),
    ],
)
def test_a_deep_convolution_has_the_form_that_stores_the_least(
    image, window, stride, form, monkeypatch
):
    used = []
    right = getattr(convolution_shapes, form)
    monkeypatch.setattr(convolution_shapes, form, lambda *a: used.append(form) or right(*a))
    monkeypatch.setattr(kernel, "_made", {})
    function, *_ = case(image, window, stride=stride)
    graph = graph_like(function, image, window)
    assert apply(KERNELS["convolution-by-depth"].rule(), graph).log.firings
    assert used == [form]


def graph_like(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    return PassManager(PREPARE).run(graph_of(function, arguments)).graph


@pytest.mark.parametrize("groups", [MAX_GROUPS, MAX_GROUPS + 1])
@pytest.mark.parametrize("way", ["forward", "by window"])
def test_only_so_many_groups_have_a_convolution_each(groups, way):
    features = 5 * groups
    function, shapes = programs(*case((8, 16, 16, features), (3, 3, 5, features), groups))[way]
    graph = graph_like(function, *shapes)
    names = {"forward": "grouped-convolution-by-groups", "by window": "grouped-gradient-by-groups"}
    firings = apply(KERNELS[names[way]].rule(), graph).log.firings
    assert bool(firings) == (groups <= MAX_GROUPS)


def test_shifted_images_are_not_stored_where_a_library_takes_their_sum_in():
    def mean_of_separable(x, depthwise, pointwise):
        between = jax.nn.relu(case(x.shape, depthwise.shape, 64, 2)[0](x, depthwise))
        return jax.nn.relu(case(between.shape, pointwise.shape)[0](between, pointwise)).mean((1, 2))

    shapes = (8, 32, 32, 64), (3, 3, 1, 64), (1, 1, 64, 128)
    outcome = apply(
        KERNELS["grouped-convolution-by-taps"].rule(), graph_like(mean_of_separable, *shapes)
    )
    assert outcome.log.firings
    arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    compiled = jax.jit(function_of(outcome.graph)).lower(*arguments).compile()
    of_taps = 8 * 16 * 16 * 64 * 4
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * of_taps


def infinities(arguments, rng):
    """The arguments with edge values, and with a single infinity in the one and the other."""
    yield [moved(value, edge_values, rng) for value in arguments]
    for place, value in enumerate(arguments):
        for index in rng.integers(0, value.size, 6):
            flat = value.reshape(-1).at[index].set(np.inf)
            yield [*arguments[:place], flat.reshape(value.shape), *arguments[place + 1 :]]
