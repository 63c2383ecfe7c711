"""The driver: what fires, what is refused and why, and that it always comes to an end."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import compiler.lowering.host  # noqa: F401  the installed JAX behind the types of new ops
from compiler.ir import Graph, Value, clone, parse_graph, print_graph, structurally_equal, verify
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.definition import is_removable
from compiler.rewrite.driver import apply_rules
from compiler.rewrite.expression import constant, like, new, shape, traced
from compiler.rewrite.fragment import dead_without
from compiler.rewrite.log import RewriteLog
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, region, var, variables
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Refusal, Rule
from compiler.rewrite.rule_set import RuleSet

x, y = variables("x y")

CHAIN = """tracegraph.ir 1
graph @f(%a: f32[4]) -> (f32[4]) {
  %b = sin %a : f32[4]
  %c = neg %b : f32[4]
  %d = neg %c : f32[4]
  return %d
}
"""


def rule(pattern, replace, **facts) -> Rule:
    return Rule(
        **{"name": "a-rule", "law": "a law", "pattern": pattern, "replace": replace, **facts}
    )


def run(
    graph: Graph, *rules: Rule, level=Numerics.EXACT, limit=None, **facts
) -> tuple[Graph, RewriteLog]:
    copy = clone(graph)
    rewriter = Rewriter(copy, "rewrite", limit=limit)
    apply_rules(copy, rewriter, RuleSet(rules, level, **facts))
    verify(copy)
    return copy, rewriter.log


def names(graph: Graph) -> list[str]:
    return [op.name for op in graph.body]


double_negation = rule(op.neg(op.neg(x)), lambda m: m.x, name="double-negation")
sine_of_sine = rule(op.sin(x), lambda m: op.sin(op.sin(m.x)), name="sine", normal_form="more sines")


def test_what_is_matched_goes_and_what_replaces_it_comes():
    graph, log = run(parse_graph(CHAIN), double_negation)
    assert names(graph) == ["sin", "return"]
    (firing,) = log.firings
    assert (firing.rule, firing.before > firing.after) == ("double-negation", True)


def test_a_replacement_carries_the_lines_and_the_name_of_the_rule():
    text = CHAIN.replace("%d = neg %c : f32[4]", '%d = neg %c : f32[4] loc("f.py":3 "f" in "m/n")')
    to_abs = rule(op.neg(op.neg(x)), lambda m: op.abs(m.x), name="to-abs")
    graph, _ = run(parse_graph(text), to_abs)
    made = graph.outputs[0].producer
    assert (made.name, str(made.location.frame), made.location.rules) == (
        "abs",
        "f.py:3 (f)",
        ("to-abs",),
    )
    assert graph.outputs[0].hint == "d"


def test_the_graph_is_searched_again_where_it_changed():
    text = CHAIN.replace("%b = sin %a", "%b = neg %a").replace(
        "return %d", "%e = neg %d : f32[4]\n  return %e"
    )
    graph, log = run(parse_graph(text), double_negation)
    assert (names(graph), len(log.firings)) == (["return"], 2)


def test_regions_are_searched_too():
    text = """tracegraph.ir 1
graph @f(%p: i32[], %a: f32[4]) -> (f32[4]) {
  %h = cond %p, %a : f32[4]
    branches[0](%u: f32[4]) {
      %n = neg %u : f32[4]
      %m = neg %n : f32[4]
      yield %m
    }
    branches[1](%u: f32[4]) {
      yield %u
    }
  return %h
}
"""
    graph, _ = run(parse_graph(text), double_negation)
    (cond, _) = graph.body
    assert [len(region) for region in cond.regions] == [1, 1]


def test_a_rule_above_the_level_does_not_fire():
    loose = rule(op.neg(op.neg(x)), lambda m: m.x, numerics=Numerics.REASSOCIATE)
    graph, log = run(parse_graph(CHAIN), loose, level=Numerics.ROUNDING)
    assert structurally_equal(graph, parse_graph(CHAIN))
    assert not log.near_misses
    assert run(parse_graph(CHAIN), loose, level=Numerics.REASSOCIATE)[1].firings


def test_a_watched_rule_says_where_it_would_have_fired():
    loose = rule(op.neg(op.neg(x)), lambda m: m.x, numerics=Numerics.FINITE)
    _, log = run(parse_graph(CHAIN), loose, level=Numerics.ROUNDING, watched=[loose])
    assert not log.firings
    reason = log.near_misses["a-rule"].miss.reason
    assert reason == "it needs the numerics level fast, and the level is rounding"


def test_only_transparent_rules_fire_under_a_transformation():
    seen_through = rule(op.neg(op.neg(x)), lambda m: m.x, transparent=True)
    assert not run(parse_graph(CHAIN), double_negation, transparent_only=True)[1].firings
    assert run(parse_graph(CHAIN), seen_through, transparent_only=True)[1].firings


def test_a_rule_that_saves_nothing_does_not_fire():
    worse = rule(op.neg(x), lambda m: op.neg(op.sin(op.sin(m.x))))
    graph, log = run(parse_graph(CHAIN), worse)
    assert names(graph) == ["sin", "neg", "neg", "return"]
    assert "saves nothing here" in log.near_misses["a-rule"].miss.reason


def test_an_op_that_others_still_read_is_no_saving():
    text = CHAIN.replace("return %d", "return %d, %b").replace("(f32[4]) {", "(f32[4], f32[4]) {")
    merged = rule(op.neg(op.neg(op.sin(x).shared()).shared()), lambda m: op.sin(op.abs(m.x)))
    assert run(parse_graph(CHAIN), merged)[1].firings
    assert not run(parse_graph(text), merged)[1].firings


def test_what_goes_is_found_without_a_list_of_all_readers(monkeypatch):
    """One such list for each reader of what very many ops read would take quadratic time."""
    sine, negative, *_ = parse_graph(CHAIN).body
    monkeypatch.delattr(Value, "uses")
    monkeypatch.delattr(Value, "readers")
    assert dead_without(negative, [], is_removable) == [negative, sine]


def test_a_guard_refuses_with_its_name_and_reason():
    def _small(m):
        return "four elements" if shape(m.x) == (4,) else None

    guarded = rule(op.neg(op.neg(x)), lambda m: m.x, guards=(_small,))
    _, log = run(parse_graph(CHAIN), guarded)
    assert log.near_misses["a-rule"].miss.reason == "small: four elements"


def test_a_replacement_may_refuse():
    refusing = rule(op.neg(op.neg(x)), lambda _: Refusal("not today"))
    _, log = run(parse_graph(CHAIN), refusing)
    assert log.near_misses["a-rule"].miss.reason == "not today"


def test_the_nearest_miss_is_kept():
    deep = rule(op.neg(op.neg(op.cos(x))), lambda m: m.x)
    _, log = run(parse_graph(CHAIN), deep)
    assert log.near_misses["a-rule"].miss.reason == "sin stands where the rule needs cos"


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda m: op.reshape(m.x, new_sizes=(2, 2)), "another type"),
        (lambda m: (m.x, m.x), "another type"),
        (lambda m: m.nothing, "binds no 'nothing'"),
        (lambda m: op.no_such_primitive(m.x), "no JAX primitive named no_such_primitive"),
        (lambda m: op.transpose(m.x, permutation=(0, 1)), "transpose cannot be applied here"),
        (lambda m: 1 / 0, "division by zero"),
        (lambda m: traced(lambda a: a.no_such_method(), m.x), "cannot be traced"),
    ],
)
def test_a_rule_that_fails_is_left_out_and_the_others_go_on(replace, message):
    broken = rule(op.neg(op.neg(x)), replace, name="broken")
    graph, log = run(parse_graph(CHAIN), broken, double_negation)
    assert names(graph) == ["sin", "return"]
    (failure,) = log.failures
    assert failure.rule == "broken"
    assert message in str(failure.error)


def test_a_guard_that_raises_is_a_failure_of_the_rule():
    def raising(m):
        raise KeyError("k")

    _, log = run(parse_graph(CHAIN), rule(op.neg(x), lambda m: m.x, guards=(raising,)))
    assert isinstance(log.failures[0].error, KeyError)


def test_a_rule_that_does_not_end_is_stopped():
    graph, log = run(parse_graph(CHAIN), sine_of_sine)
    assert "does not come to an end" in str(log.failures[0].error)
    assert len(graph.body) < 400


def test_a_limit_stops_between_two_rewrites():
    text = CHAIN.replace("%b = sin %a", "%b = neg %a").replace(
        "return %d", "%e = neg %d : f32[4]\n  return %e"
    )
    graph, log = run(parse_graph(text), double_negation, limit=1)
    assert (len(log.firings), names(graph)) == (1, ["neg", "neg", "return"])


def test_nothing_fires_twice():
    once, _ = run(parse_graph(CHAIN), double_negation)
    twice, log = run(once, double_negation)
    assert not log.firings
    assert print_graph(once) == print_graph(twice)


def test_an_op_with_effects_is_left_alone():
    text = CHAIN.replace("neg %b : f32[4]", "neg %b !(IO) : f32[4]")
    assert not run(parse_graph(text), double_negation)[1].firings


@pytest.mark.parametrize("size", ["n", "2*n"])
def test_sizes_that_are_no_numbers_are_left_alone(size):
    _, log = run(parse_graph(CHAIN.replace("[4]", f"[{size}]")), double_negation)
    assert not log.firings
    assert "no numbers" in log.near_misses["double-negation"].miss.reason


def test_a_weak_type_is_kept():
    graph = import_jaxpr(jax.make_jaxpr(lambda a: jnp.negative(jnp.negative(jnp.sin(a))))(1.0))
    strong = rule(
        op.neg(op.neg(x)), lambda m: op.mul(m.x, constant(np.float32(1))), normal_form="m"
    )
    found, log = run(graph, strong)
    assert log.firings
    assert found.outputs[0].type == graph.outputs[0].type
    assert found.outputs[0].type.weak_type


def test_a_jax_function_is_traced_and_spliced():
    smooth = rule(
        op.neg(op.neg(x)), lambda m: traced(lambda a: jnp.where(a > 0, a, jnp.cos(a)), m.x),
        normal_form="a longer way",
    )  # fmt: skip
    graph, log = run(parse_graph(CHAIN), smooth)
    assert log.firings
    assert set(names(graph)) >= {"gt", "select_n"}
    assert all("a-rule" in op.location.rules for op in graph.body if op.name in ("gt", "select_n"))


def test_an_op_like_another_keeps_its_attributes():
    text = CHAIN.replace("neg %c", "reduce_precision %c {exponent_bits = 5, mantissa_bits = 10}")
    moved = rule(
        op.reduce_precision(op.neg(x)),
        lambda m: new("neg", like(m.root, [m.x])[0]),
        normal_form="outside",
    )
    graph, _ = run(parse_graph(text), moved)
    made = next(op for op in graph.body if op.name == "reduce_precision")
    assert dict(made.attributes) == {"exponent_bits": 5, "mantissa_bits": 10}


def test_several_results_are_replaced_together():
    text = """tracegraph.ir 1
graph @f(%a: f32[4]) -> (f32[1], f32[3]) {
  %b, %c = split %a {axis = 0, sizes = (1, 3)} : f32[1], f32[3]
  return %c, %b
}
""".replace("(f32[1], f32[3]) {", "(f32[3], f32[1]) {")
    sliced = rule(
        op.split(x),
        lambda m: [
            op.slice(m.x, start_indices=(0,), limit_indices=(1,), strides=None),
            op.slice(m.x, start_indices=(1,), limit_indices=(4,), strides=None),
        ],
        normal_form="slices",
    )
    graph, _ = run(parse_graph(text), sliced)
    assert names(graph) == ["slice", "slice", "return"]
    assert [value.type.shape for value in graph.outputs] == [(3,), (1,)]


def test_a_value_of_a_region_cannot_leave_it():
    text = """tracegraph.ir 1
graph @f(%p: i32[], %a: f32[4]) -> (f32[4]) {
  %h = cond %p, %a : f32[4]
    branches[0](%u: f32[4]) {
      yield %u
    }
    branches[1](%u: f32[4]) {
      yield %u
    }
  return %h
}
"""
    leaking = rule(
        op.cond(var("p"), x).having(region("branches[0]", None, "u")),
        lambda m: m.u,
        normal_form="leak",
    )
    _, log = run(parse_graph(text), leaking)
    assert "does not live where the matched op stands" in str(log.failures[0].error)


def test_what_is_remembered_of_one_op_is_not_taken_for_another():
    """Two ops that differ only behind their second operand, or only in what reads them."""
    text = """tracegraph.ir 1
graph @f(%x: f32[4], %y: f32[4]) -> (f32[4], f32[4], f32[2], f32[4]) {
  %sin = sin %y : f32[4]
  %cos = cos %y : f32[4]
  %a = sub %x, %sin : f32[4]
  %b = sub %x, %cos : f32[4]
  %c = exp %x : f32[4]
  %d = slice %c {limit_indices = (2,), start_indices = (0,)} : f32[2]
  %e = exp %x : f32[4]
  return %a, %b, %d, %e
}
"""
    behind = rule(op.sub(x, op.cos(y)), lambda m: m.x, name="behind")
    read = rule(op.exp(x).read_by("slice"), lambda m: m.x, name="read")
    rules = RuleSet([behind, read], Numerics.EXACT)
    found = {operation: rules.at(operation) for operation in parse_graph(text).body}
    names = [(operation.name, [one.name for one in at]) for operation, at in found.items()]
    assert [at for name, at in names if name == "sub"] == [[], ["behind"]]
    assert [at for name, at in names if name == "exp"] == [["read"], []]
