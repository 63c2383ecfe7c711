"""Use lists: each slot that reads a value is in one, whatever was changed, in constant time."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.ir import ArrayType, Operation, Use, Value, build_graph, finish_graph, mutate, verify

F32 = ArrayType((), np.dtype(np.float32))


def slots(value: Value) -> Counter[tuple[Operation, int]]:
    return Counter((use.operation, use.slot) for use in value.uses)


def test_an_op_may_read_a_value_in_several_slots() -> None:
    graph, builder = build_graph("f", [F32, F32])
    x, y = graph.parameters
    assert (x.has_uses, x.use_count, x.readers, x.only_reader) == (False, 0, (), None)
    op = builder.op("clamp", (x, y, x), (F32,))
    assert x.uses == (Use(op, 0), Use(op, 2))
    assert (x.use_count, x.readers, x.only_reader) == (2, (op,), op)
    other = builder.op("neg", (x,), (F32,))
    assert (x.use_count, x.readers, x.only_reader) == (3, (op, other), None)
    assert tuple(x.each_reader()) == x.readers
    mutate.set_operand(op, 0, y)
    assert x.uses == (Use(op, 2), Use(other, 0))
    assert y.uses == (Use(op, 1), Use(op, 0))
    mutate.erase(other)
    assert (x.use_count, x.only_reader) == (1, op)
    mutate.replace_uses(y, x)
    assert (x.use_count, y.use_count) == (3, 0)
    finish_graph(graph, [op.result])
    verify(graph)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), max_size=30))
def test_any_changes_leave_the_use_lists_right(changes: list[tuple[int, int, int]]) -> None:
    graph, builder = build_graph("f", [F32] * 4)
    values = graph.parameters
    ops = [builder.op("clamp", values[i : i + 3] or values[:3], (F32,)) for i in (0, 1, 0, 1)]
    for which, slot, value in changes:
        if slot == 2 and value == which:
            mutate.set_operands(ops[which], values[which:] + values[:which])
        else:
            mutate.set_operand(ops[which], slot, values[value])
    for value in values:
        expected = Counter(
            (op, slot) for op in ops for slot, read in enumerate(op.operands) if read is value
        )
        assert slots(value) == expected
        assert value.use_count == expected.total()
        assert set(value.readers) == {op for op, _ in expected}
    finish_graph(graph, [])
    verify(graph)
