"""A graph as the JSON that Google's Model Explorer opens."""

from __future__ import annotations

from typing import Any

from compiler.ir.graph import Graph
from tracegraph.exports.flat import Node, flatten


def model_explorer(graph: Graph) -> dict[str, Any]:
    """The graph as a collection of one graph, in the layout of Model Explorer's graph builder."""
    nodes = [_node(node) for node in flatten(graph)]
    return {"label": graph.name, "graphs": [{"id": graph.name, "nodes": nodes}]}


def _node(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "label": node.label,
        "namespace": node.namespace,
        "attrs": [{"key": key, "value": value} for key, value in node.attributes.items()],
        "incomingEdges": [
            {
                "sourceNodeId": edge.source,
                "sourceNodeOutputId": str(edge.output),
                "targetNodeInputId": str(edge.slot),
            }
            for edge in node.edges
        ],
        "outputsMetadata": [
            {"id": str(index), "attrs": [{"key": "tensor_shape", "value": type}]}
            for index, type in enumerate(node.outputs)
        ],
    }
