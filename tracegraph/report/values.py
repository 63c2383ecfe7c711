"""The constants and the inputs of a graph, as rows of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.analysis.cost import nbytes
from compiler.ir.attribute_text import constant_text
from compiler.ir.attributes import Dense
from compiler.ir.graph import CONSTANT, Graph
from compiler.ir.naming import assign_names
from compiler.ir.types import ArrayType
from tracegraph.report.nodes import Node, cut


def constant_rows(numbers: Mapping[Node, int]) -> list[dict[str, Any]]:
    """The constants, the largest first: op, bytes, and the value where it is short."""
    rows: list[dict[str, Any]] = []
    for node, number in numbers.items():
        if node.op is None or node.op.name != CONSTANT:
            continue
        value, type = node.op.attributes["value"], node.op.result.type
        if isinstance(value, Dense) and isinstance(type, ArrayType):
            text = constant_text(value, type)
        else:
            text = str(value)
        rows.append({"op": number, "bytes": nbytes(node.op.result), "value": cut(text)})
    return sorted(rows, key=lambda row: -row["bytes"])


def input_rows(graph: Graph) -> list[dict[str, Any]]:
    """The inputs, in order: name, type, bytes, donation, sharding, and whether they are read."""
    names = assign_names(graph)
    rows: list[dict[str, Any]] = []
    for value, info in zip(graph.parameters, graph.parameter_info, strict=True):
        rows.append(
            {
                "name": names[value],
                "type": str(value.type),
                "bytes": nbytes(value),
                "donated": info.donated,
                "captured": info.captured,
                "sharding": value.type.sharding if isinstance(value.type, ArrayType) else "",
                "read": value.has_uses,
            }
        )
    return rows
