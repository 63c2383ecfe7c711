from __future__ import annotations

from compiler.ir import Operation, Region, parse_graph, walk
from compiler.ir.walk import traverse

TEXT = """\
tracegraph.ir 1
graph @f(%i: i32[]) -> () {
  first : ()
  outer %i : ()
    a (%p: i32[]) {
      inner %p : ()
        c () {
          deepest : ()
          yield
        }
      yield
    }
    b () {
      yield
    }
  return
}
"""


def test_a_traversal_follows_the_text() -> None:
    found = [
        (visit.item.name, visit.depth, "out" if visit.leaving else "")
        for visit in traverse(parse_graph(TEXT).body)
    ]
    assert found == [
        ("first", 0, ""),
        ("outer", 0, ""),
        ("a", 1, ""),
        ("inner", 2, ""),
        ("c", 3, ""),
        ("deepest", 4, ""),
        ("yield", 4, ""),
        ("c", 3, "out"),
        ("yield", 2, ""),
        ("a", 1, "out"),
        ("b", 1, ""),
        ("yield", 2, ""),
        ("b", 1, "out"),
        ("return", 0, ""),
    ]


def test_a_walk_visits_the_operations_of_a_traversal_in_the_same_order() -> None:
    graph = parse_graph(TEXT)
    items = [visit.item for visit in traverse(graph.body)]
    assert list(walk(graph)) == [item for item in items if isinstance(item, Operation)]
    assert sum(isinstance(item, Region) for item in items) == 6
