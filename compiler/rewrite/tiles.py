"""Stretches of a region that can be computed for some rows at a time, found before any change.

They begin at a product that is much larger than what it is made of: the scores of attention, the
logits of a large vocabulary, the distances between two sets of points. All that is computed from
it row by row, up to results that are small again, is one *stage*. Such a stage can run in a loop
over the rows, and then nothing large is ever stored.

What a derivative reads of a large value again, after other ops have used the results, is a stage
of its own: it computes the large values anew from the small ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

import numpy as np

from compiler.analysis.flops import elements
from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.ops.parameters import dot_dimensions, element_kind, static_shape
from compiler.rewrite.stages import Growing, Places, Stage, is_large

GROWTH: Final = 2.5
"""A product begins a stage if it has so many times as many elements as its operands."""

MIN_COLUMNS: Final = 384
"""Shorter rows, such as the scores of 256 places, are stored: there it is XLA that is faster."""

MAX_STAGES: Final = 4


def stages(region: Region, least: int) -> Iterator[list[Stage]]:
    """The stages that make each large product of a region small; apart, or none.

    Args:
        region: the region.
        least: how many elements a product has at least that begins a stage.
    """
    taken: set[Operation] = set()
    for op in tuple(region):
        if op.name != "dot_general" or op in taken or not _is_seed(op, least):
            continue
        found = next(filter(None, (_plan(region, op, one) for one in _loops(op))), None)
        if found is not None:
            taken.update(other for stage in found for other in stage.ends)
            yield found


def _is_seed(op: Operation, least: int) -> bool:
    """Whether a product is large, of floats, and much larger than what it is made of."""
    type = op.result.type
    if not is_large(op.result, least) or not isinstance(type, ArrayType):
        return False
    if not isinstance(type.dtype, np.dtype) or element_kind(type.dtype) != "f":
        return False
    return type.size >= GROWTH * sum(elements(value) for value in op.operands)


def _loops(op: Operation) -> Iterator[list[int]]:
    """The axes of a product to loop over: its batches, and the rows of one side or the other."""
    contracting, batch = dot_dimensions(op)
    batches, rank = len(batch[0]), len(static_shape(op.result))
    middle = len(static_shape(op.operands[0])) - len(contracting[0])
    for rows in (range(batches, middle), range(middle, rank)):
        if rows:
            yield [*range(batches), *rows]


def _plan(region: Region, seed: Operation, axes: Sequence[int]) -> list[Stage] | None:
    """Stages that leave nothing large of a seed behind; None if there are none."""
    shape = static_shape(seed.result)
    least = prod(shape) // 2
    loops = [axis for axis in axes if shape[axis] != 1]
    if not loops:
        return None
    sizes = tuple(shape[axis] for axis in loops)
    known: dict[Value, Places] = {seed.result: tuple(loops)}
    found: list[Stage] = []
    begin: Operation | None = seed
    while begin is not None and len(found) < MAX_STAGES:
        again = known.keys() - {seed.result} if not found else known.keys()
        growing = Growing(region, Stage(sizes, least), known, again, _ops_of(found))
        stage = None if begin.is_terminator else growing.grown(begin)
        if stage is None:
            return None
        found.append(stage)
        known |= {v: p for v, p in stage.places.items() if is_large(v, least)}
        begin = _left_reader(region, known, found)
    return found if begin is None and _pays(seed, found) else None


def _pays(seed: Operation, found: Sequence[Stage]) -> bool:
    """Whether rows are long enough for a loop; of gradients, which sum over them, all are."""
    columns = prod(static_shape(seed.result)) // prod(found[0].sizes)
    return columns >= MIN_COLUMNS or any(stage.sums for stage in found)


def _left_reader(
    region: Region, large: dict[Value, Places], found: Sequence[Stage]
) -> Operation | None:
    """The first op that reads a large value and stands in no stage."""
    readers = {op for value in large for op in value.readers} - _ops_of(found)
    return next((op for op in region if op in readers), None) if readers else None


def _ops_of(found: Sequence[Stage]) -> set[Operation]:
    return {op for stage in found for op in stage.ends}
