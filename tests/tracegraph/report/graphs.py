"""Graphs of any size for reports, made without tracing."""

from __future__ import annotations

import numpy as np

from compiler.ir.builder import build_graph, finish_graph
from compiler.ir.graph import Graph
from compiler.ir.locations import Frame, Location
from compiler.ir.types import ArrayType

VECTOR = ArrayType((64,), np.dtype(np.float32))
OPS_PER_LAYER = 100


def layered(ops: int, *, scopes: bool = True, file: str = "layers.py") -> Graph:
    """A chain of so many ops in layers of a hundred, a scope for each layer if asked for."""
    graph, builder = build_graph("layered", [VECTOR, VECTOR], ["x", "w"])
    value, weight = graph.parameters
    for number in range(ops):
        layer, place = divmod(number, OPS_PER_LAYER)
        stack = f"net/block_{layer // 10}/layer_{layer}" if scopes else ""
        frames = (Frame(file, 1 + place, "forward"),)
        name, operands = ("mul", (value, weight)) if number % 2 else ("tanh", (value,))
        value = builder.op(
            name, operands, [VECTOR], location=Location(frames, name_stack=stack)
        ).result
    return finish_graph(graph, [value]).freeze()
