"""Time is linear in the graph, whatever its shape."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from compiler.ir import (
    ArrayType,
    Builder,
    Dense,
    Graph,
    Value,
    build_graph,
    difference,
    finish_graph,
    parse_graph,
    print_graph,
)
from compiler.lowering.check_types import check_types
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline

F32 = np.dtype(np.float32)
ROW = ArrayType((4,), F32)
OPS = 20_000


def constant(builder: Builder, number: float) -> Value:
    return builder.constant(Dense(np.full((4,), number, F32)), ROW)


def one_value_that_all_read() -> Graph:
    graph, builder = build_graph("f", [ROW])
    (x,) = graph.parameters
    total = x
    for index in range(OPS // 2):
        other = constant(builder, float(index)) if index % 2 else x
        term = builder.op("mul", (x, other), (ROW,)).result
        total = builder.op("add", (total, term), (ROW,)).result
    return finish_graph(graph, [total])


def one_constant_that_all_read() -> Graph:
    graph, builder = build_graph("f", [ROW])
    (total,) = graph.parameters
    two = constant(builder, 2.0)
    for _ in range(OPS // 2):
        term = builder.op("mul", (two, two), (ROW,)).result
        total = builder.op("add", (total, term), (ROW,)).result
    return finish_graph(graph, [total])


def as_many_parameters_and_results() -> Graph:
    graph, builder = build_graph("f", [ROW] * OPS)
    first = graph.parameters[0]
    return finish_graph(
        graph, [builder.op("add", (x, first), (ROW,)).result for x in graph.parameters]
    )


def one_op_of_as_many_operands() -> Graph:
    graph, builder = build_graph("f", [ROW])
    x, y = (builder.op(name, graph.parameters, (ROW,)).result for name in ("sin", "cos"))
    type = ArrayType((4 * OPS,), F32)
    op = builder.op("concatenate", [x, y] * (OPS // 2), (type,), {"dimension": 0})
    return finish_graph(graph, [op.result] * OPS)


def slices_of_one_value() -> Graph:
    graph, builder = build_graph("f", [ArrayType((OPS,), F32)])
    (x,) = graph.parameters
    total = None
    for start in range(OPS // 2):
        attributes = {"limit_indices": (start + 4,), "start_indices": (start,), "strides": None}
        row = builder.op("slice", (x,), (ROW,), attributes).result
        total = row if total is None else builder.op("add", (total, row), (ROW,)).result
    return finish_graph(graph, [total])


def a_chain_that_goes_away() -> Graph:
    square = ArrayType((4, 4), F32)
    graph, builder = build_graph("f", [square])
    (x,) = graph.parameters
    for _ in range(OPS):
        x = builder.op("transpose", (x,), (square,), {"permutation": (1, 0)}).result
    return finish_graph(graph, [x])


SHAPES = (
    one_value_that_all_read,
    one_constant_that_all_read,
    as_many_parameters_and_results,
    one_op_of_as_many_operands,
    slices_of_one_value,
    a_chain_that_goes_away,
)


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_the_default_pipeline_and_the_text_take_seconds(make: Callable[[], Graph]) -> None:
    graph = make()
    start = time.process_time()
    result = PassManager(parse_pipeline(DEFAULT_PIPELINE)).run(graph)
    assert not result.failures
    check_types(result.graph)
    assert difference(parse_graph(print_graph(graph)), graph) is None
    # A quadratic pass needs 400 million steps for this, which is minutes.
    assert time.process_time() - start < 30
