"""The DOT text is one that pydot reads, with a box per op and a frame per region."""

from __future__ import annotations

import pydot
import pytest
from hypothesis import given, settings

from compiler.ir import Graph, parse_graph, to_dot
from tests.strategies.ir_graphs import graphs

TEXT = """\
tracegraph.ir 1
graph @"odd \\"name\\"\\\\"(%x: f32[2]) -> (f32[2]) {
  %c = constant {value = dense([1.0, 2.0])} : f32[2]
  %a = add %x, %c {note = "a \\"quoted\\" \\\\ one"} : f32[2]
  %r = call %a : f32[2]
    jaxpr (%p: f32[2]) {
      %n = neg %p : f32[2]
      yield %n
    }
  return %r
}
"""


def read(text: str) -> pydot.Dot:
    parsed = pydot.graph_from_dot_data(text)
    assert parsed is not None
    (dot,) = parsed
    return dot


def test_boxes_frames_and_edges() -> None:
    dot = read(to_dot(parse_graph(TEXT)))
    boxes = {node.get_label() for node in dot.get_nodes() if node.get_label()}
    assert {'"%x\\nf32[2]"', '"call"', '"return"'} <= boxes
    assert len(boxes) == 5
    (cluster,) = dot.get_subgraphs()
    assert cluster.get_label() == '"jaxpr"'
    assert len(cluster.get_nodes()) == 3
    assert len(cluster.get_edges()) == 2
    assert len(dot.get_edges()) == 5


def test_what_is_left_out_is_counted() -> None:
    text = to_dot(parse_graph(TEXT), max_ops=2)
    read(text)
    assert "2 more operations" in text
    assert "call" not in text


@pytest.mark.parametrize("max_ops", [0, 1, 3, None])
@settings(max_examples=15)
@given(graph=graphs())
def test_any_graph_can_be_drawn(graph: Graph, max_ops: int | None) -> None:
    read(to_dot(graph, max_ops=max_ops))
