"""A graph as JSON; ``graph.schema.json`` beside this file says what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from compiler.ir.attribute_text import attribute_text
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.naming import Names, assign_names

VERSION: Final = 1
SCHEMA_FILE: Final = Path(__file__).with_name("graph.schema.json")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what ``graph_json`` gives."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def graph_json(graph: Graph) -> dict[str, Any]:
    """The graph as plain data: names, types and attributes as the text form writes them."""
    names = assign_names(graph)
    body = _region(graph.body, names)
    for value, info in zip(body["parameters"], graph.parameter_info, strict=False):
        value["donated"], value["captured"] = info.donated, info.captured
    return {
        "format": "tracegraph.graph",
        "version": VERSION,
        "name": graph.name,
        "result_names": list(graph.result_names),
        "body": body,
    }


def _region(region: Region, names: Names) -> dict[str, Any]:
    return {
        "name": region.name,
        "parameters": [
            {"name": names[value], "type": str(value.type)} for value in region.parameters
        ],
        "operations": [_operation(op, names) for op in region],
    }


def _operation(op: Operation, names: Names) -> dict[str, Any]:
    location = op.location
    return {
        "op": op.name,
        "operands": [names[value] for value in op.operands],
        "results": [{"name": names[value], "type": str(value.type)} for value in op.results],
        "attributes": {
            name: attribute_text(value)
            for name, value in sorted(op.attributes.items())
            if value is not None
        },
        "effects": sorted(effect.kind for effect in op.effects),
        "regions": [_region(region, names) for region in op.regions],
        "location": {
            "frames": [
                {"file": frame.file, "line": frame.line, "function": frame.function}
                for frame in location.frames
            ],
            "name_stack": location.name_stack,
            "rules": list(location.rules),
        },
    }
