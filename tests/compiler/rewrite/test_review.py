"""Findings of a review of the rule engine; each names what has to hold."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.xla_metadata import set_xla_metadata

import tracegraph as tg
from compiler.ir.walk import clone
from compiler.lowering.rule_cases import apply, base_case
from compiler.passes.rewrite import Rewrite
from compiler.rewrite.match import Search
from compiler.rewrite.rewriter import Rewriter
from tracegraph.rules import (
    FLOAT,
    Numerics,
    Refusal,
    Rule,
    RuleError,
    constant,
    example,
    known,
    num,
    op,
    register,
    shape,
    traced,
    unregister,
    var,
)

x, y = var("x"), var("y")
real = var("x", FLOAT)  # the signs of complex zeros would differ
cosine = Rule(
    name="cosine-of-negative",
    law="cos(-x) = cos(x)",
    pattern=op.cos(op.neg(x)),
    replace=lambda m: op.cos(m.x),
    transparent=True,
    normal_form="an even function of a value without its sign",
    examples=(example(lambda a: jnp.cos(-a), "f32[n]"),),
)
outward = Rule(
    name="sign-out-of-sine",
    law="sin(-x) = -sin(x)",
    pattern=op.sin(op.neg(real)),
    replace=lambda m: op.neg(op.sin(m.x)),
    normal_form="signs outside",
    examples=(example(lambda a: jnp.sin(-a), "f32[n]"),),
)
inward = Rule(
    name="sign-into-sine",
    law="-sin(x) = sin(-x)",
    pattern=op.neg(op.sin(real)),
    replace=lambda m: op.sin(op.neg(m.x)),
    normal_form="signs inside",
    examples=(example(lambda a: -jnp.sin(a), "f32[n]"),),
)
X = jnp.arange(4.0) + 1


def test_a_rule_that_changes_the_derivative_at_a_tie_is_not_transparent():
    relu = Rule(
        name="select-is-max",
        law="(x > 0 ? x : 0) = max(x, 0)",
        pattern=op.select_n(op.gt(x, 0.0), num("z"), x),
        replace=lambda m: op.max(m.x, 0.0) if m.z == 0 else Refusal("another number"),
        numerics=Numerics.FINITE,
        transparent=True,
        normal_form="extremes",
        examples=(example(lambda a: jnp.where(a > 0, a, 0.0), "f32[n]"),),
    )
    with pytest.raises(RuleError, match=r"is not transparent|beyond its class"):
        tg.function(lambda a: jnp.where(a > 0, a, 0.0), rules=[relu])


def test_a_power_keeps_its_derivative_at_zero():
    def energy(a):
        return jnp.sum(jnp.sum(a * a, 1) ** 1.5)

    zero = jnp.zeros((2, 3))
    np.testing.assert_array_equal(jax.grad(tg.function(energy))(zero), jax.grad(energy)(zero))


def test_the_last_running_extreme_keeps_its_derivative_at_ties():
    def last(a):
        return jax.lax.cummax(a)[-1]

    ties = jnp.zeros(3)
    np.testing.assert_array_equal(jax.grad(tg.function(last))(ties), jax.grad(last)(ties))


def test_a_traced_replacement_keeps_the_settings_of_what_it_replaces():
    rule = replace(cosine, replace=lambda m: traced(jnp.cos, m.x))

    def annotated(a):
        with set_xla_metadata(mine="1"):
            return jnp.cos(-a)

    (cos,) = [o for o in tg.function(annotated, rules=[rule]).graph(X).body if o.name == "cos"]
    assert cos.context is not None


def counted(a):
    return jax.lax.while_loop(lambda s: s[0] < 7, lambda s: (s[0] + 1, jnp.tanh(s[1])), (0, a))[1]


def chosen(a):
    square = a[:, None] * a
    return jnp.where(a[0] > 0, square @ (square @ jnp.tanh(square)), square)


@pytest.mark.parametrize(("function", "made"), [(counted, "scan"), (chosen, "cond")])
def test_a_loop_or_branch_made_anew_keeps_the_settings_of_what_it_replaces(
    function, made, monkeypatch
):
    monkeypatch.setattr("compiler.rules.branch_selects.WORTH_A_BRANCH", 1)

    def annotated(a):
        with set_xla_metadata(mine="1"):
            return function(a)

    (found,) = [o for o in tg.function(annotated).graph(X).body if o.name == made]
    assert found.context is not None


def test_ops_of_different_settings_are_not_one_match():
    def half(a):
        with set_xla_metadata(mine="1"):
            b = -a
        return jnp.cos(b)

    assert not tg.function(half, rules=[cosine]).trace(X).rewrites


def test_a_traced_function_is_traced_under_the_settings_of_now():
    def product(a, b):
        return a @ b

    rule = Rule(
        name="product-of-negatives",
        law="(-a) @ (-b) = a @ b",
        pattern=op.dot_general(op.neg(x), op.neg(y)),
        replace=lambda m: traced(product, m.x, m.y),
        normal_form="no signs",
    )
    case = base_case(example(lambda a, b: (-a) @ (-b), "f32[m,k]", "f32[k,n]")).captured

    def precision():
        (dot,) = [o for o in apply(rule, case).graph.body if o.name == "dot_general"]
        return dot.attributes.get("precision")

    before = precision()
    with jax.default_matmul_precision("highest"):
        assert precision() != before


def test_two_rules_of_one_function_that_undo_each_other_are_refused():
    with pytest.raises(RuleError, match="does not come to an end beside other rules"):
        tg.function(jnp.sin, rules=[outward, inward])


def test_rules_of_different_classes_that_undo_each_other_are_refused():
    register(replace(inward, numerics=Numerics.FINITE))
    try:
        with pytest.raises(RuleError, match="does not come to an end beside other rules"):
            register(outward)
    finally:
        for rule in (inward, outward):
            with suppress(tg.TracegraphError):
                unregister(rule)


@pytest.mark.parametrize("kind", ["the root", "a value after the root", "nothing"])
def test_a_replacement_of_what_comes_too_late_leaves_the_rule_out_and_not_all_else(kind):
    def replaced(m):
        if len(shape(m.x)) == 1:
            return op.cos(m.x)
        later = next(use.operation for use in m.x.uses if use.operation.name == "exp")
        read = {"the root": m.root, "a value after the root": later}
        return op.neg(read[kind].results[0]) if kind in read else None

    rule = replace(cosine, name="too-late", replace=replaced)
    f = tg.function(lambda a: jnp.cos(-a) + jnp.exp(a), rules=[rule])
    with pytest.warns(tg.OptimizationWarning) as caught:
        f(jnp.ones((2, 2)))
    assert [str(w.message).partition(" failed")[0] for w in caught] == ["the rule too-late"]


def test_a_replacement_adds_no_effects():
    def noisy(a):
        jax.debug.callback(lambda v: None, a)
        return jnp.cos(a)

    rule = replace(cosine, replace=lambda m: traced(noisy, m.x))
    with pytest.raises(RuleError, match="effect"):
        tg.function(jnp.cos, rules=[rule])


def test_tables_of_other_shapes_are_other_tables():
    graph = tg.parse_graph(
        "tracegraph.ir 1\n"
        "graph @f() -> (f32[2,2]) {\n"
        "  %a = constant {value = dense([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])} : f32[2,3]\n"
        "  %b = constant {value = dense([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])} : f32[3,2]\n"
        "  %c = dot_general %a, %b {dimension_numbers = (((1,), (0,)), ((), ()))} : f32[2,2]\n"
        "  return %c\n"
        "}\n"
    )
    (dot,) = [o for o in graph.body if o.name == "dot_general"]
    assert not list(Search().matches(op.dot_general(known("t"), known("t")), dot))


@pytest.mark.parametrize("case", ["a user of an operand that went", "two ops above"])
def test_a_second_run_changes_nothing(case):
    zero = Rule(
        name="times-zero",
        law="x * 0 = 0",
        pattern=op.mul(x, 0.0),
        replace=lambda m: op.broadcast_in_dim(
            constant(np.float32(0)), shape=shape(m.root.result), broadcast_dimensions=()
        ),
        numerics=Numerics.FINITE,
    )
    even = replace(cosine, pattern=op.cos(op.neg(x)), normal_form="")
    deep = replace(
        cosine,
        name="deep",
        pattern=op.tanh(op.cos(op.neg(x))),
        replace=lambda m: op.tanh(op.cos(m.x)),
    )

    def near(a):
        n = -a
        return jnp.cos(n), jnp.exp(n * 0.0)

    def far(a):
        n = jnp.cos(-a)
        return jnp.tanh(n), jnp.exp(n * 0.0)

    rules, program = ((zero, even), near) if case.startswith("a user") else ((zero, deep), far)
    graph = clone(tg.function(program, passes="inline").graph(X))
    step = Rewrite(rules="", numerics="fast", extra=rules)
    changes: list[int] = []
    for _ in range(2):
        rewriter = Rewriter(graph, step.name)
        step.run(graph, rewriter)
        changes.append(rewriter.changes)
    assert changes[0] > 0
    assert changes[1] == 0


def test_a_level_may_be_the_class():
    """Or it is refused with a TracegraphError that says how to write a level."""
    with suppress(tg.TracegraphError):
        tg.function(jnp.cos, numerics=Numerics.EXACT)


def test_a_rule_with_another_kind_of_class_is_refused_when_it_is_made():
    with pytest.raises(tg.TracegraphError):
        replace(cosine, numerics="exact")


def test_a_pattern_may_not_bind_what_the_match_calls_otherwise():
    with pytest.raises(tg.TracegraphError, match="type"):
        replace(cosine, pattern=op.cos(op.neg(var("type"))))


def test_a_loop_whose_test_reads_fewer_values_can_be_differentiated():
    """JAX 0.7.2 joins the names of the test's parameters to a tuple, and finds None."""

    def loop(a, c):
        d = jnp.tanh(c)
        return jax.lax.while_loop(
            lambda s: jnp.sum(s) < jnp.sum(jnp.sin(c) * d), lambda s: s + jnp.cos(c), a
        )

    points = (jnp.zeros(3), jnp.ones(3))
    expected, found = (jax.jvp(f, points, points) for f in (loop, tg.function(loop)))
    jax.tree.map(np.testing.assert_allclose, expected, found)
