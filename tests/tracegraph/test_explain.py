"""``step.explain``: what fired, what it was worth, what a freer level would add."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.numerics import Numerics
from tracegraph.rules import Rule, example, op, var

A = jnp.ones((128, 128))
V = jnp.ones(128)


def product(a, b, v):
    return a @ b @ v


def test_what_a_freer_level_would_save():
    found = tg.function(product).explain(A, A, V)
    reassociate, fast = found.levels
    assert reassociate.numerics is Numerics.REASSOCIATE
    assert reassociate.flops < found.after.flops / 20
    assert "reassociate would save 98." in str(found)
    assert f"{__file__}:{product.__code__.co_firstlineno + 1} (product)" in str(found)
    assert fast.flops == reassociate.flops


def test_what_fires_already_is_not_said_of_a_freer_level():
    found = tg.function(lambda a, b, v: (jnp.tanh(a @ b)[:4], a @ b @ v)).explain(A, A, V)
    now = {one.rule for one in found.fired}
    assert now
    for level in found.levels:
        assert now.isdisjoint(one.rule for one in level.fired)


def test_at_the_freest_level_there_is_nothing_above():
    found = tg.function(product, numerics="fast").explain(A, A, V)
    assert found.levels == ()
    assert found.after.flops < found.before.flops / 20
    assert "matrix" not in str(found.levels)


def test_rules_are_listed_by_line_with_their_worth():
    found = tg.function(lambda a, b: jnp.tanh(a @ b)[:4]).explain(A, A)
    (first, *_) = found.fired
    assert first.saved > 0
    assert "of the whole by the model" in str(found)
    assert found.ops[0] > 0


def test_kernels_come_first_with_what_was_measured():
    step = tg.function(lambda x: jax.lax.cummax(x * 2.0, axis=0))
    found = step.explain(jnp.ones((512, 8)))
    assert found.fired[0].rule == "cummax-by-rows"
    assert found.fired[0].kernel == ("cpu",)
    assert "on cpu, measured" in str(found)


def test_near_misses_are_named_with_their_reason():
    found = tg.function(lambda a, b: (jnp.trace(a @ b), a @ b)).explain(A, A)
    assert any("has other users" in miss for miss in found.misses)


def test_a_rule_of_the_users_own_has_its_law():
    x = var("x")
    own = Rule(
        name="cosine-of-minus",
        law="cos(-x) = cos(x)",
        pattern=op.cos(op.neg(x)),
        replace=lambda m: op.cos(m.x),
        examples=(example(lambda x: jnp.cos(-x), "f32[n]"),),
    )
    found = tg.function(lambda x: jnp.cos(-x), rules=[own]).explain(V)
    assert "cos(-x) = cos(x)" in str(found)


@pytest.mark.parametrize("passes", ["", "inline,cse", "rewrite,lower-platform"])
def test_any_pipeline_is_explained(passes):
    text = str(tg.function(product, passes=parse_pipeline(passes)).explain(A, A, V))
    assert text.startswith("@product, numerics")


def test_many_rows_are_counted():
    def many(x):
        for _ in range(12):
            x = jax.lax.cummax(x, axis=0) + 1.0
            x = x[:, ::-1]
        return x

    found = tg.function(many).explain(jnp.ones((512, 8)))
    assert found.fired[0].times == 12
    assert "(12 times)" in str(found)


def first_row(x):
    return jnp.sum(x, axis=0)


def test_a_rule_has_one_row_for_a_line_whatever_the_scope():
    @tg.function
    def f(x):
        with jax.named_scope("one"):
            one = first_row(x)
        with jax.named_scope("two"):
            return one, first_row(x * 2)

    (row,) = f.explain(jnp.ones((1, 8))).fired
    assert (row.rule, row.times) == ("reduce-of-unit-axis", 2)


def test_a_small_share_is_not_called_nothing():
    text = str(tg.function(lambda x, y: (x @ x, first_row(y))).explain(A, jnp.ones((1, 8))))
    assert "saves under 0.1% of the whole by the model" in text
    assert "saves 0.0%" not in text


def test_a_notebook_shows_the_text():
    explanation = tg.function(lambda x: x + 1).explain(jnp.ones(3))
    shown = explanation._repr_mimebundle_((), ())
    assert "numerics rounding" in shown["text/plain"]
