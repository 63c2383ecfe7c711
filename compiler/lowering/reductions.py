"""What can be taken away from a graph while a failure is looked for: one small edit each.

An edit changes a copy and keeps it well typed; what the graph computes it need not keep. Places
count what the ``..._count`` functions count, in program order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress

import numpy as np

from compiler.ir import mutate
from compiler.ir.attributes import Dense
from compiler.ir.graph import Graph, Operation, ParameterInfo, Region, Value
from compiler.ir.types import is_plain
from compiler.ir.walk import walk
from compiler.lowering.arguments import numeric_dtype
from compiler.passes.dce import DeadCodeElimination
from compiler.rewrite.rewriter import Rewriter

Edit = Callable[[Graph, Rewriter], None]
"""Takes something away from a graph."""

StandIn = Callable[[Operation, Value], Value | None]
"""A value of exactly the same type that stands before the op, to be read instead of its result."""


def reuse(op: Operation, value: Value) -> Value | None:
    """An operand of the op, else a parameter of the region."""
    region = op.parent
    at_hand = (*op.operands, *(region.parameters if region is not None else ()))
    return next((v for v in at_hand if v.type == value.type), None)


def fresh(op: Operation, value: Value) -> Value | None:
    """A new parameter of the graph; None inside a region, which has no way to get one."""
    region = op.parent
    graph = region.owner if region is not None else None
    if not isinstance(graph, Graph):
        return None
    parameter = mutate.add_parameter(graph.body, value.type, value.hint or op.name)
    mutate.set_parameter_info(graph, [*graph.parameter_info, ParameterInfo()])
    return parameter


def _stand_in(op: Operation, value: Value, first: StandIn, rewriter: Rewriter) -> Value:
    found = first(op, value) or fresh(op, value) or reuse(op, value)
    return found if found is not None else _zeros(op, value, rewriter)


def _zeros(op: Operation, value: Value, rewriter: Rewriter) -> Value:
    type, dtype = value.type, numeric_dtype(value.type)
    if dtype is None or not is_plain(type):
        raise ValueError(f"there is no constant of the type {type}")
    shape = tuple(dim for dim in type.shape if isinstance(dim, int))
    return rewriter.constant(op, Dense(np.zeros(shape, dtype)), type)


def _ops(graph: Graph) -> list[Operation]:
    return [op for op in walk(graph) if not op.is_terminator]


def op_count(graph: Graph) -> int:
    """The ops, nested ones and constants included."""
    return len(_ops(graph))


def drop_ops(places: Sequence[int], first: StandIn) -> Edit:
    """Drops some ops; whoever reads their results reads something else of the same type."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        ops = _ops(graph)
        for op in [ops[place] for place in reversed(places)]:
            if op.parent is None or op.parent.graph is not graph:
                continue  # it went with the op around it
            for result in op.results:
                if result.has_uses:
                    rewriter.replace_value(result, _stand_in(op, result, first, rewriter))
            rewriter.erase(op)

    return edit


def _regions(graph: Graph) -> Iterator[tuple[Operation, Region]]:
    for op in _ops(graph):
        for region in op.regions:
            yield op, region


def region_count(graph: Graph) -> int:
    """The regions of all ops."""
    return sum(1 for _ in _regions(graph))


def take_region(place: int, first: StandIn) -> Edit:
    """Puts the ops of one region, run once, in the place of the op around them."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        op, region = list(_regions(graph))[place]
        outputs = _inlined(op, region, first, rewriter)
        for i, result in enumerate(op.results):
            if not result.has_uses:
                continue
            same = [value for value in (*outputs[i : i + 1], *outputs) if value.type == result.type]
            value = same[0] if same else _stand_in(op, result, first, rewriter)
            rewriter.replace_value(result, value)
        rewriter.erase(op)

    return edit


def _inlined(op: Operation, region: Region, first: StandIn, rewriter: Rewriter) -> Sequence[Value]:
    """Moves the ops of a region before the op around them; returns what they yield."""
    count = len(region.parameters)
    given = op.operands[len(op.operands) - count :] if count <= len(op.operands) else ()
    arguments = [
        given[i]
        if i < len(given) and given[i].type == parameter.type
        else _stand_in(op, parameter, first, rewriter)
        for i, parameter in enumerate(region.parameters)
    ]
    return rewriter.inline_region(op, region, arguments)


def return_region(place: int) -> Edit:
    """Has the graph return what one region yields when it runs once, and nothing else."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        op, region = list(_regions(graph))[place]
        if op.parent is graph.body:
            _return(graph, _inlined(op, region, reuse, rewriter), rewriter)

    return edit


def top_count(graph: Graph) -> int:
    """The ops of the graph's body."""
    return len(graph.body) - 1


def return_early(place: int) -> Edit:
    """Has the graph return what one of its ops computes, and nothing else."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        _return(graph, list(graph.body)[place].results, rewriter)

    return edit


def _return(graph: Graph, values: Sequence[Value], rewriter: Rewriter) -> None:
    rewriter.set_operands(graph.body.terminator, values)
    graph.result_names = ()
    drop_dead_code(graph, rewriter)


def _shared(graph: Graph) -> list[Value]:
    """The results that are read of ops with several."""
    return [v for op in _ops(graph) if len(op.results) > 1 for v in op.results if v.has_uses]


def shared_count(graph: Graph) -> int:
    """The results that are read of ops with several."""
    return len(_shared(graph))


def free_result(place: int, first: StandIn) -> Edit:
    """Has nobody read one of an op's results, and drops what is dead then."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        value = _shared(graph)[place]
        if value.producer is not None:
            stand_in = _stand_in(value.producer, value, first, rewriter)
            rewriter.replace_value(value, stand_in)
        drop_dead_code(graph, rewriter)

    return edit


def drop_dead_code(graph: Graph, rewriter: Rewriter) -> None:
    """Drops what no result depends on."""
    DeadCodeElimination().run(graph, rewriter)


def result_count(graph: Graph) -> int:
    """The graph's results."""
    return len(graph.outputs)


def drop_results(places: Sequence[int]) -> Edit:
    """Drops some of the graph's results."""

    def edit(graph: Graph, rewriter: Rewriter) -> None:
        keep = [i not in places for i in range(len(graph.outputs))]
        rewriter.set_operands(graph.body.terminator, list(compress(graph.outputs, keep)))
        graph.result_names = tuple(compress(graph.result_names, keep))

    return edit


def drop_unused_parameters(graph: Graph, rewriter: Rewriter) -> None:
    """Drops the graph's parameters that nobody reads."""
    del rewriter  # which takes a graph's parameters for its signature
    keep = [value.has_uses for value in graph.parameters]
    info = list(compress(graph.parameter_info, keep))
    mutate.remove_parameters(graph.body, keep)
    mutate.set_parameter_info(graph, info)
