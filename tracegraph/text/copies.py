"""Graphs in ``copy`` and ``pickle``: copied as they are, and stored as the text that they print.

What text cannot say stays behind, as in a file: JAX's own objects and the arrays of a closure.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, WideOperation
from compiler.ir.locations import Location
from compiler.ir.parser import parse_graph
from compiler.ir.printer import print_graph
from compiler.ir.walk import clone, walk

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


class _Held:
    """A graph on its way: ``copy`` hands it on, ``pickle`` takes its text."""

    __slots__ = ("graph",)

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __deepcopy__(self, memo: object) -> _Held:
        return self

    def __reduce__(self) -> Reduced:
        return _read, (print_graph(self.graph, locations=True),)


class _Foreign:
    """An object of JAX's on its way: ``copy`` hands it on, ``pickle`` leaves it out."""

    __slots__ = ("handle",)

    def __init__(self, handle: object = None) -> None:
        self.handle = handle

    def __deepcopy__(self, memo: object) -> _Foreign:
        return self

    def __reduce__(self) -> Reduced:
        return _Foreign, ()


def _read(text: str) -> _Held:
    return _Held(parse_graph(text))


def _graph(held: _Held, frozen: bool) -> Graph:
    copy = clone(held.graph)
    return copy.freeze() if frozen else copy


def _operation(graph: Graph, place: int) -> Operation:
    return next(op for i, op in enumerate(walk(graph)) if i == place)


def _location(foreign: _Foreign, *parts: Any) -> Location:
    return Location(*parts, handle=foreign.handle)


def _reduce_location(location: Location) -> Reduced:
    foreign = _Foreign(location.handle)
    return _location, (foreign, location.frames, location.name_stack, location.rules)


def _reduce_graph(graph: Graph) -> Reduced:
    return _graph, (_Held(graph), graph.frozen)


def _reduce_operation(op: Operation) -> Reduced:
    """An operation goes with its whole graph, which is copied once for all that are in it."""
    graph = None if op.parent is None else op.parent.graph
    if graph is None:
        raise TracegraphError(
            f"the operation {op.name} cannot be copied",
            where=str(op.location),
            expected="an operation of a graph",
            found="one that stands in no graph",
            hint="copy the graph, or print it",
        )
    return _operation, (graph, next(i for i, other in enumerate(walk(graph)) if other is op))


copyreg.pickle(Graph, _reduce_graph)
copyreg.pickle(Location, _reduce_location)
for _kind in (Operation, WideOperation):
    copyreg.pickle(_kind, _reduce_operation)
