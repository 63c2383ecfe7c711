"""Equality by structure: what counts, what does not, and how a difference reads."""

from __future__ import annotations

import pytest

from compiler.ir import (
    EnumValue,
    Graph,
    Opaque,
    build_graph,
    clone,
    difference,
    finish_graph,
    parse_graph,
    regions_equal,
    structurally_equal,
)

TEXT = """\
tracegraph.ir 1
graph @f(%x: f32[2] donated, %y: f32[2]) -> (f32[2] "out") {
  %a = sub %x, %y {mode = Mode.CLIP} : f32[2]
  %r = call %a !(Debug!) : f32[2]
    jaxpr (%p: f32[2]) {
      %n = scale %p {by = 0.0} : f32[2]
      yield %n
    }
  return %r
}
"""

CHANGES = {
    "facts": (" donated", "", "the parameter facts: (ParameterInfo("),
    "result names": ('"out"', '"in"', "the result names: (out) in the first, (in) in the second"),
    "parameter types": (
        "%y: f32[2]",
        "%y: f64[2]",
        "the parameter types: (f32[2], f32[2]) in the first, (f32[2], f64[2]) in the second",
    ),
    "name": ("sub", "add", "operation 0 (sub) of region body: the name: sub in the first, add"),
    "operands": (
        "sub %x, %y",
        "sub %y, %x",
        "operation 0 (sub) of region body: operand 0 is <Value x: f32[2]> in the first and "
        "<Value y: f32[2]> in the second",
    ),
    "operand count": (
        "sub %x, %y",
        "sub %x",
        "operation 0 (sub) of region body: the number of operands: 2 in the first, 1",
    ),
    "attribute": (
        "Mode.CLIP",
        "Mode.FILL",
        "operation 0 (sub) of region body: the attribute mode is Mode.CLIP in the first and "
        "Mode.FILL in the second",
    ),
    "sign of zero": (
        "by = 0.0",
        "by = -0.0",
        "operation 1 (call) of region body: operation 0 (scale) of region jaxpr: the attribute by "
        "is 0.0 in the first and -0.0 in the second",
    ),
    "attribute names": (
        "mode =",
        "kind =",
        "operation 0 (sub) of region body: the attribute kind is None in the first and Mode.CLIP",
    ),
    "effects": ("Debug!", "Debug", "operation 1 (call) of region body: the effects: (Debug!)"),
    "region name": ("jaxpr", "body", "operation 1 (call) of region body: the region's name: jaxpr"),
    "length": (
        "  return",
        "  %z = neg %r : f32[2]\n  return",
        "the number of operations: 3 in the first, 4 in the second",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_difference_is_told_in_words(case: str) -> None:
    old, new, words = CHANGES[case]
    found = difference(parse_graph(TEXT), parse_graph(TEXT.replace(old, new)))
    assert found is not None
    assert found.startswith(words)


def test_names_and_locations_do_not_count() -> None:
    other = TEXT.replace("%a", "%b").replace("@f", "@g")
    other = other.replace("} : f32[2]", '} : f32[2] loc("a.py":1 "f")')
    assert other != TEXT
    assert structurally_equal(parse_graph(TEXT), parse_graph(other))


def with_attribute(value: object) -> Graph:
    graph, builder = build_graph("f", ())
    builder.op("op", (), (), {"a": value})  # type: ignore[dict-item]
    return finish_graph(graph, ())


def test_opaque_objects_count_for_regions_but_not_for_text() -> None:
    first = with_attribute(Opaque("function", "f", handle=object()))
    second = with_attribute(Opaque("function", "f", handle=object()))
    assert structurally_equal(first, second)
    assert not regions_equal(first.body, second.body)
    assert regions_equal(first.body, clone(first).body)


def test_values_that_python_holds_equal_are_told_apart() -> None:
    values = (1, 1.0, True, "1", (1,), EnumValue("a", "1"))
    for first in values:
        for second in values:
            agree = structurally_equal(with_attribute(first), with_attribute(second))
            assert agree is (first is second)


@pytest.mark.parametrize("attribute", ["primitive", "context"])
def test_foreign_objects_on_ops_count_for_regions(attribute: str) -> None:
    graph = parse_graph(TEXT)
    other = clone(graph)
    assert regions_equal(graph.body, other.body)
    assert other.body.first is not None
    setattr(other.body.first, attribute, "something")
    assert not regions_equal(graph.body, other.body)
    assert structurally_equal(graph, other)
