"""Equality by structure, in two senses.

``structurally_equal`` asks whether two graphs have the same text: names, locations and foreign
handles do not count. ``regions_equal`` asks whether two regions may be used one for the other:
there, unknown means different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

from compiler.ir.attribute_text import attribute_text
from compiler.ir.attributes import Attribute, Attributes, Opaque, Record, attribute_key
from compiler.ir.graph import Graph, Operation, Region, Value

T = TypeVar("T")


class _Sense(NamedTuple):
    """What counts: how attributes compare, and whether foreign objects on ops do."""

    key: Callable[[Attribute], object]
    foreign: bool


def structurally_equal(a: Graph, b: Graph) -> bool:
    """Whether two graphs agree in all that their text says, but for names and locations.

    The names of the graphs and of their values do not count. Opaque attributes agree if their kind
    and text do, since a text cannot carry the object.
    """
    return difference(a, b) is None


def difference(a: Graph, b: Graph) -> str | None:
    """The first difference between two graphs in words; None if they are structurally equal."""
    return (
        _differ("the parameter facts", a.parameter_info, b.parameter_info)
        or _differ("the result names", a.result_names, b.result_names)
        or _region_difference(a.body, b.body, _Sense(_text_key, foreign=False))
    )


def regions_equal(a: Region, b: Region) -> bool:
    """Whether each region computes what the other does, as far as can be known.

    Opaque attributes, contexts and primitives must be the same or equal objects. Names and
    locations do not count.
    """
    return a is b or _region_difference(a, b, _Sense(attribute_key, foreign=True)) is None


def _text_key(value: Attribute) -> object:
    """``attribute_key``, but an opaque value is what its text says."""
    if isinstance(value, tuple):
        return (tuple, tuple(map(_text_key, value)))
    if isinstance(value, Record):
        return (value.kind, tuple((name, _text_key(item)) for name, item in value.fields))
    if isinstance(value, Opaque):
        return (Opaque, value.kind, value.text)
    return attribute_key(value)


class _Pair:
    """Two regions that are being compared, as far as it has been done.

    Attributes:
        a: the region of the first graph.
        b: the region of the second.
        same: the values of the first by those of the second that they correspond to.
        place: the operations that are being looked at, in words.
    """

    __slots__ = ("_ops", "a", "b", "place", "same")

    def __init__(self, a: Region, b: Region) -> None:
        self.a, self.b = a, b
        self.same: dict[Value, Value] = {}
        self.place = ""
        self._ops: Iterator[tuple[int, tuple[Operation, Operation]]] | None = None

    def next(self, sense: _Sense) -> tuple[Operation, Operation] | str | None:
        """The operations to go on with, how the regions differ, or None when all is compared."""
        if self._ops is None:
            found = _head_difference(self.a, self.b)
            if found:
                return found
            self.same.update(zip(self.a.parameters, self.b.parameters, strict=True))
            self._ops = enumerate(zip(self.a, self.b, strict=True))
        index, pair = next(self._ops, (0, None))
        if pair is None:
            return None
        first, second = pair
        self.place = f"operation {index} ({first.name}) of region {self.a.name}: "
        found = _operation_difference(first, second, self.same, sense)
        self.same.update(zip(first.results, second.results, strict=False))
        return f"{self.place}{found}" if found else pair


def _region_difference(a: Region, b: Region, sense: _Sense) -> str | None:
    """The first difference in the order of the text; depth is not limited."""
    stack = [[_Pair(a, b)]]
    while stack:
        if not stack[-1]:
            stack.pop()
            continue
        found = stack[-1][-1].next(sense)
        if found is None:
            stack[-1].pop()
        elif isinstance(found, str):
            outer = (pairs[-1].place for pairs in stack[:-1])
            return "".join([*outer, found])
        elif found[0].regions:
            first, second = found
            stack.append(list(map(_Pair, first.regions, second.regions))[::-1])
    return None


def _head_difference(a: Region, b: Region) -> str | None:
    types = [value.type for value in a.parameters], [value.type for value in b.parameters]
    return (
        _differ("the region's name", a.name, b.name)
        or _differ("the parameter types", *types)
        or _differ("the number of operations", len(a), len(b))
    )


def _operation_difference(
    a: Operation, b: Operation, same: dict[Value, Value], sense: _Sense
) -> str | None:
    types = [value.type for value in a.results], [value.type for value in b.results]
    return (
        _differ("the name", a.name, b.name)
        or _operands_difference(a, b, same)
        or _differ("the result types", *types)
        or _attributes_difference(a.attributes, b.attributes, sense)
        or _differ("the effects", sorted(map(str, a.effects)), sorted(map(str, b.effects)))
        or (_foreign_difference(a, b) if sense.foreign else None)
        or _differ("the number of regions", len(a.regions), len(b.regions))
    )


def _operands_difference(a: Operation, b: Operation, same: dict[Value, Value]) -> str | None:
    if len(a.operands) != len(b.operands):
        return _differ("the number of operands", len(a.operands), len(b.operands))
    for index, (first, second) in enumerate(zip(a.operands, b.operands, strict=True)):
        if same.get(first) is not second:
            return f"operand {index} is {first!r} in the first and {second!r} in the second"
    return None


def _attributes_difference(a: Attributes, b: Attributes, sense: _Sense) -> str | None:
    for name in sorted({*a, *b}):
        # An attribute that is None and one that is not there are the same: text leaves both out.
        if sense.key(a.get(name)) != sense.key(b.get(name)):
            first, second = attribute_text(a.get(name)), attribute_text(b.get(name))
            return f"the attribute {name} is {first} in the first and {second} in the second"
    return None


def same_context(a: Operation, b: Operation) -> bool:
    """Whether two ops were made under the same foreign settings."""
    if a.context is None or b.context is None:  # which a foreign ``==`` may not take
        return a.context is b.context
    return a.context is b.context or bool(a.context == b.context)


def _foreign_difference(a: Operation, b: Operation) -> str | None:
    if a.primitive is not b.primitive:
        return _differ("the primitive", repr(a.primitive), repr(b.primitive)) or "the primitive"
    if not same_context(a, b):
        return "the context"
    return None


def _differ(what: str, first: T, second: T) -> str | None:
    """The sentence that they differ, or None if they are equal."""
    if first == second:
        return None
    return f"{what}: {_shown(first)} in the first, {_shown(second)} in the second"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"({', '.join(map(str, cast('Sequence[object]', value)))})"
    return str(value)
