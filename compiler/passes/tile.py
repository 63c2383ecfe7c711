"""Large intermediate results that are never stored: their rows are computed in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from compiler.analysis.constants import is_constant
from compiler.analysis.cost import cost_of, nbytes, total
from compiler.ir.equality import same_context
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.locations import fuse
from compiler.ir.walk import walk_regions
from compiler.passes.base import Pass
from compiler.rewrite.driver import BYTE_SCORE, score
from compiler.rewrite.expression import spliced
from compiler.rewrite.fragment import conform, make_fragment
from compiler.rewrite.log import Firing
from compiler.rewrite.numerics import Numerics, parse_level
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.stages import Stage, is_large
from compiler.rewrite.tiles import stages

RULE: Final = "rows-in-blocks"
LAW: Final = "f(a @ b), row by row, is f(a[i:j] @ b) for one block of rows i:j after the other"

Loops: TypeAlias = "Callable[[Stage, Sequence[Value], Sequence[Value], int], Graph]"
"""From a stage, the values that it reads, those that are wanted and how many rows to compute at a
time, a graph with loops for it."""

_offered: Final[list[Loops]] = []


def offer(loops: Loops) -> None:
    """Makes known how loops are written, which stands above this layer."""
    _offered[:] = [loops]


@dataclass(frozen=True, slots=True)
class TileRows(Pass):
    """Compute what comes from a very large product for some rows at a time, and never store it.

    The scores of attention, the logits of a large vocabulary, the distances between two sets of
    points are much larger than what they are made of and what is made of them. On a CPU they are
    computed here in loops over batches and blocks of rows, in the cache; elsewhere they stay as
    they are. A derivative that reads such values again computes them again, block by block.

    A block's products may be rounded otherwise than those of the whole, and sums over rows are
    sums of the blocks' sums, added up in float32 or wider. Derivatives taken later would see the
    loop, so the pass runs only where nobody outside differentiates or batches.

    Before::

        %s = dot_general %q, %k {...} : f32[8,4096,4096]
        %m = reduce_max %s {axes = (2,)} : f32[8,4096]

    After::

        %m = cond %platform, %q, %k {branches_platforms = (("cpu",), None)} : f32[8,4096]
          ...

    Attributes:
        numerics: the largest class that may be used; at ``exact`` the pass does nothing.
        min_elements: products with fewer elements are stored as before.
        rows: so many at a time: enough for a fast product, and few enough to stay in the cache;
            at most 0 for none.
    """

    name: ClassVar[str] = "tile-rows"
    numerics: str = "rounding"
    min_elements: int = 1 << 22
    rows: int = 256

    def __post_init__(self) -> None:
        parse_level(self.numerics)

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        if parse_level(self.numerics) < Numerics.ROUNDING or self.rows < 1 or not _offered:
            return
        for region in list(walk_regions(graph)):
            if _is_chosen(region):
                continue
            for plan in stages(region, self.min_elements):
                if not rewriter.may_change():
                    return
                self._apply(rewriter, region, plan)

    def _apply(self, rewriter: Rewriter, region: Region, plan: Sequence[Stage]) -> None:
        """Puts loops in the place of the stages of a plan, if all of them can be."""
        parts = [_Part(stage, plan[i + 1 :]) for i, stage in enumerate(plan)]
        if not all(part.fits for part in parts):
            return
        first = parts[0].ops[0]
        ops = dict.fromkeys(op for part in parts for op in part.ops)
        before = score(total(map(cost_of, ops)))
        after = sum(part.score() for part in parts)
        rewriter.log.firings.append(
            Firing(RULE, Numerics.ROUNDING, first.location, before, min(before, after))
        )
        with rewriter.rule(RULE):
            for part in parts:
                part.put(rewriter, self.rows)
            for op in reversed([op for op in region if op in ops]):
                if not op.has_uses:
                    rewriter.erase(op)


class _Part:
    """One stage with what it reads and gives.

    Args:
        stage: the stage.
        later: the stages after it.
    """

    def __init__(self, stage: Stage, later: Sequence[Stage]) -> None:
        self.stage = stage
        self.ops = stage.ordered()
        wanted = {value for other in later for value in _inputs(other)}
        made = [value for op in self.ops for value in op.results]
        self.outputs = [v for v in made if v in wanted or _is_read_outside(v, stage)]
        # What is large and read outside is made anew there, but for sums: these end their stage.
        self.outputs = [v for v in self.outputs if v in stage.sums or not is_large(v, stage.least)]
        self._moved = list(_dependents(self.ops, self.outputs))

    @property
    def fits(self) -> bool:
        """Whether a loop may take its place, and the ops that read its results may come after."""
        pure = not any(op.effects for op in self._moved)
        alike = all(same_context(op, self.ops[-1]) for op in self.ops)
        return bool(self.outputs) and pure and alike

    def score(self) -> int:
        """What it costs when nothing large is stored."""
        found = total(map(cost_of, self.ops))
        bytes_moved = sum(map(nbytes, (*_inputs(self.stage), *self.outputs)))
        return score(found) - BYTE_SCORE * (found.bytes - bytes_moved)

    def put(self, rewriter: Rewriter, rows: int) -> None:
        """Puts the loop before the last op, what reads its results after it."""
        inputs, anchor = _inputs(self.stage), self.ops[-1]
        terms = spliced(_offered[0](self.stage, inputs, self.outputs, rows), *inputs)
        location = fuse([op.location for op in self.ops], RULE)
        wanted = conform(terms, [value.type for value in self.outputs])
        made = rewriter.insert(anchor, make_fragment(anchor, wanted, location))
        for op in self._moved:
            rewriter.move(op, anchor)
        for old, new in zip(self.outputs, made, strict=True):
            rewriter.replace_value(old, new)


def _inputs(stage: Stage) -> list[Value]:
    """What a stage reads from outside but constants, each once."""
    read = (value for op in stage.ordered() for value in op.operands)
    return [v for v in dict.fromkeys(read) if v not in stage.places and not is_constant(v)]


def _is_read_outside(value: Value, stage: Stage) -> bool:
    return any(reader not in stage.ends for reader in value.readers)


def _dependents(ops: Sequence[Operation], outputs: Sequence[Value]) -> Iterator[Operation]:
    """The ops between the first and the last of some that depend on results of these."""
    home, inside, there = ops[0].parent, set(ops), False
    after = set(outputs)
    for op in home or ():
        there = there or op is ops[0]
        if op is ops[-1]:
            return
        if there and op not in inside and any(value in after for value in op.operands):
            after.update(op.results)
            yield op


def _is_chosen(region: Region) -> bool:
    """Whether a region stands in a branch on the platform already."""
    owner = region.owner
    while isinstance(owner, Operation):
        if owner.attributes.get("branches_platforms") is not None:
            return True
        owner = owner.parent.owner if owner.parent is not None else None
    return False
