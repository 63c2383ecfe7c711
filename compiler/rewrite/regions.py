"""Ops with regions made anew: bodies with other parameters and results, and bodies as terms.

Nothing that exists is changed. A draft is a detached region; ops are copied into it, and only
those that somebody asks for, so that what is no longer needed stays behind.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from compiler.ir import mutate
from compiler.ir.builder import Builder, build_graph, finish_graph
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.types import Type
from compiler.ir.walk import clone_operation, clone_region
from compiler.rewrite.expression import Node, Term
from compiler.rewrite.fragment import put_terms


class Draft:
    """A region in the making, after the model of another.

    Args:
        model: the region whose name it takes over, and whose values may be copied into it.
        types: the types of its parameters.
        name: a name of its own, if it becomes another region of an op than the model.

    Attributes:
        parameters: its parameters.
    """

    __slots__ = ("_known", "_model", "_region", "parameters")

    def __init__(self, model: Region, types: Sequence[Type], name: str = "") -> None:
        self._model = model
        handle = None if name and name != model.name else model.handle
        self._region = Region(name or model.name, handle=handle)
        self._known: dict[Value, Value] = {}
        self.parameters = mutate.add_parameters(self._region, types)

    def bind(self, old: Value, new: Value) -> None:
        """From here on, what reads ``old`` in the model reads ``new`` in the copy."""
        self._known[old] = new
        new.hint = new.hint or old.hint

    def copy(self, values: Sequence[Value]) -> list[Value]:
        """The model's values in the draft; the ops behind them are copied, in their order.

        Raises:
            KeyError: they depend on a parameter of the model that nothing is bound to.
        """
        for op in ops_behind(values, self._known):
            copy = clone_operation(op, self._known)
            mutate.append(self._region, copy)
        return [self._known[value] for value in values]

    def put(self, *terms: Term, at: Operation | None = None) -> list[Value]:
        """The values of terms over values of the draft, from the place of an op of the model."""
        anchor = self._model.owner
        if not isinstance(anchor, Operation):
            raise TypeError(f"{self._model!r} belongs to no op")
        return list(put_terms(self._region, terms, {}, anchor, (at or anchor).location))

    def constant(self, value: Value) -> Value:
        """A copy of a constant that lives elsewhere."""
        if value.producer is None:
            raise TypeError(f"{value!r} is no constant")
        return mutate.append(self._region, clone_operation(value.producer, {})).results[value.index]

    def finish(self, values: Sequence[Value]) -> Region:
        """The region, which yields these values."""
        Builder(self._region).finish(values)
        return self._region


class Outside:
    """What values of a region are outside of it, where its parameters stand for given terms.

    Args:
        known: terms for the region's parameters, or for other values of it.
    """

    __slots__ = ("_known",)

    def __init__(self, known: Mapping[Value, Term]) -> None:
        self._known: dict[Value, Term] = dict(known)

    def terms(self, values: Sequence[Value]) -> list[Term]:
        """Terms for the values: the ops behind them, applied to the known terms.

        Raises:
            KeyError: they depend on a parameter that no term is known for.
        """
        for op in ops_behind(values, self._known):
            results = copied(op, [self._known[value] for value in op.operands])
            self._known.update(zip(op.results, results, strict=True))
        return [self._known[value] for value in values]


def copied(op: Operation, operands: Sequence[Term]) -> Sequence[Term]:
    """An op as it is, at its own place in the user's code, on operands of the same types."""
    types = [value.type for value in op.results]
    regions = [clone_region(region) for region in op.regions]
    return Node(
        op.name, operands, op.attributes, types, regions=regions, like=op, location=op.location
    ).results


def graph_between(inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    """A graph of its own that computes some values of a region from others.

    Raises:
        KeyError: an output depends on a parameter that is no input.
    """
    graph, builder = build_graph("part", [value.type for value in inputs])
    known = dict(zip(inputs, graph.parameters, strict=True))
    for op in ops_behind(outputs, known):
        mutate.append(builder.region, clone_operation(op, known))
    return finish_graph(graph, [known[value] for value in outputs])


def ops_behind(values: Sequence[Value], known: Container[Value]) -> list[Operation]:
    """The ops of one region that lead from the known values to these, in their order."""
    needed: set[Operation] = set()
    pending = [value for value in values if value not in known]
    while pending:
        op = pending.pop().producer
        if op is not None and op not in needed:
            needed.add(op)
            pending += [value for value in op.operands if value not in known]
    return list(_in_order(needed))


def depending(region: Region, roots: Iterable[Value]) -> set[Value]:
    """The values of a region that depend on some of its values, these included."""
    found = set(roots)
    for op in region:
        if any(value in found for value in op.operands):
            found.update(op.results)
    return found


def _in_order(ops: set[Operation]) -> Iterator[Operation]:
    home = next((op.parent for op in ops), None)
    if home is None or len(ops) == 1:
        yield from ops
        return
    for op in home:
        if op in ops:
            yield op
