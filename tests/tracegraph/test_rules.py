"""Rules and passes of a user's own: written, proved, applied to one function or to all."""

from __future__ import annotations

import traceback
import warnings
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


def test_names_are_not_used_twice(registered):
    with pytest.raises(tg.TracegraphError, match="the name is taken"):
        rules.register(replace(log_of_exp, law="log(exp(x)) is x"))
    with pytest.raises(RuleError, match="two rules are named log-of-exp"):
        tg.function(program, rules=[log_of_exp, replace(log_of_exp)])


def test_a_rule_that_is_wrong_is_refused_where_it_is_given():
    wrong = replace(log_of_exp, replace=lambda m: op.neg(m.x))
    with pytest.raises(RuleError, match="changes values beyond its class") as caught:
        rules.register(wrong)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames if "compiler" in frame.filename] == []
    assert "log-of-exp" not in [rule.name for rule in rules.registered.registered()]
    with pytest.raises(RuleError, match="changes values beyond its class"):
        tg.function(program, rules=[wrong])


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
    for name in ("cse", "repeat", "Drop", ""):
        bad = dataclass(frozen=True)(type("Bad", (DropNegations,), {"name": name}))
        with pytest.raises(tg.TracegraphError, match="cannot be registered under this name"):
            passes.register(bad)


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
