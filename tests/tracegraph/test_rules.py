"""Rules and passes of a user's own: written, proved, applied to one function or to all."""

from __future__ import annotations

import gc
import traceback
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tracegraph import passes, rules
from tracegraph.rules import Numerics, Rule, RuleError, example, op, var

x = var("x")
log_of_exp = Rule(
    name="log-of-exp",
    law="log(exp(x)) = x",
    pattern=op.log(op.exp(x)),
    replace=lambda m: m.x,
    numerics=Numerics.FINITE,
    transparent=True,
    examples=(example(lambda a: jnp.log(jnp.exp(a)), "f32[n]"),),
)
X = jnp.array([1.0, 2.0, 3.0])


def program(a):
    return jnp.log(jnp.exp(a)) * 2


def names(graph: tg.Graph) -> list[str]:
    return [op.name for op in graph.body if op.name not in ("constant", "return")]


@pytest.fixture
def registered() -> Iterator[Rule]:
    rule = rules.register(log_of_exp)
    yield rule
    rules.unregister(rule)


def test_a_rule_for_one_function():
    f = tg.function(program, rules=[log_of_exp], numerics="fast")
    assert names(f.graph(X)) == ["mul"]
    np.testing.assert_allclose(f(X), 2 * X)
    assert names(tg.function(program, numerics="fast").graph(X)) == ["exp", "log", "mul"]


def test_the_trace_says_which_rule_fired_at_which_line():
    (firing,) = tg.function(program, rules=[log_of_exp], numerics="fast").trace(X).rewrites
    assert firing.rule == "log-of-exp"
    assert firing.location.frame.function == "program"
    assert firing.before > firing.after


def test_a_rule_above_the_level_does_not_fire_and_the_trace_says_so():
    trace = tg.function(program, rules=[log_of_exp]).trace(X)
    assert not trace.rewrites
    near = trace.near_misses["log-of-exp"]
    assert str(near).endswith("it needs the numerics level fast, and the level is rounding")
    assert "test_rules.py" in str(near)


def test_a_rule_for_every_function(registered):
    assert names(tg.function(program, numerics="fast").graph(X)) == ["mul"]


def test_a_registered_rule_can_be_taken_back(registered):
    rules.unregister("log-of-exp")
    assert names(tg.function(program, numerics="fast").graph(X)) == ["exp", "log", "mul"]
    with pytest.raises(tg.TracegraphError, match="no rule named log-of-exp is registered"):
        rules.unregister("log-of-exp")
    rules.register(registered)


def test_a_registered_rule_can_be_left_out(registered):
    text = "inline,rewrite{skip=log-of-exp,numerics=fast}"
    assert names(tg.function(program, passes=text).graph(X)) == ["exp", "log", "mul"]


def test_a_rule_registered_again_takes_the_place_of_the_first(registered):
    again = replace(log_of_exp, law="log(exp(x)) is x")
    rules.register(again)
    assert [r for r in rules.registered.registered() if r.name == "log-of-exp"] == [again]
    assert names(tg.function(program, numerics="fast").graph(X)) == ["mul"]


def test_a_rule_is_not_compared_with_the_one_that_it_replaces():
    real = var("x", rules.FLOAT)
    first = Rule(
        name="a-form",
        law="log(x + x) = log(2 x)",
        pattern=op.log(op.add(real, real)),
        replace=lambda m: op.log(op.mul(m.x, 2.0)),
        numerics=Numerics.ROUNDING,
        normal_form="products",
        examples=(example(lambda a: jnp.log(a + a), "f32[n]"),),
    )
    second = replace(
        first,
        pattern=op.log(op.mul(real, 2.0)),
        replace=lambda m: op.log(op.add(m.x, m.x)),
        examples=(example(lambda a: jnp.log(a * 2.0), "f32[n]"),),
    )
    rules.register(first)
    try:
        with pytest.raises(RuleError, match="does not come to an end beside other rules"):
            rules.register(replace(second, name="another-form"))
        rules.register(second)
    finally:
        rules.unregister("a-form")


def test_a_given_rule_takes_the_place_of_the_registered_one_for_that_function(registered):
    mine = replace(log_of_exp, replace=lambda m: rules.Refusal("not here"), examples=())
    step = passes.parse_pipeline("rewrite{numerics=fast}").steps[0]
    (op_log,) = [o for o in tg.function(program, passes="").graph(X).body if o.name == "log"]
    chosen = replace(step, extra=(mine,)).rule_set().at(op_log)
    assert mine in chosen
    assert registered not in chosen


@pytest.mark.parametrize("name", ["transposes", "reduce-of-transpose"])
def test_a_name_of_tracegraphs_own_is_refused_before_anything_is_proved(name):
    unproved = replace(log_of_exp, name=name, examples=())  # its proof would fail
    with pytest.raises(tg.TracegraphError, match="the name is taken"):
        rules.register(unproved)
    with pytest.raises(tg.TracegraphError, match="the name is taken"):
        tg.function(program, rules=[unproved])


def test_two_rules_of_one_function_have_two_names():
    with pytest.raises(RuleError, match="two rules are named log-of-exp"):
        tg.function(program, rules=[log_of_exp, replace(log_of_exp)])


def test_a_rule_given_twice_counts_once():
    f = tg.function(program, rules=[log_of_exp, log_of_exp], numerics="fast")
    assert names(f.graph(X)) == ["mul"]


@pytest.mark.parametrize("option", ["skip", "rules"])
def test_a_rule_taken_away_means_nothing_to_a_pipeline_that_names_it(registered, option):
    text = f"inline,rewrite{{{option}=log-of-exp,numerics=fast}}"
    f = tg.function(program, passes=text)
    rules.unregister(registered)
    try:
        assert names(f.graph(X)) == ["exp", "log", "mul"]  # a warning would be an error here
        np.testing.assert_allclose(f(X), 2 * X, rtol=1e-6)
        with pytest.raises(tg.TracegraphError, match="no rule and no table of rules named"):
            tg.function(program, passes=text)
    finally:
        rules.register(registered)


def test_a_rule_taken_away_can_be_collected():
    rule = rules.register(replace(log_of_exp, name="to-be-dropped"))
    tg.function(program, numerics="fast").graph(X)
    gone = weakref.ref(rule)
    rules.unregister(rule)
    del rule
    gc.collect()
    assert gone() is None


def test_an_op_with_a_wrong_number_of_operands():
    for pattern, message in (
        (op.exp(x, x), "1 operand, as exp takes"),
        (op.log(op.add(x)), "2 operands, as add takes"),
    ):
        with pytest.raises(tg.TracegraphError, match=message):
            replace(log_of_exp, pattern=pattern)


def test_an_example_that_is_given_alone():
    (only,) = log_of_exp.examples
    assert replace(log_of_exp, examples=only).examples == (only,)


def test_the_level_of_the_keyword_wins_over_that_of_the_text():
    text = "inline,rewrite{numerics=exact}"
    f = tg.function(program, passes=text, rules=[log_of_exp], numerics="fast")
    assert names(f.graph(X)) == ["mul"]


def test_a_rule_that_is_wrong_is_refused_where_it_is_given():
    wrong = replace(log_of_exp, replace=lambda m: op.neg(m.x))
    with pytest.raises(RuleError, match="changes values beyond its class") as caught:
        rules.register(wrong)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames if "compiler" in frame.filename] == []
    assert "log-of-exp" not in [rule.name for rule in rules.registered.registered()]
    with pytest.raises(RuleError, match="changes values beyond its class"):
        tg.function(program, rules=[wrong])


@pytest.mark.parametrize("field", ["examples", "rejects"])
def test_an_example_that_is_none_is_refused(field):
    with pytest.raises(tg.TracegraphError) as caught:
        replace(log_of_exp, **{field: "f32[n]"})
    assert f'expected: {field}=(example(f, "f32[n]"),)' in str(caught.value)
    assert "found: 'f32[n]'" in str(caught.value)


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError, match=r"instance of tracegraph\.rules\.Rule"):
        tg.function(program, rules=["log-of-exp"])


def test_a_name_that_cannot_be_written_in_a_pipeline():
    with pytest.raises(tg.TracegraphError, match="a name in lower case with hyphens"):
        replace(log_of_exp, name="Log of exp")
    with pytest.raises(tg.TracegraphError, match="a pattern whose root is an op"):
        replace(log_of_exp, pattern=x)


def test_a_rule_that_fails_on_the_users_program_is_left_out_with_one_warning(tmp_path, monkeypatch):
    """Its proof knew vectors only."""
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", "")

    def vectors_only(m):
        (size,) = m.x.type.shape
        return m.x if size < 1000 else rules.Refusal("too long")

    fragile = replace(log_of_exp, name="fragile", replace=vectors_only)
    f = tg.function(program, rules=[fragile], numerics="fast")
    with pytest.warns(tg.OptimizationWarning, match="the rule fragile failed") as caught:
        result = f(jnp.ones((2, 3)))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(result, 2.0, rtol=1e-6)


@pytest.mark.parametrize("level", ["exact", "rounding", "reassociate", "fast"])
def test_every_level_is_accepted(level):
    np.testing.assert_allclose(tg.function(program, numerics=level)(X), 2 * X, rtol=1e-6)


def test_an_unknown_level_is_an_error_at_once():
    with pytest.raises(tg.TracegraphError, match="did you mean 'reassociate'"):
        tg.function(program, numerics="reasociate")


def test_rules_go_with_any_pipeline():
    f = tg.function(program, passes="", rules=[log_of_exp], numerics="fast")
    assert names(f.graph(X)) == ["mul"]
    f = tg.function(program, passes="repeat(rewrite,dce)", rules=[log_of_exp], numerics="fast")
    assert names(f.graph(X)) == ["mul"]


def test_a_decorator_with_options_keeps_rules():
    @tg.function(rules=[log_of_exp], numerics="fast", static_argnames="scale")
    def scaled(a, scale):
        return jnp.log(jnp.exp(a)) * scale

    assert names(scaled.graph(X, scale=3)) == ["mul"]


def test_under_a_transformation_the_values_are_the_functions_own():
    f = tg.function(program, rules=[log_of_exp], numerics="fast")
    np.testing.assert_allclose(jax.grad(lambda a: f(a).sum())(X), 2.0, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(f)(X[None]), 2 * X[None], rtol=1e-6)


@dataclass(frozen=True, slots=True)
class DropNegations(passes.Pass):
    """Replace every double negation by what is negated."""

    name: ClassVar[str] = "drop-negations"
    pairs: int = 100

    def run(self, graph: tg.Graph, rewriter: passes.Rewriter) -> None:
        """Transforms the graph in place."""
        for outer in passes.walk(graph):
            inner = outer.operands[0].producer if outer.name == "neg" else None
            if inner is not None and inner.name == "neg" and rewriter.may_change():
                rewriter.replace(outer, inner.operands)


@pytest.fixture
def drop_negations() -> Iterator[None]:
    passes.register(DropNegations)
    yield
    passes.unregister(DropNegations)


def test_a_pass_of_the_users_own(drop_negations):
    f = tg.function(lambda a: jnp.negative(jnp.negative(a)), passes="drop-negations{pairs=3},dce")
    assert names(f.graph(X)) == []
    np.testing.assert_array_equal(f(X), X)


def test_a_pass_whose_name_is_taken_or_cannot_be_written():
    for name, hint in (
        ("cse", "choose another name"),
        ("repeat", "choose another name"),
        ("Drop", "write name:"),
        ("", "write name:"),
    ):
        bad = dataclass(frozen=True)(type("Bad", (DropNegations,), {"name": name}))
        with pytest.raises(tg.TracegraphError, match="cannot be registered under") as caught:
            passes.register(bad)
        assert caught.value.hint.startswith(hint)


def test_a_pass_registered_again_takes_the_place_of_the_first(drop_negations):
    again = dataclass(frozen=True)(type("DropNegations", (DropNegations,), {}))
    passes.register(again)
    assert passes.passes()["drop-negations"] is again


def test_a_pass_with_a_field_that_is_no_option():
    @dataclass(frozen=True)
    class Odd(DropNegations):
        name: ClassVar[str] = "odd"
        table: tuple[int, ...] = ()

    with pytest.raises(tg.TracegraphError, match="a frozen dataclass whose fields have defaults"):
        passes.register(Odd)


def test_after_unregistering_the_name_is_unknown():
    with (
        warnings.catch_warnings(),
        pytest.raises(tg.TracegraphError, match="no pass named drop-neg"),
    ):
        passes.parse_pipeline("drop-negations")


@pytest.mark.parametrize("number", [1e40, 1e-50, 10**400])
def test_a_number_out_of_the_range_of_the_type_is_none_that_is_found(number):
    far = replace(log_of_exp, name="far", pattern=op.mul(x, number), replace=lambda m: m.x)
    step = replace(passes.parse_pipeline("rewrite{numerics=fast}").steps[0], extra=(far,))
    for found in (jnp.inf, 0.0, 1.0):
        trace = tg.function(lambda a, by=found: a * by, passes=passes.Pipeline((step,))).trace(X)
        assert "far" not in [firing.rule for firing in trace.rewrites]
