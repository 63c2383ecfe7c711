from __future__ import annotations

import numpy as np
import pytest

from compiler.ir import (
    Dense,
    Effect,
    Frame,
    FrozenGraphError,
    Graph,
    Location,
    Operation,
    TracegraphError,
    clone,
    mutate,
    parse_graph,
    print_graph,
    verify,
)
from compiler.ir.types import ArrayType
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.type_checks import same_types

TEXT = """tracegraph.ir 1
graph @f(%x: f32[], %y: f32[]) -> (f32[]) {
  %a = sin %x : f32[]
  %b = cos %a {accuracy = 1} : f32[]
  %c = add %b, %b : f32[]
  return %c
}
"""


def parsed() -> tuple[Graph, list[Operation]]:
    graph = parse_graph(TEXT)
    return graph, list(graph.body)


def names(graph: Graph) -> list[str]:
    return [op.name for op in graph.body]


def test_replace_moves_readers_and_erases() -> None:
    graph, (_, cos, add, _) = parsed()
    rewriter = Rewriter(graph, "r")
    rewriter.replace(cos, [graph.parameters[1]])
    verify(graph)
    assert names(graph) == ["sin", "add", "return"]
    assert add.operands == (graph.parameters[1],) * 2
    assert rewriter.changes == 1


def test_replace_fuses_locations_and_passes_hints_on() -> None:
    graph, (sin, cos, *_) = parsed()
    mutate.set_location(sin, Location((Frame("a.py", 1, "f"),), "s"))
    mutate.set_location(cos, Location((Frame("a.py", 2, "f"),), "t"))
    sin.result.hint = ""
    Rewriter(graph, "r").replace(cos, [sin.result])
    assert sin.result.hint == "b"
    assert [frame.line for frame in sin.location.frames] == [1, 2]
    assert sin.location.rules == ("r",)
    assert sin.location.name_stack == "s"


def test_a_hint_of_its_own_is_kept_and_parameters_are_not_renamed() -> None:
    graph, (sin, cos, add, _) = parsed()
    graph.parameters[1].hint = ""
    rewriter = Rewriter(graph)
    rewriter.replace(cos, [sin.result])
    rewriter.replace(add, [graph.parameters[1]])
    assert sin.result.hint == "a"
    assert graph.parameters[1].hint == ""


@pytest.mark.parametrize("type", ["~f32[]", "f16[]", "f32[1]", 'f32[]@"P()"'])
def test_a_value_of_another_type_is_an_error(type: str) -> None:
    text = TEXT.replace("%y: f32[]", f"%y: {type}")
    graph = parse_graph(text)
    before = print_graph(graph)
    sin, *_ = graph.body
    rewriter = Rewriter(graph)
    other = graph.parameters[1]
    with pytest.raises(TracegraphError, match="would change the type"):
        rewriter.replace(sin, [other])
    with pytest.raises(TracegraphError, match="would change the type"):
        rewriter.replace_value(sin.result, other)
    with pytest.raises(TracegraphError, match="would change the type"):
        rewriter.set_operand(sin, 0, other)
    assert (print_graph(graph), rewriter.changes) == (before, 0)


def test_changing_nothing_counts_nothing() -> None:
    graph, (sin, cos, add, _) = parsed()
    rewriter = Rewriter(graph)
    rewriter.replace_value(sin.result, sin.result)
    rewriter.replace_value(add.result, add.result)
    rewriter.set_operand(cos, 0, sin.result)
    rewriter.set_operands(add, [cos.result, cos.result])
    rewriter.set_attribute(cos, "accuracy", 1)
    rewriter.remove_attribute(cos, "other")
    rewriter.remove_parameters(graph.body, [True, True])
    assert rewriter.changes == 0
    assert print_graph(graph) == print_graph(parse_graph(TEXT))


@pytest.mark.parametrize("value", [True, 1.0, 2, None])
def test_an_attribute_that_differs_is_set(value: object) -> None:
    graph, (_, cos, *_) = parsed()
    rewriter = Rewriter(graph)
    rewriter.set_attribute(cos, "accuracy", value)
    assert rewriter.changes == 1
    assert cos.attributes["accuracy"] is value


def test_every_change_counts_once() -> None:
    graph, (sin, cos, add, _) = parsed()
    rewriter = Rewriter(graph)
    rewriter.set_operand(sin, 0, graph.parameters[1])
    rewriter.set_operands(add, [sin.result, sin.result])
    rewriter.erase(cos)
    rewriter.set_attribute(sin, "tg.group", 1)
    rewriter.remove_attribute(sin, "tg.group")
    rewriter.replace_value(sin.result, graph.parameters[0])
    assert rewriter.changes == 6
    verify(graph)


def test_create_stands_before_its_anchor_in_its_context() -> None:
    graph, (sin, cos, *_) = parsed()
    mutate.set_location(cos, Location((Frame("a.py", 2, "f"),), "t"))
    mutate.set_location(sin, Location((Frame("a.py", 1, "f"),), "s"))
    cos.context = "context"
    rewriter = Rewriter(graph, "r")
    with rewriter.rule("inner"):
        op = rewriter.create(cos, "neg", cos.operands, [cos.result.type], sources=[sin])
    assert names(graph) == ["sin", "neg", "cos", "add", "return"]
    assert op.context == "context"
    assert [frame.line for frame in op.location.frames] == [2, 1]
    assert op.location.rules == ("inner",)
    assert rewriter.changes == 1


def test_the_rule_holds_within_its_block_only() -> None:
    graph, (_, cos, *_) = parsed()
    rewriter = Rewriter(graph, "outer")
    with rewriter.rule("inner"):
        pass
    op = rewriter.create(cos, "neg", cos.operands, [cos.result.type])
    assert op.location.rules == ("outer",)


def test_constants_have_no_context_and_so_can_merge() -> None:
    graph, (_, cos, *_) = parsed()
    cos.context = "context"
    type = ArrayType((), np.dtype(np.float32))
    value = Rewriter(graph, "r").constant(cos, Dense(np.float32(1)), type)
    assert value.producer is not None
    assert (value.producer.context, value.producer.location.rules) == (None, ("r",))


def test_a_limit_is_asked_not_enforced() -> None:
    graph, (_, cos, *_) = parsed()
    rewriter = Rewriter(graph, limit=1)
    assert rewriter.may_change()
    rewriter.set_attribute(cos, "accuracy", 2)
    assert not rewriter.may_change()
    rewriter.set_attribute(cos, "accuracy", 3)
    assert rewriter.changes == 2


def test_frozen_graphs_are_refused() -> None:
    graph, _ = parsed()
    with pytest.raises(FrozenGraphError):
        Rewriter(clone(graph).freeze())


def test_the_graphs_own_parameters_cannot_be_dropped() -> None:
    graph, _ = parsed()
    with pytest.raises(TracegraphError, match="drop parameters of graph @f"):
        Rewriter(graph).remove_parameters(graph.body, [True, False])


CALL = """tracegraph.ir 1
graph @f(%x: f32[], %y: f32[]) -> (f32[]) {
  %p, %q = call %x, %y {n = 2} : f32[], f32[]
    body (%a: f32[], %b: f32[]) {
      %s = sin %b : f32[]
      %t = cos %s : f32[]
      yield %a, %t
    }
  return %q
}
"""


def test_rebuild_keeps_everything_but_the_dropped() -> None:
    graph = parse_graph(CALL)
    call, _ = graph.body
    call.primitive, call.context = "primitive", "context"
    region = call.regions[0]
    rewriter = Rewriter(graph, "r")
    rewriter.set_operands(region.terminator, region.outputs[1:])
    rewriter.remove_parameters(region, [False, True])
    new = rewriter.rebuild(call, [False, True], [False, True], {"n": 1})
    verify(graph)
    assert (new.primitive, new.context, new.result.hint) == ("primitive", "context", "q")
    assert new.regions == (region,)
    assert region.owner is new
    assert graph.outputs == new.results
    assert call.parent is None


def test_rebuild_refuses_effects_on_operands() -> None:
    graph = parse_graph(CALL)
    call, _ = graph.body
    call.effects = frozenset({Effect("Read", operand=0)})
    with pytest.raises(TracegraphError, match="cannot be rebuilt"):
        Rewriter(graph).rebuild(call, [True, True], [True, True], {})


def test_inline_region_moves_the_body_out() -> None:
    graph = parse_graph(CALL)
    call, _ = graph.body
    mutate.set_location(call, Location(name_stack="outer"))
    rewriter = Rewriter(graph)
    values = rewriter.inline_region(call, call.regions[0], call.operands, "call(g)")
    rewriter.replace(call, values)
    verify(graph)
    assert names(graph) == ["sin", "cos", "return"]
    assert [op.location.name_stack for op in graph.body][:2] == ["outer/call(g)"] * 2


def test_inline_region_wants_arguments_of_the_parameters_types() -> None:
    graph = parse_graph(CALL.replace("%a: f32[]", "%a: ~f32[]"))
    call, _ = graph.body
    with pytest.raises(TracegraphError, match="the type of arguments"):
        Rewriter(graph).inline_region(call, call.regions[0], call.operands)


def test_same_types() -> None:
    graph, (sin, *_) = parsed()
    assert same_types(graph.parameters, [sin.result, sin.result])
    assert not same_types(graph.parameters, [sin.result])
