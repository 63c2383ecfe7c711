"""Patterns against graphs: what matches, what is bound, and what a miss says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from compiler.ir import Graph, Operation, Value, parse_graph
from compiler.rewrite.match import Match, Search, read_only_by
from compiler.rewrite.pattern import (
    BOOL,
    COMPLEX,
    FLOAT,
    INTEGER,
    Pattern,
    known,
    num,
    op,
    region,
    rest,
    root_names,
    var,
    variables,
)

x, y, z, p = variables("x y z p")


def graph(body: str, parameters: str = "%a: f32[2,3], %b: f32[2,3]") -> Graph:
    returned = re.search(r"  return (%\w+)$", body)
    assert returned is not None
    line = re.search(rf"^  {returned[1]} = .* : (\S+)$", body, re.MULTILINE)
    split = re.search(rf"^  %\w+, {returned[1]} = .* : \S+, (\S+)$", body, re.MULTILINE)
    type = (line or split)[1]
    return parse_graph(f"tracegraph.ir 1\ngraph @f({parameters}) -> ({type}) {{\n{body}\n}}\n")


def find(pattern: Pattern, body: str, parameters: str = "%a: f32[2,3], %b: f32[2,3]") -> Match:
    found = matches(pattern, graph(body, parameters))
    assert found, "no match"
    return found[0]


def matches(pattern: Pattern, inside: Graph) -> list[Match]:
    return list(Search().matches(pattern, last(inside)))


def last(inside: Graph) -> Operation:
    """The op behind the first result."""
    producer = inside.outputs[0].producer
    assert producer is not None
    return producer


def miss(pattern: Pattern, body: str, parameters: str = "%a: f32[2,3], %b: f32[2,3]") -> str:
    search = Search()
    assert not list(search.matches(pattern, last(graph(body, parameters))))
    return search.miss.reason


def test_a_variable_takes_any_value_and_the_match_holds_it() -> None:
    body = "  %c = sub %a, %b : f32[2,3]\n  return %c"
    found = find(op.sub(x, y), body)
    assert (found.x.hint, found.y.hint, found.root.name) == ("a", "b", "sub")


def test_a_question_to_a_match_is_answered_once() -> None:
    match = find(op.neg(x), "  %r = neg %a : f32[2,3]\n  return %r")
    asked: list[Match] = []

    def name(m: Match) -> str:
        asked.append(m)
        return m.root.name

    assert [match.once(name), match.once(name)] == ["neg", "neg"]
    assert asked == [match]


def test_a_repeated_variable_takes_only_the_same_value() -> None:
    same = "  %c = sub %a, %a : f32[2,3]\n  return %c"
    other = "  %c = sub %a, %b : f32[2,3]\n  return %c"
    assert find(op.sub(x, x), same)
    assert "does not fit" in miss(op.sub(x, x), other)


def test_a_repeated_variable_takes_equal_constants() -> None:
    body = """  %c = constant {value = 2.0} : f32[]
  %d = constant {value = 2.0} : f32[]
  %e = sub %c, %d : f32[]
  return %e"""
    assert find(op.sub(x, x), body)
    assert miss(
        op.sub(x, x), body.replace("%d = constant {value = 2.0}", "%d = constant {value = 3.0}")
    )


def test_an_op_that_commutes_matches_in_either_order() -> None:
    body = "  %s = sin %a : f32[2,3]\n  %c = OP %b, %s : f32[2,3]\n  return %c"
    assert find(op.add(op.sin(x), y), body.replace("OP", "add")).y.hint == "b"
    assert miss(op.sub(op.sin(x), y), body.replace("OP", "sub"))


def test_the_other_order_is_tried_when_a_later_operand_fails() -> None:
    body = """  %c = mul %a, %b : f32[2,3]
  %d = mul %b, %a : f32[2,3]
  %e = sub %c, %d : f32[2,3]
  return %e"""
    found = find(op.sub(op.mul(x, y), op.mul(x, y)), body)
    assert {found.x.hint, found.y.hint} == {"a", "b"}


def test_what_reads_an_op_may_be_said() -> None:
    body = "  %c = sin %a : f32[2,3]\n  %e = READER\n  %d = exp %c : f32[2,3]\n  return %d"
    pattern = op.exp(op.sin(x).read_by("exp", "cos").shared())
    assert find(pattern, body.replace("READER", "cos %c : f32[2,3]"))
    missed = miss(pattern, body.replace("READER", "tan %c : f32[2,3]"))
    assert missed == "sin is read by other ops than ['cos', 'exp']"


def test_an_attribute_is_compared_or_bound() -> None:
    body = "  %c = transpose %a {permutation = (1, 0)} : f32[3,2]\n  return %c"
    assert find(op.transpose(x, permutation=p), body).p == (1, 0)
    assert find(op.transpose(x, permutation=(1, 0)), body)
    assert "permutation of transpose is (1, 0)" in miss(op.transpose(x, permutation=(0, 1)), body)


def test_a_repeated_attribute_must_agree() -> None:
    body = """  %c = reduce_sum %a {axes = (0,)} : f32[3]
  %d = reduce_sum %b {axes = (AXIS,)} : f32[3]
  %e = sub %c, %d : f32[3]
  return %e"""
    pattern = op.sub(op.reduce_sum(x, axes=p), op.reduce_sum(y, axes=p))
    assert find(pattern, body.replace("AXIS", "0")).p == (0,)
    assert "another than before" in miss(pattern, body.replace("AXIS", "1"))


def test_an_attribute_that_is_none_and_one_that_is_missing_agree() -> None:
    body = "  %c = exp %a : f32[2,3]\n  return %c"
    assert find(op.exp(x, accuracy=None), body)


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("f32", FLOAT),
        ("bf16", FLOAT),
        ("i8", INTEGER),
        ("u32", INTEGER),
        ("bool", BOOL),
        ("c64", COMPLEX),
    ],
)
def test_a_variable_may_ask_for_a_kind_of_element(type: str, kind: str) -> None:
    body, parameters = f"  %c = neg %a : {type}[2]\n  return %c", f"%a: {type}[2]"
    assert find(op.neg(var("x", kind)), body, parameters)
    others = "".join({FLOAT, INTEGER, BOOL, COMPLEX} - {kind})
    assert miss(op.neg(var("x", others)), body, parameters)


def test_a_variable_may_ask_for_a_rank() -> None:
    body = "  %c = neg %a : f32[2,3]\n  return %c"
    assert find(op.neg(var("x", rank=2)), body)
    assert miss(op.neg(var("x", rank=1)), body)


def test_a_number_is_the_same_everywhere_and_to_the_bit() -> None:
    body = """  %c = constant {value = VALUE} : f32[]
  %w = broadcast_in_dim %c {broadcast_dimensions = (), shape = (2, 3)} : f32[2,3]
  %d = mul %a, %w : f32[2,3]
  return %d"""
    assert find(op.mul(x, 2.0), body.replace("VALUE", "2.0"))
    assert find(op.mul(x, num("k")), body.replace("VALUE", "2.0")).k == np.float32(2)
    assert find(op.mul(x, num(-0.0)), body.replace("VALUE", "-0.0"))
    assert miss(op.mul(x, num(0.0)), body.replace("VALUE", "-0.0"))


def test_a_known_array_is_bound_to_its_elements() -> None:
    body = """  %c = constant {value = [1.0, 2.0]} : f32[2]
  %d = mul %a, %c : f32[2]
  return %d"""
    found = find(op.mul(x, known("k")), body, "%a: f32[2]")
    np.testing.assert_array_equal(found.k, [1.0, 2.0])
    assert miss(op.mul(x, known("k")), "  %d = mul %a, %a : f32[2]\n  return %d", "%a: f32[2]")


def test_the_rest_takes_all_remaining_operands() -> None:
    body = "  %c = concatenate %a, %b, %a {dimension = 0} : f32[6,3]\n  return %c"
    found = find(op.concatenate(x, rest("others")), body)
    assert [value.hint for value in found.others] == ["b", "a"]


def test_alternatives_are_tried_in_order() -> None:
    body = "  %c = cos %a : f32[2,3]\n  %d = neg %c : f32[2,3]\n  return %d"
    assert find(op.neg(op.sin(x) | op.cos(x)), body).x.hint == "a"
    assert find(op.sin(x) | op.neg(x), body).x.hint == "c"
    assert root_names(op.sin(x) | op.neg(x)) == {"sin", "neg"}
    assert find(op["sin", "neg"](x), body).root.name == "neg"


def test_an_inner_op_with_other_users_does_not_match() -> None:
    body = """  %c = cos %a : f32[2,3]
  %d = neg %c : f32[2,3]
  return %d, %c"""
    text = f"tracegraph.ir 1\ngraph @f(%a: f32[2,3]) -> (f32[2,3], f32[2,3]) {{\n{body}\n}}\n"
    inside = parse_graph(text)
    search = Search()
    assert not list(search.matches(op.neg(op.cos(x)), last(inside)))
    assert "other users" in search.miss.reason
    assert matches(op.neg(op.cos(x).shared()), inside)


def test_users_are_looked_at_without_a_list_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    body = """  %c = cos %a : f32[2,3]
  %d = neg %c : f32[2,3]
  %e = add %c, %d : f32[2,3]
  return %e"""
    producer = last(graph(body)).operands[1].producer
    assert producer is not None
    monkeypatch.delattr(Value, "uses")
    monkeypatch.delattr(Value, "readers")
    search = Search()
    assert not list(search.matches(op.neg(op.cos(x)), producer))
    assert "other users" in search.miss.reason
    assert not read_only_by(producer, {"neg"})


def test_an_inner_op_whose_users_are_all_in_the_match_does() -> None:
    body = """  %c = exp %a : f32[2,3]
  %d = sin %c : f32[2,3]
  %e = add %c, %d : f32[2,3]
  return %e"""
    assert find(op.add(op.exp(x), op.sin(op.exp(x))), body)


def test_one_result_of_an_op_with_several() -> None:
    body = """  %c, %d = split %a {axis = 1, sizes = (1, 2)} : f32[2,1], f32[2,2]
  %e = neg %d : f32[2,2]
  return %e"""
    assert find(op.neg(op.split(x).result(1)), body)
    assert "another result" in miss(op.neg(op.split(x).result(0)), body)


def test_an_op_with_effects_is_never_matched() -> None:
    body = "  %c = sin %a !(IO) : f32[2,3]\n  %d = neg %c : f32[2,3]\n  return %d"
    assert "has effects" in miss(op.neg(op.sin(x)), body)


COND = """  %h = cond %p, %a : f32[2,3]
    branches[0](%u: f32[2,3]) {
      %n = neg %u : f32[2,3]
      yield %n
    }
    branches[1](%u: f32[2,3]) {
      yield %u
    }
  return %h"""


def test_regions_match_by_what_they_yield() -> None:
    pattern = op.cond(p, x).having(
        region("branches[0]", [op.neg(var("u"))], "u", "first"),
        region("branches[1]", [var("v")], "v"),
    )
    found = find(pattern, COND, "%p: i32[], %a: f32[2,3]")
    assert (found.u.hint, found.first.name, found.v.hint) == ("u", "branches[0]", "u")
    wrong = op.cond(p, x).having(region("branches[1]", [op.neg(var("u"))], "u"))
    assert miss(wrong, COND, "%p: i32[], %a: f32[2,3]")
    absent = op.cond(p, x).having(region("branches[7]"))
    assert "branches[7]" in miss(absent, COND, "%p: i32[], %a: f32[2,3]")


def test_a_miss_says_what_stands_in_the_way() -> None:
    body = "  %c = cos %a : f32[2,3]\n  %d = neg %c : f32[2,3]\n  return %d"
    assert miss(op.neg(op.sin(x)), body) == "cos stands where the rule needs sin"
    assert miss(op.neg(op.cos(op.sin(x))), body) == "a parameter stands where the rule needs sin"


def test_a_match_names_what_it_binds() -> None:
    found = find(op.neg(x), "  %d = neg %a : f32[2,3]\n  return %d")
    with pytest.raises(AttributeError, match="binds no 'y'; it binds x"):
        _ = found.y
    assert found.get("y") is None
    assert found.type.shape == (2, 3)


def test_matching_is_bounded() -> None:
    """Sums of sums in any order have exponentially many ways to fail."""
    lines = ["  %s0 = add %a, %b : f32[2,3]"]
    pattern = op.add(x, y)
    for i in range(1, 12):
        lines.append(f"  %s{i} = add %s{i - 1}, %s{i - 1} : f32[2,3]")
        pattern = op.add(pattern.shared(), pattern.shared())
    search = Search()
    body = "\n".join([*lines, "  return %s11"])
    list(search.matches(op.neg(z) | op.add(pattern, op.neg(z)), last(graph(body))))
    assert search.attempts < 300
