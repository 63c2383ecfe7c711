"""Writes a graph as text, one op a line. ``compiler.ir.parser`` reads it back.

The text is the same in every process: it depends on the graph and on the user's source files only.
"""

from __future__ import annotations

import base64
from typing import Final, cast

import numpy as np

from compiler.ir.attribute_text import attribute_text, constant_text
from compiler.ir.attributes import Attribute, Dense
from compiler.ir.effects import Effect
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import CONSTANT, Graph, Operation, ParameterInfo, Region, Value
from compiler.ir.locations import UNKNOWN, Frame, Location
from compiler.ir.naming import assign_names
from compiler.ir.text import FORMAT_NAME, FORMAT_VERSION, is_word, quote, word
from compiler.ir.types import ArrayType
from compiler.ir.views import offer
from compiler.ir.walk import Visit, traverse

_INDENT: Final = "  "


def print_graph(graph: Graph, *, locations: bool = False) -> str:
    """The canonical text of a graph: ``parse_graph`` of it equals the graph structurally.

    Args:
        graph: any well-formed graph.
        locations: whether to write where each op comes from.

    Raises:
        TracegraphError: it is no graph, or an attribute holds a value that no attribute may hold.
    """
    if not isinstance(cast("object", graph), Graph):
        raise TracegraphError(
            "this is no graph",
            expected="a Graph, as step.graph(*args) gives it for a decorated function",
            found=f"a {type(graph).__name__}",
            hint="call .graph on the function with the arguments of a call",
        )
    return _Printer(graph, locations).text()


class _Printer:
    """One printing: the names that were given, the lines so far, the arrays met on the way."""

    def __init__(self, graph: Graph, locations: bool) -> None:
        self._graph = graph
        self._locations = locations
        self._names = assign_names(graph)
        self._lines: list[str] = []
        self._resources: dict[str, Dense] = {}

    def text(self) -> str:
        body = self._graph.body
        self._lines.append(f"{FORMAT_NAME} {FORMAT_VERSION}")
        name = word(self._graph.name)
        self._lines.append(f"graph @{name}({self._parameters()}) -> ({self._results()}) {{")
        self._lines += map(self._line, traverse(body))
        self._lines.append("}")
        self._add_resources()
        return "\n".join(self._lines) + "\n"

    def _parameters(self) -> str:
        values, info = self._graph.parameters, self._graph.parameter_info
        described = (
            zip(values, info, strict=True) if info else ((v, ParameterInfo()) for v in values)
        )
        return ", ".join(self._parameter(value, facts) for value, facts in described)

    def _parameter(self, value: Value, info: ParameterInfo) -> str:
        captured = "captured " if info.captured else ""
        donated = " donated" if info.donated else ""
        return f"{captured}{self._typed(value)}{donated}"

    def _typed(self, value: Value) -> str:
        return f"{self._name(value)}: {value.type}"

    def _results(self) -> str:
        values, names = self._graph.outputs, self._graph.result_names
        if not names:
            return ", ".join(str(value.type) for value in values)
        return ", ".join(f"{v.type} {quote(n)}" for v, n in zip(values, names, strict=True))

    def _name(self, value: Value) -> str:
        # A graph that breaks the rules is printed too, to show how: it may read an unknown value.
        return f"%{self._names.get(value, '?')}"

    def _line(self, visit: Visit) -> str:
        indent = _INDENT * (visit.depth + 1)
        if isinstance(visit.item, Operation):
            return indent + self._operation(visit.item)
        return f"{indent}}}" if visit.leaving else f"{indent}{self._region_head(visit.item)}"

    def _region_head(self, region: Region) -> str:
        parameters = ", ".join(self._typed(value) for value in region.parameters)
        return f"{_region_name(region.name)} ({parameters}) {{"

    def _operation(self, op: Operation) -> str:
        results = ", ".join(map(self._name, op.results))
        operands = ", ".join(map(self._name, op.operands))
        parts = [f"{results} =" if results else "", word(op.name), operands]
        parts += [self._attributes(op), _effects_text(op), _types_text(op)]
        if self._locations and op.location != UNKNOWN:
            parts.append(_location_text(op.location))
        return " ".join(part for part in parts if part)

    def _attributes(self, op: Operation) -> str:
        items = [
            f"{word(name)} = {self._attribute(op, name, op.attributes[name])}"
            for name in sorted(op.attributes)
            if op.attributes[name] is not None
        ]
        return f"{{{', '.join(items)}}}" if items else ""

    def _attribute(self, op: Operation, name: str, value: Attribute) -> str:
        if op.name == CONSTANT and name == "value" and isinstance(value, Dense):
            type = op.result.type
            if isinstance(type, ArrayType):
                return constant_text(value, type, self._keep)
        return attribute_text(value, self._keep)

    def _keep(self, value: Dense) -> None:
        self._resources.setdefault(value.digest, value)

    def _add_resources(self) -> None:
        if not self._resources:
            return
        self._lines.append("resources {")
        for digest, value in sorted(self._resources.items()):
            data = base64.b64encode(np.ascontiguousarray(value.array).tobytes()).decode()
            type = ArrayType(value.shape, value.dtype)
            self._lines.append(f'{_INDENT}#{digest} : {type} = "{data}"')
        self._lines.append("}")


def _region_name(name: str) -> str:
    base, bracket, index = name.removesuffix("]").partition("[")
    indexed = bracket and name.endswith("]") and index.isdecimal() and index.isascii()
    plain = is_word(base) if indexed else is_word(name)
    # Where a region may follow, the word `loc` opens a location.
    return name if plain and name != "loc" else quote(name)


def _types_text(op: Operation) -> str:
    if op.is_terminator:
        return ""
    return f": {', '.join(str(value.type) for value in op.results) or '()'}"


def _effects_text(op: Operation) -> str:
    if not op.effects:
        return ""
    ordered = sorted(
        op.effects, key=lambda e: (e.kind, e.ordered, -1 if e.operand is None else e.operand)
    )
    return f"!({', '.join(map(_effect_text, ordered))})"


def _effect_text(effect: Effect) -> str:
    place = f"({effect.operand})" if effect.operand is not None else ""
    return f"{word(effect.kind)}{'!' if effect.ordered else ''}{place}"


def _location_text(location: Location) -> str:
    parts = [", ".join(map(_frame_text, location.frames))] if location.frames else []
    if location.name_stack:
        parts.append(f"in {quote(location.name_stack)}")
    if location.rules:
        parts.append(f"by {', '.join(map(quote, location.rules))}")
    return f"loc({' '.join(parts)})"


def _frame_text(frame: Frame) -> str:
    end = f":{frame.end_line}" if frame.end_line else ""
    return f"{quote(frame.file)}:{frame.line}{end} {quote(frame.function)}"


offer("text", print_graph)
