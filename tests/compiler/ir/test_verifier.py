"""The verifier rejects each way in which a graph may be broken, one case for each rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.ir import (
    ArrayType,
    Dense,
    Effect,
    Graph,
    Operation,
    Region,
    VerificationError,
    mutate,
    parse_graph,
    verify,
)
from compiler.ir.graph import ParameterInfo, Value

F32 = ArrayType((2,), np.dtype(np.float32))

TEXT = """\
tracegraph.ir 1
graph @f(captured %t: f32[2], %x: f32[2]) -> (f32[2] "y") {
  %c = constant {value = dense([1.0, 2.0])} : f32[2]
  %a = add %x, %c : f32[2]
  %r = call %a : f32[2]
    first (%p: f32[2]) {
      %n = neg %p : f32[2]
      yield %n
    }
    second (%p: f32[2]) {
      yield %p
    }
  %b = neg %a : f32[2] loc("model.py":7 "loss")
  return %r
}
"""


class Parts:
    """The graph of ``TEXT``, taken apart."""

    def __init__(self) -> None:
        self.graph: Graph = parse_graph(TEXT)
        self.constant, self.add, self.call, self.neg, self.end = self.graph.body
        self.first, self.second = self.call.regions


def body_owner(p: Parts) -> None:
    p.graph.body.owner = None


def parameter_info(p: Parts) -> None:
    p.graph.parameter_info = p.graph.parameter_info[:1]


def captured_last(p: Parts) -> None:
    p.graph.parameter_info = (ParameterInfo(), ParameterInfo(captured=True))


def result_names(p: Parts) -> None:
    p.graph.result_names = ("y", "z")


def backward_link(p: Parts) -> None:
    p.neg._previous = p.add


def forward_link(p: Parts) -> None:
    p.neg._next = None


def ring(p: Parts) -> None:
    p.end._next = p.constant


def count(p: Parts) -> None:
    p.graph.body._count += 1


def parent(p: Parts) -> None:
    p.neg.parent = p.first


def region_owner(p: Parts) -> None:
    p.second.owner = p.neg


def shared_region(p: Parts) -> None:
    p.neg.regions = (p.second,)


def region_names(p: Parts) -> None:
    p.second.name = "first"


def missing_terminator(p: Parts) -> None:
    mutate.erase(p.second.terminator)


def wrong_terminator(p: Parts) -> None:
    p.end.name = "yield"


def wrong_inner_terminator(p: Parts) -> None:
    p.second.terminator.name = "return"


def early_terminator(p: Parts) -> None:
    mutate.insert_before(p.graph.body, p.end, Operation("return", (), ()))


def terminator_results(p: Parts) -> None:
    p.end.results = (Value(F32, p.end, 0),)


def parameter_owner(p: Parts) -> None:
    p.first.parameters[0].owner = p.second


def parameter_index(p: Parts) -> None:
    p.first.parameters[0].index = 3


def result_owner(p: Parts) -> None:
    p.add.result.owner = p.neg


def result_index(p: Parts) -> None:
    p.add.result.index = 1


def late_operand(p: Parts) -> None:
    mutate.set_operand(p.add, 0, p.neg.result)


def outer_operand(p: Parts) -> None:
    mutate.set_operand(p.second.terminator, 0, p.add.result)


def inner_operand(p: Parts) -> None:
    mutate.set_operand(p.neg, 0, p.first.parameters[0])


def forgotten_use(p: Parts) -> None:
    p.add.result._forget_use(p.neg, 0)


def stale_use(p: Parts) -> None:
    p.add.result._note_use(p.neg, 1)


def attribute(p: Parts) -> None:
    p.neg.attributes = {"a": (0, object())}  # type: ignore[dict-item]


def effect_operand(p: Parts) -> None:
    p.neg.effects = frozenset({Effect("Read", operand=1)})


def constant_value(p: Parts) -> None:
    p.constant.attributes = {"value": 1.0}


def constant_dtype(p: Parts) -> None:
    p.constant.attributes = {"value": Dense(np.zeros(2, np.float64))}


def constant_shape(p: Parts) -> None:
    p.constant.attributes = {"value": Dense(np.zeros(3, np.float32))}


CASES: dict[Callable[[Parts], None], str] = {
    body_owner: "the body of a graph belongs to something else",
    parameter_info: "the facts about parameters are not one for each parameter",
    captured_last: "a captured parameter stands behind others",
    result_names: "the result names are not one for each result",
    backward_link: "an operation is chained to a wrong one before it",
    forward_link: "the chain of operations is broken",
    ring: "an operation is chained to a wrong one before it",
    count: "the chain of operations is broken",
    parent: "an operation belongs to another region",
    region_owner: "a region belongs to something else",
    shared_region: "a region belongs to something else",
    region_names: "two regions of an operation have one name",
    missing_terminator: "the region second does not end in its terminator",
    wrong_terminator: "the region body does not end in its terminator",
    wrong_inner_terminator: "the region second does not end in its terminator",
    early_terminator: "a terminator stands before the end of its region",
    terminator_results: "a terminator has results or regions",
    parameter_owner: "a value belongs to something else",
    parameter_index: "a value has a wrong place among its owner's",
    result_owner: "a value belongs to something else",
    result_index: "a value has a wrong place among its owner's",
    late_operand: "operand 0 is not defined before in its region",
    outer_operand: "operand 0 is not defined before in its region",
    inner_operand: "operand 0 is not defined before in its region",
    forgotten_use: "operand 0 does not have the operation in its use list",
    stale_use: "the use list of <Value a: f32[2]> holds a slot that does not read it",
    attribute: "the attribute a holds a value that no attribute may hold",
    effect_operand: "an effect happens to an operand that is not there",
    constant_value: "a constant is not formed like one",
    constant_dtype: "a constant does not fit its type",
    constant_shape: "a constant does not fit its type",
}


def test_the_whole_graph_is_accepted() -> None:
    verify(Parts().graph)


@pytest.mark.parametrize("breaks", CASES, ids=lambda f: f.__name__)
def test_a_broken_graph_is_rejected(breaks: Callable[[Parts], None]) -> None:
    parts = Parts()
    breaks(parts)
    with pytest.raises(VerificationError) as caught:
        verify(parts.graph)
    assert caught.value.what == CASES[breaks]


def test_the_message_names_the_users_line() -> None:
    parts = Parts()
    effect_operand(parts)
    with pytest.raises(VerificationError) as caught:
        verify(parts.graph)
    assert str(caught.value) == (
        "an effect happens to an operand that is not there\n"
        "  where: model.py:7 (loss), operation neg in graph @f\n"
        "  expected: an operand below 1\n"
        "  found: Read(1)\n"
        "  what to do: change graphs through the builder and the rewriter only; they keep this rule"
    )


def test_nesting_depth_is_not_limited() -> None:
    region = Region("inner")
    mutate.append(region, Operation("yield", (), ()))
    for _ in range(5_000):
        outer = Region("inner")
        mutate.append(outer, Operation("call", (), (), {}, [region]))
        mutate.append(outer, Operation("yield", (), ()))
        region = outer
    region.terminator.name = "return"
    verify(Graph("deep", region))
