"""Which ops of one graph have a counterpart in another: by structure, never by line or name.

An op is the same if it computes the same from the same. What is left is paired where only the op
itself changed: one that reads the same but has other attributes, or one that stands in the same
place of an op that was paired.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, NamedTuple

from compiler.ir.attribute_text import attribute_text
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.walk import walk, walk_regions

ANNOTATION: Final = "tg."
Key = Callable[[Operation], Hashable]


class Changed(NamedTuple):
    """An op that became another.

    Attributes:
        before: the op of the first graph.
        after: the op of the second.
        what: what differs, in words.
    """

    before: Operation
    after: Operation
    what: str


class Difference(NamedTuple):
    """How the ops of two graphs correspond; constants and terminators do not count.

    Attributes:
        same: pairs that compute the same from the same.
        changed: pairs that correspond, but not in all.
        removed: ops of the first graph alone.
        added: ops of the second graph alone.
    """

    same: tuple[tuple[Operation, Operation], ...]
    changed: tuple[Changed, ...]
    removed: tuple[Operation, ...]
    added: tuple[Operation, ...]


def compare_graphs(a: Graph, b: Graph) -> Difference:
    """How the ops of two graphs correspond."""
    left, right = _Hashes(a), _Hashes(b)
    first, second = _ops(a), _ops(b)
    same = _paired(first, second, left.whole, right.whole)
    taken = dict(same)
    rest_a, rest_b = _rest(first, taken.keys()), _rest(second, set(taken.values()))
    changed: list[tuple[Operation, Operation]] = []
    for one, other in (
        (left.inputs, right.inputs),  # it reads the same, and is another op
        (left.shape_and_place, right.shape_and_place),  # the same op reads something else
    ):
        found = _paired(rest_a, rest_b, one, other)
        changed += found
        rest_a = _rest(rest_a, {pair[0] for pair in found})
        rest_b = _rest(rest_b, {pair[1] for pair in found})
    said = tuple(Changed(x, y, _words(x, y)) for x, y in changed)
    return Difference(tuple(same), said, tuple(rest_a), tuple(rest_b))


def _ops(graph: Graph) -> list[Operation]:
    return [op for op in walk(graph) if not (op.is_terminator or op.name == CONSTANT)]


def _rest(ops: Iterable[Operation], taken: Iterable[Operation]) -> list[Operation]:
    gone = set(taken)
    return [op for op in ops if op not in gone]


def _paired(
    a: Sequence[Operation], b: Sequence[Operation], key_a: Key, key_b: Key
) -> list[tuple[Operation, Operation]]:
    """Ops of equal keys, in their order."""
    waiting: dict[Hashable, list[Operation]] = {}
    for op in reversed(b):
        waiting.setdefault(key_b(op), []).append(op)
    pairs: list[tuple[Operation, Operation]] = []
    for op in a:
        there = waiting.get(key_a(op))
        if there:
            pairs.append((op, there.pop()))
    return pairs


class _Hashes:
    """A number for every value and region of a graph that says how it is computed."""

    def __init__(self, graph: Graph) -> None:
        self._values: dict[Value, int] = {}
        self._regions: dict[Region, int] = {}
        for region in reversed(list(walk_regions(graph))):
            self._regions[region] = self._region(region)

    def whole(self, op: Operation) -> Hashable:
        """What the op computes, from what."""
        return (self._place(op), self._self(op), self._operands(op))

    def inputs(self, op: Operation) -> Hashable:
        """What it reads and gives, whatever it does."""
        types = tuple(str(value.type) for value in op.results)
        return (self._place(op), self._operands(op), types) if op.operands else id(op)

    def shape_and_place(self, op: Operation) -> Hashable:
        """What it does and gives, whatever it reads."""
        return (self._place(op), op.name, tuple(str(value.type) for value in op.results))

    def _place(self, op: Operation) -> Hashable:
        """The regions that it stands in, by name."""
        names: list[str] = []
        region = op.parent
        while region is not None and isinstance(region.owner, Operation):
            names.append(f"{region.owner.name}.{region.name}")
            region = region.owner.parent
        return tuple(names)

    def _region(self, region: Region) -> int:
        for value in region.parameters:
            self._values[value] = hash(("parameter", value.index, str(value.type)))
        parts: list[int] = []
        for op in region:
            number = hash((self._self(op), self._operands(op)))
            parts.append(number)
            for value in op.results:
                self._values[value] = hash((number, value.index))
        return hash((region.name, parts[-1] if parts else 0))

    def _self(self, op: Operation) -> Hashable:
        return (
            op.name,
            tuple(sorted(_attributes(op).items())),
            tuple(str(value.type) for value in op.results),
            tuple(self._regions[region] for region in op.regions),
        )

    def _operands(self, op: Operation) -> Hashable:
        return tuple(self._values[value] for value in op.operands)


def _attributes(op: Operation) -> dict[str, str]:
    return {
        name: attribute_text(value)
        for name, value in op.attributes.items()
        if value is not None and not name.startswith(ANNOTATION)
    }


def _words(a: Operation, b: Operation) -> str:
    if a.name != b.name:
        return f"{a.name} became {b.name}"
    one, other = _attributes(a), _attributes(b)
    said = [
        f"{name} was {one.get(name)}, is {other.get(name)}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]
    if said:
        return "; ".join(said)
    return "its regions differ" if a.regions else "it reads something else"
