"""Layers written as a Python loop, made into one loop again."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.analysis.repeats import Run, repeated
from compiler.ir.attributes import attribute_key
from compiler.ir.equality import regions_equal, same_context
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.walk import count_ops, walk, walk_regions
from compiler.ops.definition import lookup
from compiler.passes.base import Pass
from compiler.rewrite.blocks import Loop, can_loop, loop_of
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rolling import NAME, Piece, roll

MS_PER_OPERATION: Final = 5.0
"""What XLA takes to compile one operation of a large program, measured on two cores for the CPU:
docs/passes.md has the figures. It is good for a factor of two."""


_PARTS: Final = frozenset(
    {"dynamic_slice", "random_fold_in", "random_split", "reshape", "slice", "split", "squeeze"}
)
"""Ops that take from a parameter what one layer reads."""


def compile_milliseconds(graph: Graph) -> float:
    """About how long XLA will take to compile a graph, by the number of its operations."""
    return MS_PER_OPERATION * count_ops(graph)


@dataclass(frozen=True, slots=True)
class RollLayers(Pass):
    """Make equal blocks of ops that follow each other the runs of one scan.

    A program of many equal layers is compiled in the time of one. In exchange, what the layers
    read is stacked by a copy at every call, and XLA sees one layer at a time: a decision with a
    price, so no pipeline has this pass by default; ``roll_layers=True`` asks for it.

    A block may read what comes from outside, what it computes itself, and what the block before
    it computes: the last becomes the scan's carry. Ops with effects, symbolic sizes or shardings
    in their types stay as they are.

    Before, three layers of two ops each::

        %p = mul %x, %a : f32[8]
        %q = sin %p : f32[8]
        %r = mul %q, %b : f32[8]
        %s = sin %r : f32[8]
        %t = mul %s, %c : f32[8]
        %u = sin %t : f32[8]

    After::

        %rows = concatenate %a_row, %b_row, %c_row {dimension = 0} : f32[3,8]
        %u = scan %x, %rows {length = 3, num_carry = 1, num_consts = 0} : f32[8]
          jaxpr (%x: f32[8], %a: f32[8]) {
            %p = mul %x, %a : f32[8]
            %q = sin %p : f32[8]
            yield %q
          }

    Attributes:
        min_ops: blocks of fewer ops that compute, not only move, are left.
        min_repeats: fewer blocks are left.
        over_ms: a graph that XLA will probably compile in fewer milliseconds is left.
    """

    name: ClassVar[str] = NAME
    min_ops: int = 8
    min_repeats: int = 3
    over_ms: int = 0

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        if self.over_ms and compile_milliseconds(graph) <= self.over_ms:
            return
        pending = list(walk_regions(graph))
        while pending:
            region, pieces = pending.pop(), dict[Value, Piece]()
            while rewriter.may_change():
                found = self.first(region)
                if found is None:
                    break
                pending.append(roll(rewriter, *found, pieces))  # a layer may have layers of its own

    def first(self, region: Region) -> tuple[Loop, Operation] | None:
        """The first loop of those that stand for the most ops, and the op that follows its blocks.

        In program order, so that a later loop finds what an earlier one has stacked.
        """
        ops = _layered(region)
        found: list[tuple[Run, Loop]] = []
        for run in repeated(_Keys().of(ops), self.min_ops, max(self.min_repeats, 2)):
            if any(run.overlaps(other) for other, _ in found) or not self._is_worth_it(ops, run):
                continue
            loop = self._loop(ops, run)
            if loop is not None:
                found.append((run, loop))
        if not found:
            return None
        _, loop = min(found, key=lambda pair: pair[0].start)
        return loop, _following(loop.blocks[-1][-1])

    def _is_worth_it(self, ops: Sequence[Operation], run: Run) -> bool:
        """Whether a block computes enough; each loop then leaves less that could be rolled."""
        block = ops[run.start : run.start + run.period]
        computing = sum(lookup(op.name).family != "shape" for op in block)
        return computing >= max(self.min_ops, 1)

    def _loop(self, ops: Sequence[Operation], run: Run) -> Loop | None:
        """The blocks of a run as a loop, cut where the least is handed on from block to block."""
        whole = [run.shifted(by) for by in range(run.matched % run.period + 1)]
        fewer = [run.shifted(by) for by in range(len(whole), run.period)]
        for shifted in (whole, [one for one in fewer if one.repeats >= self.min_repeats]):
            loops = [loop for one in shifted if (loop := loop_of(_blocks(ops, one))) is not None]
            if loops:
                return min(loops, key=lambda loop: loop.moved_bytes)
        return None


def _blocks(ops: Sequence[Operation], run: Run) -> list[Sequence[Operation]]:
    starts = range(run.start, run.start + run.repeats * run.period, run.period)
    return [ops[start : start + run.period] for start in starts]


def _layered(region: Region) -> list[Operation]:
    """The ops that may make up layers: all but those that stand for the layers' inputs.

    What depends on constants only may stand anywhere, and so may what takes a layer's part of the
    region's parameters: its slice of stacked weights, its random key.
    """
    fixed: set[Value] = set()
    given: set[Value] = set(region.parameters)
    found: list[Operation] = []
    for op in region:
        if op.is_terminator:
            continue
        if can_loop(op) and fixed.issuperset(op.operands):
            fixed.update(op.results)
            given.update(op.results)
        elif op.name in _PARTS and can_loop(op) and given.issuperset(op.operands):
            given.update(op.results)
        else:
            found.append(op)
    return found


def _following(op: Operation) -> Operation:
    later = iter(reversed(op.parent)) if op.parent is not None else iter(())
    found = op
    for one in later:
        if one is op:
            return found
        found = one
    raise ValueError(f"{op!r} stands in no region")


class _Keys:
    """What ops have in common that may stand in the same place of equal blocks."""

    def __init__(self) -> None:
        self._models: dict[Hashable, list[Operation]] = {}

    def of(self, ops: Sequence[Operation]) -> Iterator[Hashable]:
        """A key for each op, equal for those that differ in their operands only."""
        for op in ops:
            yield self._key(op) if can_loop(op) else op

    def _key(self, op: Operation) -> Operation:
        """The first op that is equal to this one but for its operands."""
        models = self._models.setdefault(_glance(op), [])
        model = next((one for one in models if _alike(one, op)), None)
        if model is None:
            models.append(op)
            return op
        return model


def _glance(op: Operation) -> Hashable:
    """What can be hashed of an op."""
    return (
        op.name,
        tuple((name, attribute_key(value)) for name, value in sorted(op.attributes.items())),
        tuple(value.type for value in op.operands),
        tuple(value.type for value in op.results),
        tuple(inner.name for region in op.regions for inner in walk(region)),
    )


def _alike(left: Operation, right: Operation) -> bool:
    """The rest: regions and foreign objects, which only ``==`` can compare."""
    return (
        left.primitive is right.primitive
        and same_context(left, right)
        and all(map(regions_equal, left.regions, right.regions))
    )
