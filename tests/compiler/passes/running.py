"""Runs passes on graphs written as text."""

from __future__ import annotations

from textwrap import dedent, indent

from compiler.ir import Graph, clone, parse_graph, print_graph, verify
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter


def graph(signature: str, body: str) -> Graph:
    """A graph ``@f`` from its signature and the lines of its body."""
    lines = indent(dedent(body).strip(), "  ")
    return parse_graph(f"tracegraph.ir 1\ngraph @f{signature} {{\n{lines}\n}}\n")


def run(step: Pass, before: Graph) -> tuple[Graph, int]:
    """The verified graph after the pass, and how many changes it made; checks the laws of passes.

    A second run changes nothing where the pass says so, no changes mean the same text, and the
    signature stays.
    """
    after = clone(before)
    rewriter = Rewriter(after, step.name)
    step.run(after, rewriter)
    verify(after)
    if not rewriter.changes:
        assert print_graph(after) == print_graph(before)
    again = Rewriter(after, step.name)
    text = print_graph(after)
    step.run(after, again)
    if step.idempotent:
        assert (again.changes, print_graph(after)) == (0, text), "a second run changed something"
    assert signature(after) == signature(before)
    return after, rewriter.changes


def signature(graph: Graph) -> object:
    """What callers and the outside world see of a graph."""
    return (
        [value.type for value in graph.parameters],
        [value.type for value in graph.outputs],
        graph.parameter_info,
        graph.result_names,
    )


def body(graph: Graph) -> str:
    """The lines of a graph's body, without its indentation."""
    return dedent("\n".join(print_graph(graph).rstrip().split("\n")[2:-1]))


def check(step: Pass, signature: str, before: str, after: str) -> None:
    """Asserts what the pass makes of a body."""
    found, _ = run(step, graph(signature, before))
    assert body(found) == body(graph(signature, after))
