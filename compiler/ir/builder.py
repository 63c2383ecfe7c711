"""Builds graphs and regions from nothing, in order."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir import mutate
from compiler.ir.attributes import NO_ATTRIBUTES, Attributes, Dense
from compiler.ir.effects import NO_EFFECTS, Effects
from compiler.ir.graph import (
    CONSTANT,
    RETURN,
    YIELD,
    Graph,
    Operation,
    ParameterInfo,
    Region,
    Value,
)
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.types import ArrayType, Type


class Builder:
    """Adds operations to a region, at its end or before an anchor.

    Args:
        region: where the operations go.
        before: the operation to insert before; None for the end.
        location: the location of operations for which none is given.
    """

    __slots__ = ("before", "location", "region")

    def __init__(
        self, region: Region, before: Operation | None = None, location: Location = UNKNOWN
    ) -> None:
        self.region = region
        self.before = before
        self.location = location

    def op(
        self,
        name: str,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: Attributes = NO_ATTRIBUTES,
        regions: Sequence[Region] = (),
        *,
        effects: Effects = NO_EFFECTS,
        location: Location | None = None,
        primitive: object = None,
        context: object = None,
    ) -> Operation:
        """Adds one operation and returns it."""
        op = Operation(
            name,
            operands,
            result_types,
            attributes,
            regions,
            effects=effects,
            location=self.location if location is None else location,
            primitive=primitive,
            context=context,
        )
        return mutate.insert_before(self.region, self.before, op)

    def constant(self, value: Dense, type: ArrayType, location: Location | None = None) -> Value:
        """Adds a constant and returns its value."""
        return self.op(CONSTANT, (), (type,), {"value": value}, location=location).result

    def finish(self, values: Sequence[Value]) -> Operation:
        """Ends a nested region with ``yield``."""
        return self.op(YIELD, values, ())


def build_graph(
    name: str, types: Sequence[Type], hints: Sequence[str] = (), *, handle: object = None
) -> tuple[Graph, Builder]:
    """A new graph with these parameters and no operations, and a builder for its body.

    End it with ``builder.op("return", values, ())`` or ``finish_graph``.
    """
    body = Region()
    graph = Graph(name, body, handle=handle)
    values = mutate.add_parameters(body, types)
    for value, hint in zip(values, hints, strict=False):
        value.hint = hint
    mutate.set_parameter_info(graph, [ParameterInfo()] * len(types))
    return graph, Builder(body)


def finish_graph(graph: Graph, values: Sequence[Value], result_names: Sequence[str] = ()) -> Graph:
    """Ends the graph's body with ``return`` and names its results."""
    Builder(graph.body).op(RETURN, values, ())
    graph.result_names = tuple(result_names)
    return graph
