"""Ops of many operands: changing one slot after the other, with reads in between."""

from __future__ import annotations

import pytest

from compiler.ir import Operation, parse_graph, print_graph, structurally_equal, verify
from compiler.ir.mutate import set_operand, set_operands
from compiler.ir.walk import clone

COUNTS = (2, 32, 33, 200)


def wide(count):
    """A graph that returns its first parameter so many times."""
    results = ", ".join(["f32[2]"] * count)
    values = ", ".join(["%x"] * count)
    head = "tracegraph.ir 1\ngraph @f(%x: f32[2], %y: f32[2])"
    return parse_graph(f"{head} -> ({results}) {{\n  return {values}\n}}\n")


@pytest.mark.parametrize("count", COUNTS)
def test_slots_are_changed_one_by_one(count):
    graph = wide(count)
    x, y = graph.parameters
    end = graph.body.terminator
    for slot in range(0, count, 2):
        set_operand(end, slot, y)
    expected = tuple(y if slot % 2 == 0 else x for slot in range(count))
    assert end.operands == expected
    assert (x.use_count, y.use_count) == (count // 2, count - count // 2)
    verify(graph)


@pytest.mark.parametrize("count", COUNTS)
def test_what_was_read_before_stays_as_it_was(count):
    graph = wide(count)
    x, y = graph.parameters
    end = graph.body.terminator
    set_operand(end, 0, y)
    before = end.operands
    set_operand(end, 1, y)
    assert before[:2] == (y, x)
    assert end.operands[:2] == (y, y)


@pytest.mark.parametrize("count", COUNTS)
def test_all_at_once_after_one_by_one(count):
    graph = wide(count)
    x, y = graph.parameters
    end = graph.body.terminator
    set_operand(end, 0, y)
    set_operands(end, [x] * count)
    assert end.operands == (x,) * count
    set_operand(end, count - 1, y)
    assert end.operands == (*(x,) * (count - 1), y)
    copy = clone(graph)
    assert structurally_equal(copy, graph)
    assert print_graph(copy) == print_graph(graph)


def test_an_op_becomes_wide_when_it_gets_more_operands():
    graph = wide(2)
    x, y = graph.parameters
    end = graph.body.terminator
    set_operands(end, [x] * 100)
    for slot in range(100):
        set_operand(end, slot, y)
    assert end.operands == (y,) * 100
    assert isinstance(end, Operation)
    set_operands(end, [x])
    set_operand(end, 0, y)
    assert end.operands == (y,)
