"""Which products leave a loop: by rows, columns, element type, and what else the loop computes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import compiler.lowering.host  # noqa: F401  the installed JAX behind the types of new ops
from compiler.lowering.rule_cases import apply, base_case
from compiler.rewrite.rule import example
from compiler.rules import all_rules
from compiler.rules.scan_stacking import MAX_STACKED_BYTES

BEFORE, AFTER = (all_rules()[f"scan-work-{side}"] for side in ("before", "after"))


def fires(rule, case):
    return bool(apply(rule, base_case(case).captured).log.firings)


def alone(x, w, c):
    return lax.scan(lambda c, t: (jnp.tanh(t @ w + c), None), c, x)[0]


def recurrent(x, w, u, c):
    return lax.scan(lambda c, t: (jnp.tanh(t @ w + c @ u), None), c, x)[0]


def split_sum(x, w, u, c):
    def step(c, t):
        kept, new = jnp.split(t @ w + c @ u, 2, axis=-1)
        return c * kept + new, None

    return lax.scan(step, c, x)[0]


def split_before(x, w, u, c):
    def step(c, t):
        kept, new = jnp.split(t @ w, 2, axis=-1)
        return c * kept + jnp.tanh(new + c @ u), None

    return lax.scan(step, c, x)[0]


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(1, 640, True), (16, 128, True), (17, 128, False), (8, 129, False), (8, 512, False)],
)
def test_alone_in_a_loop_few_rows_leave_it(rows, columns, expected):
    case = example(alone, f"f32[2,{rows},128]", f"f32[128,{columns}]", f"f32[{rows},{columns}]")
    assert fires(BEFORE, case) is expected


@pytest.mark.parametrize(
    ("dtype", "rows", "columns", "expected"),
    [
        ("f32", 64, 128, True),
        ("f32", 65, 128, False),
        ("f32", 8, 512, True),
        ("f32", 8, 513, False),
        ("f32", 8, 255, False),
        ("bf16", 8, 512, False),
        ("f16", 17, 128, False),
        ("f16", 16, 128, True),
    ],
)
def test_beside_other_products_more_do(dtype, rows, columns, expected):
    shapes = (f"2,{rows},128", f"128,{columns}", f"{columns},{columns}", f"{rows},{columns}")
    case = example(recurrent, *(f"{dtype}[{shape}]" for shape in shapes))
    assert fires(BEFORE, case) is expected


def test_a_sum_that_is_cut_into_gates_stays_whole():
    case = example(split_sum, "f32[2,8,128]", "f32[128,512]", "f32[256,512]", "f32[8,256]")
    assert not fires(BEFORE, case)
    one_row = example(split_sum, "f32[2,1,128]", "f32[128,512]", "f32[256,512]", "f32[1,256]")
    assert fires(BEFORE, one_row)


@pytest.mark.parametrize(("runs", "expected"), [(128, True), (129, False)])
def test_what_a_part_is_taken_of_is_not_too_large_either(runs, expected):
    assert MAX_STACKED_BYTES == 128 * 16 * 512 * 4
    case = example(
        split_before, f"f32[{runs},16,128]", "f32[128,512]", "f32[256,256]", "f32[16,256]"
    )
    assert fires(BEFORE, case) is expected


@pytest.mark.parametrize(("products", "expected"), [(4, True), (5, False)])
def test_all_that_is_computed_before_a_loop_is_bounded(products, expected):
    def program(x, u, c, *weights):
        def step(c, t):
            return jnp.tanh(sum((t @ w) * (c @ u) for w in weights)), None

        return lax.scan(step, c, x)[0]

    weights = ["f32[128,512]"] * products
    case = example(program, "f32[128,16,128]", "f32[512,512]", "f32[16,512]", *weights)
    assert fires(BEFORE, case) is expected


def outputs(x, c, v):
    return lax.scan(lambda c, t: (c * 0.5 + t, c @ v), c, x)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(16, 64, True), (17, 64, False), (17, 128, True), (64, 256, True), (65, 256, False)],
)
def test_what_only_outputs_need_leaves_unless_much_is_stacked_for_it(rows, columns, expected):
    case = example(outputs, f"f32[2,{rows},256]", f"f32[{rows},256]", f"f32[256,{columns}]")
    assert fires(AFTER, case) is expected


def test_others_leave_although_one_stays():
    def both(x, c, v):
        return lax.scan(lambda c, t: (c * 0.5 + t, (c @ v, jnp.exp(c[0, :8]))), c, x)

    assert fires(AFTER, example(both, "f32[2,32,256]", "f32[32,256]", "f32[256,64]"))


@pytest.mark.parametrize(("runs", "expected"), [(16, True), (17, False)])
def test_what_is_larger_than_its_outputs_is_bounded(runs, expected):
    def picked(x, c, v):
        def step(c, t):
            return c * 0.5 + t, jax.nn.log_softmax(c @ v)[..., 0].sum()

        return lax.scan(step, c, x)

    assert MAX_STACKED_BYTES == 16 * 32 * 2048 * 4
    case = example(picked, f"f32[{runs},32,512]", "f32[32,512]", "f32[512,2048]")
    assert fires(AFTER, case) is expected
