"""Stages: ops of one region that one loop nest can compute, grown from an op on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import dropwhile
from math import prod
from typing import Final, TypeAlias

from compiler.analysis.axes import Axis, Ends, carried
from compiler.ir.graph import CONSTANT, Operation, Region, Value
from compiler.ir.types import ArrayType, is_numeric, is_plain
from compiler.ops.parameters import dot_dimensions, static_shape

Places: TypeAlias = "tuple[Axis, ...]"
"""Where the axis of each loop lies in a value."""

AllEnds: TypeAlias = "tuple[Ends, ...]"
"""Where the axis of each loop lies at an op."""

MAX_AGAIN: Final = 256
"""A product that sums over more is not computed again for a derivative."""

MAX_DEPTH: Final = 64
"""So many ops behind each other are computed anew for one that reads them; what is before them is
read as it is. Python's stack, of which each takes three frames, ends at a few hundred."""


@dataclass(slots=True)
class Stage:
    """Ops of one region that one loop nest can compute.

    Attributes:
        sizes: how long each loop's axis is.
        least: how many elements a large value has, which is never stored but as one of the sums.
        ends: where the axes lie at each op, loop by loop.
        places: where they lie in each value that the ops make, sums over an axis left out.
        sums: the results that are sums over the axis of a loop, with their places.
    """

    sizes: tuple[int, ...]
    least: int
    ends: dict[Operation, AllEnds] = field(default_factory=dict[Operation, AllEnds])
    places: dict[Value, Places] = field(default_factory=dict[Value, Places])
    sums: dict[Value, Places] = field(default_factory=dict[Value, Places])

    def ordered(self) -> list[Operation]:
        """Its ops in the order of their region."""
        home = next(iter(self.ends)).parent
        return [op for op in home if op in self.ends] if home is not None else []


def is_large(value: Value, least: int) -> bool:
    """Whether a value is an array of so many elements."""
    return isinstance(value.type, ArrayType) and value.type.is_static and value.type.size >= least


class Growing:
    """One stage in the making, which goes through its region in order.

    Args:
        region: the region.
        stage: it, still empty.
        known: large values that may be computed, with their places.
        again: those among them that another stage computes as well.
        done: the ops of the stages before.
    """

    def __init__(
        self,
        region: Region,
        stage: Stage,
        known: dict[Value, Places],
        again: Set[Value],
        done: Set[Operation],
    ) -> None:
        self._region = region
        self._stage = stage
        self._least = stage.least
        self._known = known
        self._again = again
        self._done = done
        self._after: set[Value] = set()
        self._refused: set[tuple[Value, Places]] = set()  # asked again, each would ask for more

    def grown(self, begin: Operation) -> Stage | None:
        """The stage of all that can be computed in one loop from an op on; None for nothing."""
        for op in _from(self._region, begin):
            if op is begin and not self._again:
                self._pull(begin.result, self._known[begin.result], 0)
            elif op in self._done:
                continue
            elif not self._touches(op):
                self._note(op)
            elif not self._admit(op):
                self._after.update(op.results)
        return self._pruned()

    def _touches(self, op: Operation) -> bool:
        return not op.is_terminator and any(
            value in self._stage.places or value in self._known for value in op.operands
        )

    def _note(self, op: Operation) -> None:
        if any(value in self._after for value in op.operands):
            self._after.update(op.results)

    def _admit(self, op: Operation) -> bool:
        """Takes an op into the stage, and what it needs of large values; False if it cannot be."""
        if any(value in self._after for value in op.operands):
            return False
        places = [self._stage.places.get(v) or self._known.get(v) for v in op.operands]
        ends = self._ends(op, places, None)
        return ends is not None and self._enter(op, ends, 0)

    def _ends(
        self, op: Operation, operands: Sequence[Places | None], result: Places | None
    ) -> AllEnds | None:
        """Where each loop's axis lies at an op; None if the op does not carry one of them."""
        found: list[Ends] = []
        for loop in range(len(self._stage.sizes)):
            known = [places[loop] if places else None for places in operands]
            aim = result[loop] if result else None
            if aim is None and all(place is None for place in known):
                found.append(Ends((None,) * len(known), None))
                continue
            ends = carried(op, known, aim)
            if ends is None:
                return None
            found.append(ends)
        return tuple(found)

    def _enter(self, op: Operation, ends: AllEnds, depth: int) -> bool:
        """Takes an op in at these places if its operands can be had at them, or nothing at all."""
        if not all(map(_can_stage, (*op.operands, *op.results))):
            return False
        sums = any(one.sums for one in ends)
        if sums and any(not one.sums and one.result is None for one in ends):
            return False  # a loop that it knows nothing of would add it up again
        before = len(self._stage.ends)
        for slot, value in enumerate(op.operands):
            places = tuple(one.operands[slot] for one in ends)
            if not self._has(value, places, depth):
                self._leave(before)
                return False
        results = tuple(one.result for one in ends)
        self._stage.ends[op] = ends
        for value in op.results:
            if sums:
                self._stage.sums[value] = results
                self._after.add(value)
            else:
                self._stage.places[value] = results
        return True

    def _leave(self, count: int) -> None:
        """Takes out all ops but the first so many: those pulled in for an op that was refused."""
        while len(self._stage.ends) > count:
            op, _ = self._stage.ends.popitem()
            for value in op.results:
                del self._stage.places[value]

    def _has(self, value: Value, places: Places, depth: int) -> bool:
        """Whether a value can be had at these places: from inside, anew, or cut from outside."""
        inside = self._stage.places.get(value)
        if inside is not None:
            return inside == places
        request = (value, places)
        if is_large(value, self._least) and request not in self._refused:
            if self._pull(value, places, depth + 1):
                return True
            self._refused.add(request)
        return value not in self._after

    def _pull(self, value: Value, places: Places, depth: int) -> bool:
        """Takes the op behind a large value into the stage, if it can be computed in the loop."""
        op = value.producer
        if op is None or op.name == CONSTANT or depth > MAX_DEPTH:
            return False
        if any(v in self._after for v in op.operands):
            return False
        if len(op.results) != 1 or (value in self._again and not _is_cheap(op)):
            return False
        ends = self._ends(op, [self._stage.places.get(v) for v in op.operands], places)
        if ends is None or any(one.sums for one in ends):
            return False
        return self._enter(op, ends, depth)

    def _pruned(self) -> Stage | None:
        """The stage without the ops that lead from small results to small results."""
        stage, kept = self._stage, set[Operation]()
        for op in reversed(stage.ordered() if stage.ends else []):
            large = any(is_large(v, self._least) for v in (*op.operands, *op.results))
            if large or any(reader in kept for v in op.results for reader in v.readers):
                kept.add(op)
        if not kept:
            return None
        stage.ends = {op: ends for op, ends in stage.ends.items() if op in kept}
        stage.places = {v: p for v, p in stage.places.items() if v.producer in kept}
        stage.sums = {v: p for v, p in stage.sums.items() if v.producer in kept}
        return stage


def _can_stage(value: Value) -> bool:
    return is_plain(value.type) and is_numeric(value.type)


def _is_cheap(op: Operation) -> bool:
    """Whether an op may be computed a second time."""
    if op.name != "dot_general":
        return True
    contracting, _ = dot_dimensions(op)
    shape = static_shape(op.operands[0])
    return prod(shape[axis] for axis in contracting[0]) <= MAX_AGAIN


def _from(region: Region, begin: Operation) -> Iterator[Operation]:
    return dropwhile(lambda op: op is not begin, region)
