"""The rules about slices: the forms that their examples leave out, each with its values."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from compiler.lowering.rule_cases import apply, base_case
from compiler.rewrite.rule import example
from tests.compiler.rules.firing import RULES, check


def _every(stride, x, start=0):
    """A slice with a stride, which older versions of JAX would make a lookup of."""
    return lax.slice_in_dim(x, start, None, stride)


MOVED = {
    "slice": example(lambda x: lax.slice_in_dim(x, 1, None, 2)[:2], "f32[m,k]", m=7),
    "slice of strides": example(
        lambda x: _every(3, lax.slice(x, (1, 0), (9, 3), (2, 1))), "f32[m,3]", m=11
    ),
    "split": example(lambda x: jnp.split(x, 2)[1][1:], "f32[m,k]", m=6),
    "split of joined": example(
        lambda x, y: jnp.split(jnp.concatenate([x, y]), 2), "f32[m,k]", "f32[m,k]"
    ),
    "stack": example(lambda x, y: jnp.stack([x, y], 1)[:, 1], "f32[m,k]", "f32[m,k]"),
    "part of a stack": example(lambda x, y: jnp.stack([x, y])[1, 1:], "f32[m,k]", "f32[m,k]"),
    "column": example(
        lambda v: _every(2, jnp.broadcast_to(v[:, None], (v.size, 9))), "f32[m]", m=6
    ),
    "repeated axis": example(lambda v: jnp.broadcast_to(v, (9, v.size))[:2], "f32[m]", m=6),
    "leading part of a split axis": example(lambda x: x.reshape(3, -1, 4)[1:], "f32[m,4]", m=6),
    "axes joined": example(lambda x: x.reshape(x.shape[0], -1)[1:], "f32[m,2,3]"),
    "single element": example(
        lambda x: lax.slice(jnp.pad(x, 1), (1, 1), (2, 4), (5, 1)), "f32[m,3]"
    ),
    "gradient stopped": example(lambda x: lax.stop_gradient(x)[1:], "f32[m,k]"),
}


@pytest.mark.parametrize("form", MOVED)
def test_a_slice_reads_from_before_what_only_moved(form):
    check("slice-of-moved", MOVED[form])


def test_a_slice_of_inner_elements_of_a_joined_axis_stays():
    case = example(lambda x: x.reshape(x.shape[0], 2, 3)[:, :, 1:], "f32[m,6]")
    assert not apply(RULES["slice-of-moved"], base_case(case).captured).log.firings


READ = {
    "convert": example(lambda x: x.astype(jnp.bfloat16)[:2], "f32[m,k]", m=8),
    "select": example(lambda x, y: jnp.where(x > 0, x, y)[:, -1:], "f32[m,k]", "f32[m,k]"),
    "repeated operand": example(
        lambda x, y: _every(2, (x * y[:, None] + 1)[:, :2]), "f32[m,k]", "f32[m]", m=9, k=9
    ),
    "strides of joined": example(
        lambda x, y: _every(3, jnp.concatenate([x, y]), 1), "f32[m,k]", "f32[m,k]", m=7
    ),
    "pad": example(lambda x: jnp.pad(x, 3)[1:-1, 4:], "f32[m,k]"),
    "only padding": example(lambda x: jnp.pad(x, 3)[:2], "f32[m,k]"),
    "transpose": example(lambda x: (jnp.transpose(x, (0, 2, 1)) * 2)[:, 1:3], "f32[m,k,n]", n=9),
    "rev": example(lambda x: lax.slice(jnp.flip(x), (1, 1), (5, 4), (2, 1)), "f32[m,4]", m=8),
    "lookup": example(lambda x, i: x[i][:2], "f32[m,k]", "i32[n]", n=8),
    "sort": example(lambda x: jnp.sort(x, 1)[:2], "f32[m,k]", m=8),
    "argmin": example(lambda x: _every(2, jnp.argmin(x, 0)), "f32[m,k]", k=8),
    "running maximum": example(lambda x: lax.cummax(x, 0)[:, :3], "f32[m,k]", k=8),
    "windows": example(
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2), (1, 1, 1), "VALID")[1:2],
        "f32[m,k,n]",
    ),
    "split": example(lambda x: jnp.split((x * 2)[:4], 2), "f32[m,k]", m=9),
}


@pytest.mark.parametrize("form", READ)
def test_no_more_is_computed_than_is_read(form):
    check("computed-where-read", READ[form])


SUMMED = {
    "product": example(lambda x: jnp.prod(x, 0)[1:3], "f32[m,k]", k=8),
    "running product from the end": example(
        lambda x: lax.cumprod(x, 0, reverse=True)[-2:], "f32[m,k]", m=8
    ),
    "transform": example(lambda x: jnp.fft.fft(x)[:1], "f32[m,k]", m=6),
    "convolution": example(
        lambda x, w: lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )[:1],
        "f32[b,4,4,m]",
        "f32[3,3,m,k]",
        b=6,
    ),
    "windows": example(
        lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 2), "VALID")[:2], "f32[m,6]", m=8
    ),
}


@pytest.mark.parametrize("form", SUMMED)
def test_no_more_is_added_up_than_is_read(form):
    check("rounded-where-read", SUMMED[form], tolerance=1e-6)


WHOLE = {
    "running maximum": ("computed-where-read", example(lambda x: lax.cummax(x)[:3], "f32[8]")),
    "windows along the slice": (
        "rounded-where-read",
        example(
            lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 2), "VALID")[:, :1],
            "f32[m,6]",
            m=8,
        ),
    ),
    "transformed axis": (
        "rounded-where-read",
        example(lambda x: jnp.fft.fft(x)[:, :1], "f32[m,8]"),
    ),
    "looked-up columns": (
        "computed-where-read",
        example(lambda x, i: x[i][:, :1], "f32[m,8]", "i32[n]"),
    ),
    "strides of padding": (
        "computed-where-read",
        example(lambda x: jnp.pad(x, 3)[::3], "f32[m,8]"),
    ),
}


@pytest.mark.parametrize("form", WHOLE)
def test_what_a_slice_needs_whole_stays(form):
    name, case = WHOLE[form]
    assert not apply(RULES[name], base_case(case).captured).log.firings


def normalized(x):
    y = x - x.mean(-1, keepdims=True)
    return jax.nn.softmax(y * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5), -1)


def test_a_slice_goes_through_values_that_are_read_twice():
    case = example(lambda x: normalized(x)[:, -1:], "f32[b,m,k]", m=8)
    slicing = [RULES[name] for name in ("slice-of-moved", "computed-where-read")]
    captured = base_case(case).captured
    graph = apply(RULES["rounded-where-read"], captured, slicing).graph
    assert all(value.type.size <= 3 * 5 for op in graph.body for value in op.results)
