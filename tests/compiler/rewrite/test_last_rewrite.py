"""Which rewrite a limited rewriter began last, and where."""

from __future__ import annotations

from compiler.ir import Frame, Graph, Location, mutate, parse_graph
from compiler.passes.instruments import Limit
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.rewriter import Rewriter

TEXT = """tracegraph.ir 1
graph @f(%x: f32[]) -> (f32[]) {
  %a = sin %x : f32[] loc("f.py":1 "f")
  %b = sin %x : f32[] loc("f.py":2 "f")
  %c = add %a, %b : f32[] loc("f.py":3 "f")
  %d = sin %x : f32[] loc("f.py":4 "f")
  %e = add %c, %d : f32[] loc("f.py":5 "f")
  return %e
}
"""


def parsed() -> Graph:
    return parse_graph(TEXT)


def test_nothing_at_first() -> None:
    assert Rewriter(parsed()).last is None


def test_the_first_change_after_each_question_counts() -> None:
    graph = parsed()
    first, second, total, third, _, _ = graph.body
    rewriter = Rewriter(graph, "pass")
    assert rewriter.may_change()
    with rewriter.rule("one"):
        rewriter.replace(second, first.results)
    assert rewriter.last == ("one", Location((Frame("f.py", 2, "f"),)))
    rewriter.set_attribute(total, "tg.x", 1)
    assert rewriter.last[0] == "one", "still the same rewrite"
    assert rewriter.may_change()
    assert rewriter.last[0] == "one", "a question is no change"
    rewriter.replace(third, first.results)
    assert rewriter.last[0] == "pass"
    assert rewriter.last[1].frame.line == 4


def test_a_place_that_is_known_wins_over_one_that_is_not() -> None:
    graph = parsed()
    first, second, *_ = graph.body
    mutate.set_location(first, Location())
    rewriter = Rewriter(graph, "pass")
    rewriter.set_attribute(first, "tg.x", 1)
    assert rewriter.last == ("pass", Location())
    rewriter.set_attribute(second, "tg.x", 1)
    assert rewriter.last[1].frame.line == 2


def test_the_limit_tells_the_pass_and_its_last_rewrite() -> None:
    pipeline = parse_pipeline("cse,dce,fuse")
    lines = []
    for changes in (0, 1, 2):
        limit = Limit(changes)
        PassManager(pipeline, (limit,)).run(parsed())
        event = limit.last
        lines.append(event and (event.title, event.last[0], event.last[1].frame.line))
    assert lines == [None, ("1 cse", "cse", 2), ("1 cse", "cse", 4)]
