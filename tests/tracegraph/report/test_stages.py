"""What counts as added, removed and changed from one stage to the next."""

from __future__ import annotations

from compiler.ir.parser import parse_graph
from compiler.passes.pipeline import parse_pipeline
from tracegraph.program import Stage
from tracegraph.report.stages import stage_table
from tracegraph.report.subject import graph_subject

BEFORE = """tracegraph.ir 1
graph @f(%x: f32[4]) -> (f32[4]) {
  %a = sin %x : f32[4]
  %b = sin %x : f32[4]
  %dead = exp %x : f32[4]
  %c = add %a, %b : f32[4]
  return %c
}
"""
AFTER = """tracegraph.ir 1
graph @f(%x: f32[4]) -> (f32[4]) {
  %a = sin %x : f32[4]
  %two = constant {value = 2.0} : f32[]
  %c = mul %a, %two : f32[4]
  return %c
}
"""
SLICED = """tracegraph.ir 1
graph @f(%x: f32[4]) -> (f32[2]) {{
  %a = slice %x {{limit_indices = ({},), start_indices = ({},), strides = None}} : f32[2]
  return %a
}}
"""


def change_between(first, second):
    table = stage_table([Stage("before", parse_graph(first)), Stage("after", parse_graph(second))])
    change = table.last.change
    name = [node.name for node in table.ops]
    return (
        sorted(name[op] for op in change.added),
        sorted(name[op] for op in change.removed),
        [(name[new], name[old]) for new, old in change.changed],
    )


def test_added_and_removed():
    assert change_between(BEFORE, AFTER) == (["constant", "mul"], ["add", "exp", "sin"], [])


def test_an_op_with_other_attributes_on_its_line_is_a_changed_one():
    assert change_between(SLICED.format(2, 0), SLICED.format(3, 1)) == ([], [], [("slice",) * 2])


def test_the_same_graph_is_unchanged():
    assert change_between(BEFORE, BEFORE) == ([], [], [])


def test_marks_of_passes_are_no_changes():
    marked = BEFORE.replace("sin %x :", "sin %x {tg.group = 3} :")
    assert change_between(BEFORE, marked) == ([], [], [])


def test_a_pipeline_over_a_graph_from_text():
    subject = graph_subject(parse_graph(BEFORE).freeze(), parse_pipeline("cse,dce"))
    table = stage_table(subject.stages)
    assert [stage.name for stage in table.stages] == ["captured", "1 cse", "2 dce"]
    removed = [[table.ops[op].name for op in stage.change.removed] for stage in table.stages]
    assert removed == [[], ["sin"], ["exp"]]
