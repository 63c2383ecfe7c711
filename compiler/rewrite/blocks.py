"""Equal blocks of ops, one after the other, read as the runs of one loop.

Nothing is changed here: ``loop_of`` says where each operand of a block comes from in every run,
and what of the blocks is read outside of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from compiler.analysis.cost import nbytes
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_plain
from compiler.ops.definition import is_duplicable

Block = Sequence[Operation]


class Own(NamedTuple):
    """What an op of the same block computes: which op, and which of its results."""

    place: int
    result: int


class Carried(NamedTuple):
    """What an op of the block before computes; in the first block, a value from outside."""

    place: int
    result: int
    first: Value


class Same(NamedTuple):
    """A value from outside, the same in every block."""

    value: Value


class Rows(NamedTuple):
    """Values from outside, another one in each block."""

    values: tuple[Value, ...]


Source = Own | Carried | Same | Rows


class Loop(NamedTuple):
    """Equal blocks as the runs of one loop.

    Attributes:
        blocks: the ops of each block, in one order for all.
        sources: for each op of a block, where its operands come from.
        stacked: the values that are read outside from other blocks than the last.
        last: the values that are read outside from the last block only.
    """

    blocks: Sequence[Block]
    sources: Sequence[Sequence[Source]]
    stacked: Sequence[Own]
    last: Sequence[Own]

    @property
    def length(self) -> int:
        """How many blocks there are."""
        return len(self.blocks)

    def value(self, own: Own, run: int = 0) -> Value:
        """A value of one of the blocks."""
        return self.blocks[run][own.place].results[own.result]

    def all_sources(self) -> list[Source]:
        """Every source, each once, in the order of the ops."""
        return list(dict.fromkeys(source for column in self.sources for source in column))

    @property
    def moved_bytes(self) -> int:
        """What the loop writes and reads that the blocks hand on without a copy."""
        sources = self.all_sources()
        carried = sum(nbytes(one.first) for one in sources if isinstance(one, Carried))
        rows = sum(nbytes(v) for one in sources if isinstance(one, Rows) for v in one.values)
        kept = sum(nbytes(self.value(one)) for one in self.last)
        stacked = sum(nbytes(self.value(one)) for one in self.stacked)
        return rows + self.length * (carried + kept + stacked)


def can_loop(op: Operation) -> bool:
    """Whether an op may become part of a loop: pure, on arrays whose sizes are known."""
    values = (*op.operands, *op.results)
    return not op.effects and is_duplicable(op) and all(is_plain(value.type) for value in values)


def loop_of(blocks: Sequence[Block]) -> Loop | None:
    """Equal blocks as the runs of one loop; None where they do not hang together like that.

    A block may read what comes from outside, what it computes itself, and what the one before it
    computes.
    """
    homes = {
        value: (run, Own(place, value.index))
        for run, block in enumerate(blocks)
        for place, op in enumerate(block)
        for value in op.results
    }
    sources: list[list[Source]] = []
    for ops in zip(*blocks, strict=True):
        columns = zip(*(op.operands for op in ops), strict=True)
        found = [_source(column, homes) for column in columns]
        known = [source for source in found if source is not None]
        if len(known) < len(found):
            return None
        sources.append(known)
    return Loop(blocks, sources, *_read_outside(blocks))


def _source(values: Sequence[Value], homes: Mapping[Value, tuple[int, Own]]) -> Source | None:
    """Where one operand comes from, in the order of the blocks."""
    found = [homes.get(value) for value in values]
    distances = [None if home is None else run - home[0] for run, home in enumerate(found)]
    places = {home[1] for home in found if home is not None}
    if not places:
        return Same(values[0]) if len(set(values)) == 1 else Rows(tuple(values))
    own = places.pop()
    if places:
        return None
    if set(distances) == {0}:
        return own
    if distances[0] is None and set(distances[1:]) == {1}:
        return Carried(*own, values[0])
    return None


def _read_outside(blocks: Sequence[Block]) -> tuple[list[Own], list[Own]]:
    """The values read outside of the blocks: of any block, and of the last only."""
    inside = {op for block in blocks for op in block}
    stacked: list[Own] = []
    last: list[Own] = []
    for place, ops in enumerate(zip(*blocks, strict=True)):
        for index in range(len(ops[0].results)):
            read = [not inside.issuperset(op.results[index].readers) for op in ops]
            if any(read[:-1]):
                stacked.append(Own(place, index))
            elif read[-1]:
                last.append(Own(place, index))
    return stacked, last


def members(blocks: Iterable[Block]) -> list[Operation]:
    """All ops, in program order."""
    return [op for block in blocks for op in block]
