"""Products of a loop by columns: which ones, in how wide parts, and on which platform."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

import tracegraph as tg
from compiler.ir import walk
from compiler.lowering.check_rule import check_rule
from compiler.lowering.rule_cases import apply, base_case
from compiler.passes.spread import SpreadDots
from compiler.rewrite.rule import example
from compiler.rules.scan_columns import RULE

PASSES = "inline,spread-dots"


def recurrent(x, *constants):
    def step(state, row):
        state = jnp.tanh(sum((state @ w for w in constants), row))
        return state, state

    return lax.scan(step, x[0], x)


def chained(x, *constants):
    """Each product waits for the one before it."""

    def step(state, row):
        for w in constants:
            state = jnp.tanh(row + state @ w)
        return state, None

    return lax.scan(step, x[0], x)


def case(runs, rows, size, count, program=recurrent, dtype="f32"):
    arrays = [f"{dtype}[{runs},{rows},{size}]", *(f"{dtype}[{size},{size}]" for _ in range(count))]
    return example(program, *arrays)


def spread(found):
    return apply(RULE, base_case(found).captured)


def test_it_computes_what_the_loop_computes():
    check_rule(RULE)


@pytest.mark.parametrize(
    ("found", "fires"),
    [
        (case(64, 16, 256, 4), True),
        (case(64, 1, 512, 4), True),
        (case(64, 64, 256, 1), False),  # four parts are too few to be shared out
        (case(64, 16, 256, 10), False),  # so many products are shared out as they are
        (case(64, 2, 512, 4), False),  # XLA's library computes each of them on several cores
        (case(64, 128, 256, 4), False),
        (case(64, 8, 64, 4), False),
        (case(15, 16, 256, 4), False),  # the constants are copied for few runs
        (case(64, 16, 256, 4, chained), False),
        (case(64, 16, 256, 4, dtype="bf16"), False),
    ],
)
def test_the_sizes_decide(found, fires):
    outcome = spread(found)
    assert not outcome.log.failures
    assert bool(outcome.log.firings) is fires


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (case(64, 16, 256, 4), {64}),
        (case(64, 32, 128, 4), {32}),
        (case(64, 16, 200, 4), {64, 8}),
    ],
)
def test_parts_are_as_wide_as_a_registers_tile(found, expected):
    graph = spread(found).graph
    cut = [op for op in graph.body if op.name == "slice" and op.result.type.shape[0] != 1]
    assert {op.result.type.shape[1] for op in cut} == expected


def arguments(runs=64, rows=16, size=256, count=4):
    keys = jax.random.split(jax.random.key(0), count + 1)
    weights = [jax.random.normal(key, (size, size)) / size for key in keys[1:]]
    return [jax.random.normal(keys[0], (runs, rows, size)), *weights]


def test_it_is_a_pass_that_a_pipeline_may_name():
    step = tg.function(recurrent, passes=PASSES)
    found, expected = step(*arguments()), jax.jit(recurrent)(*arguments())
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    fired = [firing.rule for firing in step.explain(*arguments()).fired]
    assert fired == ["scan-dots-by-columns"]


def test_its_ops_come_from_the_lines_of_the_products():
    graph = tg.function(recurrent, passes=PASSES).graph(*arguments())
    made = [op for op in walk(graph) if op.name in ("concatenate", "cond", "dot_general")]
    assert {op.location.frame.file for op in made} == {__file__}


def test_at_exact_it_does_nothing():
    step = tg.function(recurrent, passes=PASSES, numerics="exact")
    assert "concatenate" not in {op.name for op in walk(step.graph(*arguments()))}
    assert not SpreadDots("exact").applies_to(step.graph(*arguments()))


def test_a_second_run_finds_nothing_more():
    once = tg.function(recurrent, passes=PASSES).graph(*arguments())
    assert not SpreadDots().applies_to(once)
    twice = tg.function(recurrent, passes=f"{PASSES},spread-dots").graph(*arguments())
    assert len(list(walk(twice))) == len(list(walk(once)))


def test_other_platforms_keep_their_products():
    step = tg.function(recurrent, passes=PASSES)

    def products(platforms):
        text = export.export(step, platforms=platforms)(*arguments()).mlir_module()
        return text.count("stablehlo.dot_general")

    assert products(["tpu"]) == 4
    assert products(["cpu"]) == 16
    assert products(["cpu", "tpu"]) >= 20


def test_with_a_precision_of_its_own_a_product_stays():
    def precise(x, *constants):
        with jax.default_matmul_precision("highest"):
            return recurrent(x, *constants)

    step = tg.function(precise, passes=PASSES)
    assert "concatenate" not in {op.name for op in walk(step.graph(*arguments()))}
