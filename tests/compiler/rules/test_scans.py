"""The rules for scans: what is left of a loop, beside what their examples show."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import compiler.lowering.host  # noqa: F401  the installed JAX behind the types of new ops
import tracegraph as tg
from compiler.ir.walk import walk
from compiler.lowering.evaluate import Evaluator
from compiler.lowering.inputs import random_arguments
from compiler.lowering.rule_cases import apply, base_case
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.rule import example
from compiler.rewrite.scans import Scan
from compiler.rules.scan_counting import Counting, Line
from tests.compiler.rules.firing import RULES, check, names

TABLES = (
    "scan_lanes+scan_constants+scan_hoisting+scan_indexing+scan_batching+scan_work+scan_outputs"
)
ALL = parse_pipeline(f"repeat(canonicalize,fold-constants,cse,rewrite{{rules={TABLES}}},dce)")


def scans(graph) -> list[Scan]:
    return [Scan(op) for op in walk(graph) if op.name == "scan"]


def inner_names(scan) -> list[str]:
    return sorted(op.name for op in scan.body if op.name not in ("constant", "yield"))


def optimized(case, tolerance=0.0):
    captured = base_case(case).captured
    result = PassManager(ALL).run(captured)
    assert not result.failures
    arguments = random_arguments(captured, 0)
    pairs = zip(Evaluator(captured)(*arguments), Evaluator(result.graph)(*arguments), strict=True)
    for expected, found in pairs:
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=tolerance)
    return result.graph


def loop(body, x, *, reverse=False):
    return lax.scan(body, jnp.zeros_like(x[0]), x, reverse=reverse)


LINES = {
    "the counter": (lambda i: i, Line(0, 1)),
    "an index that may be negative": (lambda i: jnp.where(i < 0, i + 5, i), Line(0, 1)),
    "every second": (lambda i: 2 * i + 1, Line(1, 2)),
    "backwards": (lambda i: 4 - i, Line(4, -1)),
    "a remainder that is none": (lambda i: lax.rem(i, jnp.int32(5)), Line(0, 1)),
    "another type": (lambda i: i.astype(jnp.int8), Line(0, 1)),
}
NO_LINES = {
    "a remainder": lambda i: lax.rem(i, jnp.int32(2)),
    "a square": lambda i: i * i,
    "a comparison that changes": lambda i: jnp.where(i < 2, i, 0),
    "a number that does not fit": lambda i: i.astype(jnp.int8) * jnp.int8(100),
    "a fraction": lambda i: i.astype(jnp.float32),
}


def counted_line(index, *, reverse=False) -> Line | None:
    """The line of an index of a counter, which starts at 0 and counts five runs."""
    case = example(
        lambda c: lax.scan(
            lambda c, _: ((c[0] + 1, c[1] * 0.5), index(c[0])),
            (jnp.int32(0), c),
            None,
            length=5,
            reverse=reverse,
        ),
        "f32[k]",
    )
    (scan,) = scans(base_case(case).captured)
    return Counting(scan).line(scan.rows[0])


@pytest.mark.parametrize("case", LINES)
def test_an_index_that_counts_is_a_line(case):
    index, line = LINES[case]
    assert counted_line(index) == line


@pytest.mark.parametrize("case", NO_LINES)
def test_an_index_of_which_less_is_known_is_no_line(case):
    assert counted_line(NO_LINES[case]) is None


def test_a_line_of_a_loop_that_runs_backwards_is_told_by_rows():
    assert counted_line(lambda i: i, reverse=True) == Line(4, -1)


@pytest.mark.parametrize("numbers", [jnp.arange(3), np.array([0, 1, 2])])
def test_stacked_numbers_are_a_line(numbers):
    case = example(lambda x: lax.scan(lambda c, i: (c + x[i], i), x[0], numbers), "f32[3,k]")
    (scan,) = scans(base_case(case).captured)
    assert Counting(scan).line(scan.slices[0]) == Line(0, 1)


def test_numbers_that_wrap_around_outside_of_the_loop_are_no_line():
    case = example(
        lambda x: lax.scan(
            lambda c, i: (c + i, i),
            jnp.int32(0),
            (jnp.arange(3, dtype=jnp.uint8) * jnp.uint8(200)).astype(jnp.int32) + x,
        ),
        "i32",
    )
    (scan,) = scans(base_case(case).captured)
    assert Counting(scan).line(scan.slices[0]) is None


def test_a_broadcast_stays_where_it_is_read():
    case = example(
        lambda x, v: loop(lambda c, t: (c * 0.5 + v[:, None] * t, None), x), "f32[n,k,k]", "f32[k]"
    )
    outcome = apply(RULES["scan-invariants-out"], base_case(case).captured)
    assert not outcome.log.firings


def test_an_op_that_leaves_a_loop_keeps_its_line():
    case = example(
        lambda x, w: loop(lambda c, t: (jnp.sin(w.T @ c + t), None), x), "f32[n,k]", "f32[k,k]"
    )
    captured = base_case(case).captured
    graph = check("scan-invariants-out", case)
    (before,) = [op for op in walk(captured) if op.name == "transpose"]
    (after,) = [op for op in graph.body if op.name == "transpose"]
    assert after.location.frames[0] == before.location.frames[0]
    assert after.location.rules[-1] == "scan-invariants-out"


def test_a_loop_over_arrays_becomes_one_over_nothing():
    case = example(
        lambda x: lax.fori_loop(
            0, x.shape[0], lambda i, o: o.at[i].set(jnp.tanh(x[i])), jnp.zeros_like(x)
        ),
        "f32[n,k]",
        n=4,
        k=1 << 14,
    )
    assert names(optimized(case, 1e-6)) == ["tanh"]


def test_a_map_of_maps_becomes_one_batch():
    case = example(
        lambda x: lax.map(lambda t: lax.map(lambda u: jnp.sin(u) * 2, t), x),
        "f32[n,m,k]",
        k=1 << 12,
    )
    assert not scans(optimized(case, 1e-6))


def test_a_loop_that_nothing_is_won_for_stays():
    case = example(
        lambda x, w: loop(lambda c, t: (jnp.tanh(c @ w + t), c), x), "f32[n,k]", "f32[k,k]"
    )
    captured = base_case(case).captured
    result = PassManager(ALL).run(captured)
    assert [run.changes for run in result.runs] == [0] * len(result.runs)


def test_draws_leave_the_loop_with_the_same_bits():
    case = example(
        lambda keys, c: lax.scan(lambda c, k: (c + jax.random.bits(k, c.shape), c), c, keys),
        "u32[n,2]",
        "u32[k]",
        k=128,
    )
    graph = check("scan-work-before", case)
    (scan,) = scans(graph)
    assert inner_names(scan) == ["add"]


@pytest.mark.parametrize(
    ("runs", "drawn", "leave"),
    [
        (3, (48,), False),
        (16, (8, 6), False),
        (32, (8, 6), True),
        (3, (200,), True),
        (64, (8,), False),
    ],
)
def test_draws_leave_the_loop_where_they_are_many(runs, drawn, leave):
    def program(key, c):
        keys = jax.random.split(key, runs)
        return lax.scan(lambda c, k: (c + jax.random.normal(k, c.shape), c[0]), c, keys)

    rewrites = tg.function(program).trace(jax.random.key(0), jnp.zeros(drawn)).rewrites
    assert ("scan-work-before" in [one.rule for one in rewrites]) == leave


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_draws_that_differ_in_a_batch_stay(impl):
    def program(seed, c):
        keys = jax.random.split(jax.random.key(seed, impl=impl), 3)
        return lax.scan(lambda c, k: (c + jax.random.uniform(k, c.shape), c), c, keys)

    case = example(program, "i32", "f32[k]")
    assert not apply(RULES["scan-work-before"], base_case(case).captured).log.firings


def test_what_is_too_large_for_all_runs_at_once_stays():
    case = example(
        lambda keys, c: lax.scan(lambda c, k: (c + jax.random.bits(k, c.shape), c[0]), c, keys),
        "u32[n,2]",
        "u32[k]",
        n=64,
        k=1 << 15,
    )
    assert not apply(RULES["scan-work-before"], base_case(case).captured).log.firings


def test_an_output_that_others_read_is_stacked():
    case = example(
        lambda x: (lambda y: (y.sum(0), y * 2))(loop(lambda c, t: (jnp.sin(c + t), c), x)[1]),
        "f32[n,k]",
    )
    outcome = apply(RULES["scan-condensed-output"], base_case(case).captured)
    assert not outcome.log.firings


def test_several_readers_of_one_output_are_carried_together():
    case = example(
        lambda x: (lambda y: (y.sum(0), y.max(), y[-1]))(
            loop(lambda c, t: (jnp.sin(c + t), c * t), x)[1]
        ),
        "f32[n,k]",
    )
    (scan,) = scans(check("scan-extreme-output", case, tolerance=1e-6))
    assert (len(scan.carries), len(scan.rows)) == (4, 0)


def test_products_that_are_added_up_are_one_dot():
    case = example(
        lambda x, y, c: lax.scan(lambda c, t: (c + jnp.einsum("bk,bm->km", *t), t[1]), c, (x, y)),
        "f32[n,b,k]",
        "f32[n,b,m]",
        "f32[k,m]",
        b=1,
        k=8,
        m=9,
    )
    graph = check("scan-sum-of-products", case, tolerance=1e-5)
    assert names(graph) == ["add", "dot_general"]


def test_narrow_sums_are_not_carried():
    case = example(
        lambda x: lax.reduce(
            loop(lambda c, t: (jnp.sin(c + t), c), x)[1], np.zeros((), x.dtype), lax.add, (0,)
        ),
        "bf16[n,k]",
    )
    captured = base_case(case).captured
    assert "reduce_sum" in names(captured)
    assert not apply(RULES["scan-condensed-output"], captured).log.firings


@pytest.mark.parametrize(("runs", "is_carried"), [(4096, True), (4097, False)])
def test_long_sums_are_not_carried(runs, is_carried):
    """Each run would round what is summed so far: of a million numbers 1e-4 is lost."""

    def total(x):
        return loop(lambda c, t: (c // 2 + t, c * c + 1), x)[1].sum()

    for kind, expected in (("f32", is_carried), ("i32", True)):
        captured = base_case(example(total, f"{kind}[{runs}]")).captured
        assert bool(apply(RULES["scan-condensed-output"], captured).log.firings) == expected


def test_carries_that_only_look_alike_stay_apart():
    case = example(
        lambda x, c: lax.scan(lambda c, t: ((c[0] + t, c[1] + t * 2), None), (c, c), x)[0],
        "f32[n,k]",
        "f32[k]",
    )
    outcome = apply(RULES["scan-equal-lanes"], base_case(case).captured)
    assert not outcome.log.firings


def test_carries_that_agree_only_together_become_one():
    case = example(
        lambda x, c: lax.scan(
            lambda c, t: ((c[1] + t, c[2] + t, c[0] + t), c[0] * c[1]), (c, c, c), x
        ),
        "f32[n,k]",
        "f32[k]",
    )
    (scan,) = scans(check("scan-equal-lanes", case))
    assert len(scan.carries) == 1


def test_an_idle_counter_wraps_around_as_it_would_by_counting():
    case = example(
        lambda x: lax.scan(lambda c, t: (c + jnp.uint8(200), t * 2), jnp.uint8(100), x),
        "f32[n]",
        n=5,
    )
    (scan,) = scans(check("scan-idle-counter", case))
    assert not scan.carries
