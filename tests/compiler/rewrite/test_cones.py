"""Cones: what is there for some readers only, in an order that no address decides."""

from __future__ import annotations

from compiler.ir import Graph, parse_graph
from compiler.rewrite.cones import cone, leaves

COUNT = 40


def summed() -> Graph:
    """A sum of sines of as many parameters."""
    numbers = range(COUNT)
    parameters = ", ".join(f"%p{i}: f32[]" for i in numbers)
    sines = [f"  %s{i} = sin %p{i} : f32[]" for i in numbers]
    sums = [f"  %t{i} = add %{'t' if i > 1 else 's'}{i - 1}, %s{i} : f32[]" for i in numbers[1:]]
    body = "\n".join([*sines, *sums, f"  return %t{COUNT - 1}"])
    return parse_graph(f"tracegraph.ir 1\ngraph @f({parameters}) -> (f32[]) {{\n{body}\n}}\n")


def test_a_cone_and_its_leaves_have_an_order() -> None:
    graph = summed()
    found = cone(graph.outputs, lambda reader, _: reader.is_terminator, lambda _: True)
    assert next(iter(found)) is graph.outputs[0].producer
    assert len(found) == 2 * COUNT - 1
    places = [value.index for value in leaves(found, graph.outputs)]
    assert places == list(range(COUNT))[::-1]
