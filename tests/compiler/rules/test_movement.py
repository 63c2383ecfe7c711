"""The rules that move elements: the forms that their examples leave out, each with its values."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.lowering.evaluate import Evaluator
from compiler.lowering.rule_cases import apply, base_case
from compiler.rewrite.rule import example
from tests.compiler.rules.firing import RULES, check, names

PULLED = {
    "repeated": example(lambda v: jnp.broadcast_to(v, (6, v.size)).T * 2, "f32[m]"),
    "select": example(
        lambda p, x, y: jnp.where(p.T, x.T, y.T).T, "bool[m,k]", "f32[m,k]", "f32[m,k]"
    ),
    "join": example(lambda x, y: jnp.concatenate([x.T, y.T * 2]).T, "f32[m,k]", "f32[m,n]"),
    "pad": example(lambda x: jnp.pad(x.T, ((1, 2), (0, 3))).T, "f32[m,k]"),
    "reverse": example(lambda x: (x.T[::-1] * 2).T, "f32[m,k]"),
    "slice": example(lambda x: (x.T[1:, :2] * 2).T, "f32[m,k]"),
    "sort": example(lambda x: jnp.sort(x.T, 0).T, "f32[m,k]"),
    "running maximum": example(lambda x: lax.cummax(x.T, 0).T, "f32[m,k]"),
    "count": example(
        lambda x: (x.T + lax.broadcasted_iota(x.dtype, (x.shape[1], x.shape[0]), 0)).T, "f32[m,k]"
    ),
    "windows": example(
        lambda x: jnp.transpose(
            lax.reduce_window(
                jnp.transpose(x, (0, 3, 1, 2)),
                -jnp.inf,
                lax.max,
                (1, 1, 2, 3),
                (1, 1, 2, 1),
                "SAME",
            ),
            (0, 2, 3, 1),
        ),
        "f32[b,4,5,c]",
    ),
    "maximum of three axes": example(
        lambda x: jnp.transpose(
            jnp.transpose(x, (2, 0, 1)) - jnp.max(jnp.transpose(x, (2, 0, 1)), 1, keepdims=True),
            (1, 2, 0),
        ),
        "f32[a,b,c]",
    ),
    "known array": example(
        lambda x: (x.T * np.arange(12.0, dtype=np.float32).reshape(4, 3)).T, "f32[3,4]"
    ),
    "dropped axis": example(lambda x: jnp.squeeze(x.T[:, None] * 2, 1).T, "f32[m,k]"),
}


@pytest.mark.parametrize("form", PULLED)
def test_a_transpose_goes_back_to_the_one_that_cancels_it(form):
    graph = check("transpose-pulled", PULLED[form])
    assert "transpose" not in names(graph)


def test_a_transpose_goes_through_a_softmax():
    graph = check(
        "transpose-pulled-through-rounding",
        example(lambda x: jax.nn.softmax(x.T, 0).T, "f32[m,k]"),
        tolerance=1e-6,
    )
    assert "transpose" not in names(graph)


def test_a_transpose_goes_through_a_transform_of_another_axis():
    swapped = (1, 0, 2)
    graph = check(
        "transpose-pulled-through-rounding",
        example(lambda x: jnp.fft.fft(x.transpose(swapped)).transpose(swapped), "f32[m,k,n]"),
        tolerance=1e-6,
    )
    assert "transpose" not in names(graph)


def test_a_transpose_that_cancels_nothing_stays():
    case = example(lambda x, y: (jnp.tanh(x) + y).T, "f32[m,k]", "f32[m,k]")
    assert not apply(RULES["transpose-pulled"], base_case(case).captured).log.firings


def test_the_axes_of_a_window_keep_their_order():
    def pooled(x):
        return lax.reduce_window(x.T, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").T

    captured = base_case(example(pooled, "f32[4,6]")).captured
    assert not apply(RULES["transpose-pulled"], captured).log.firings


def test_sums_of_many_pads_are_one_join():
    graph = check(
        "sum-of-pads",
        example(
            lambda x, y, z, w: w + jnp.pad(z, (6, 1)) + jnp.pad(x, (0, 8)) + jnp.pad(y, (3, 5)),
            *("f32[3]", "f32[3]", "f32[4]", "f32[11]"),
        ),
    )
    assert names(graph).count("concatenate") == 1
    assert "pad" not in names(graph)


def test_a_sum_of_pads_keeps_negative_zeros_as_they_were():
    case = example(lambda x, y: jnp.pad(x, (0, 3)) + jnp.pad(y, (2, 0)), "f32[2]", "f32[3]")
    captured = base_case(case).captured
    graph = apply(RULES["sum-of-pads"], captured).graph
    arguments = [-jnp.zeros(2), jnp.array([jnp.nan, -jnp.inf, -0.0])]
    (expected,), (found,) = Evaluator(captured)(*arguments), Evaluator(graph)(*arguments)
    assert np.asarray(expected).tobytes() == np.asarray(found).tobytes()


REFUSED = {
    "two axes": (
        "sum-of-pads",
        example(
            lambda x, y: jnp.pad(x, ((0, 2), (0, 0))) + jnp.pad(y, ((0, 0), (0, 2))),
            *("f32[2,4]", "f32[4,2]"),
        ),
    ),
    "one place twice": (
        "sum-of-pads",
        example(lambda x, y: jnp.pad(x, (2, 1)) + jnp.pad(y, (2, 1)), "f32[3]", "f32[3]"),
    ),
    "padded with ones": (
        "sum-of-pads",
        example(
            lambda x: jnp.pad(x, (0, 3), constant_values=1) + jnp.pad(x, (3, 0), constant_values=1),
            "f32[3]",
        ),
    ),
    "other numbers": (
        "pad-of-pad",
        example(lambda x: jnp.pad(jnp.pad(x, 1), 1, constant_values=1), "f32[m]"),
    ),
    "overlapping pieces": (
        "concat-flat",
        example(lambda x: jnp.concatenate([x[:3], x[2:]]), "f32[m]", m=6),
    ),
    "joined across": (
        "concat-flat",
        example(
            lambda x, y: jnp.hstack([jnp.vstack([x, y]), jnp.vstack([y, x])]),
            *("f32[m,k]", "f32[m,k]"),
        ),
    ),
    "other functions": (
        "join-of-pieces",
        example(lambda x: jnp.stack([jnp.sin(x[0]), jnp.cos(x[1])]), "f32[2,k]"),
    ),
    "other numbers in each": (
        "join-of-pieces",
        example(lambda x: jnp.stack([x[0] * 2, x[1] * 3]), "f32[2,k]"),
    ),
    "other order": (
        "join-of-pieces",
        example(lambda x: jnp.stack([x[1] + 1, x[0] + 1]), "f32[2,k]"),
    ),
    "a float that has no integer": (
        "convert-twice",
        example(lambda x: x.astype(jnp.float32).astype(jnp.int8), "f16[m]"),
    ),
    "integers that round": (
        "convert-twice",
        example(lambda x: x.astype(jnp.float32).astype(jnp.int32), "i32[m]"),
    ),
    "floats of another range": (
        "convert-twice",
        example(lambda x: x.astype(jnp.bfloat16).astype(jnp.float16), "f16[m]"),
    ),
    "part of a sum": ("reduction-of-rearranged", example(lambda x: x[::-1].sum(1), "f32[m,k]")),
    "slices that overlap": (
        "reduction-of-rearranged",
        example(lambda x: jnp.concatenate([x[2:], x[:3]]).sum(0), "f32[m,k]", m=6),
    ),
    "one column of a sum": (
        "reduction-of-rearranged",
        example(lambda x: jnp.concatenate([x[2:, :1], x[:2, :1]]).sum(0), "f32[m,k]"),
    ),
    "scalars reshaped": (
        "reshape-around-elements",
        example(lambda x: (x + 1).reshape(1, 1), "f32"),
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_nearly_the_law_stays(form):
    name, case = REFUSED[form]
    outcome = apply(RULES[name], base_case(case).captured)
    assert not outcome.log.failures
    assert not outcome.log.firings


JOINED = {
    "stack of softmax": (
        "join-of-rounded-pieces",
        example(lambda x: jnp.stack([jax.nn.softmax(x[0]), jax.nn.softmax(x[1])]), "f32[2,m,k]"),
    ),
    "shared operand": (
        "join-of-pieces",
        example(lambda x, v: jnp.stack([x[0] * v, x[1] * v], 1), "f32[2,m,k]", "f32[m,k]"),
    ),
    "split": (
        "join-of-pieces",
        example(lambda x: jnp.hstack([p * 2 + 1 for p in jnp.split(x, 3, 1)]), "f32[m,6]"),
    ),
    "transposed pieces": (
        "join-of-pieces",
        example(lambda x: jnp.vstack([x[:, :2].T + 1, x[:, 2:].T + 1]), "f32[m,5]"),
    ),
    "arguments of maxima": (
        "join-of-pieces",
        example(lambda x: jnp.stack([jnp.argmax(x[0], 1), jnp.argmax(x[1], 1)], 1), "f32[2,m,k]"),
    ),
    "repeated row": (
        "join-of-pieces",
        example(lambda x, v: jnp.vstack([x[:2] + v, x[2:] + v]), "f32[5,k]", "f32[k]"),
    ),
    "maxima of parts": (
        "join-of-pieces",
        example(lambda x: jnp.concatenate([jnp.max(x[:2], 1), jnp.max(x[2:], 1)]), "f32[5,k]"),
    ),
}


@pytest.mark.parametrize("form", JOINED)
def test_pieces_treated_alike_are_treated_together(form):
    name, case = JOINED[form]
    graph = check(name, case, tolerance=1e-6)
    assert not {"stack", "concatenate", "slice", "split"} & set(names(graph))


def test_two_rolls_are_one():
    case = example(lambda x: jnp.roll(jnp.roll(x, 1, 1), 2, 1), "f32[m,8]")
    others = [RULES["concat-flat"], RULES["slice-of-moved"]]
    graph = apply(RULES["computed-where-read"], base_case(case).captured, others).graph
    assert names(graph) == ["concatenate", "slice", "slice"]


def test_stacked_arrays_are_added_up_by_themselves():
    case = example(lambda x, y: jnp.concatenate([x, y]).reshape(2, -1), "f32[m]", "f32[m]")
    assert names(check("reshape-of-concat", case)) == ["concatenate", "reshape", "reshape"]


REORDERED = {
    "sort": example(lambda x: jnp.sort(x, 1).sum((0, 1)), "f32[m,k]"),
    "one of two axes": example(lambda x: jnp.flip(x).sum(0), "f32[m,k]"),
    "three slices": example(
        lambda x: jnp.concatenate([x[3:5], x[:3], x[5:]]).sum(0), "f32[m,k]", m=8
    ),
}


@pytest.mark.parametrize("form", REORDERED)
def test_the_order_does_not_matter_to_a_reduction(form):
    check("reduction-of-rearranged", REORDERED[form], tolerance=1e-5)
