"""Common subexpression elimination: equal ops become one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.analysis.constants import uniform
from compiler.ir.attributes import Attribute, Dense, attribute_key
from compiler.ir.equality import regions_equal, same_context
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.types import ArrayType
from compiler.ir.walk import walk, walk_regions
from compiler.ops.definition import is_mergeable, lookup
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter

SCATTERED_SUMS: Final = frozenset({"scatter-add", "scatter_add"})
SUMS: Final = frozenset({"add", "add_any"})
FEW: Final = 8
"""Numbers are few where an array has so many times as many elements."""


@dataclass(frozen=True, slots=True)
class CommonSubexpressionElimination(Pass):
    """Merge pure ops of one region that compute the same value from the same operands.

    Two ops merge if name, operands (in either order where the op commutes), attributes, regions,
    result types, effects and foreign context all agree; constants, if their bits do.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %a = sin %x : f32[4]
          %b = sin %x : f32[4]
          %y = mul %a, %b : f32[4]
          return %y
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %a = sin %x : f32[4]
          %y = mul %a, %a : f32[4]
          return %y
        }
    """

    name: ClassVar[str] = "cse"
    keeps_derivatives: ClassVar[bool] = True

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        for region in reversed(list(walk_regions(graph))):
            _merge_in(region, rewriter)


def _merge_in(region: Region, rewriter: Rewriter) -> None:
    seen = _Seen()
    for op in region:
        if not rewriter.may_change():
            return
        if not is_mergeable(op) or _is_added_in_place(op):
            continue
        earlier = seen.equal_to(op)
        if earlier is not None:
            rewriter.replace(op, earlier.results)


def _is_added_in_place(op: Operation) -> bool:
    """Whether a scatter adds few numbers to nothing, and one sum is all that reads it.

    XLA writes those numbers into the other summand then, where they cost nothing. One scatter for
    two sums is an array that is filled, stored and read twice: the gradient of a contrastive loss
    over 500 pairs took 1.15 times as long.
    """
    if op.name not in SCATTERED_SUMS or op.result.use_count != 1:
        return False
    reader = op.result.only_reader
    base, _, updates = op.operands
    if reader is None or reader.name not in SUMS or uniform(base) != 0:
        return False
    sizes = [value.type.size for value in (updates, base) if isinstance(value.type, ArrayType)]
    return len(sizes) == 2 and sizes[0] * FEW <= sizes[1]


class _Seen:
    """The ops of a region so far: by name and operands, and by the rest where those are shared.

    Few ops share both with another, so the rest, which costs more, is rarely looked at.
    """

    def __init__(self) -> None:
        self._first: dict[Hashable, Operation] = {}
        self._shared: dict[Hashable, dict[Hashable, list[Operation]]] = {}

    def equal_to(self, op: Operation) -> Operation | None:
        """An op before that computes the same; where there is none, the op is noted."""
        place = _place(op)
        first = self._first.setdefault(place, op)
        if first is op:
            return None
        if place not in self._shared:
            self._shared[place] = {_rest(first): [first]}
        candidates = self._shared[place].setdefault(_rest(op), [])
        earlier = next((other for other in candidates if _agree(other, op)), None)
        if earlier is None:
            candidates.append(op)
        return earlier


def _place(op: Operation) -> Hashable:
    """The name and the operands; of two that may change places, in one order for both."""
    operands = op.operands
    if len(operands) != 2 or not lookup(op.name).commutative:
        return (op.name, operands)
    first, second = operands
    return (op.name, operands if id(first) < id(second) else (second, first))


def _rest(op: Operation) -> Hashable:
    """What else mergeable ops must have in common, as far as it can be hashed.

    An attribute that is None and one that is not there are the same: text leaves both out.
    """
    return (
        tuple(
            (name, _attribute_key(value))
            for name, value in sorted(op.attributes.items())
            if value is not None
        ),
        tuple(value.type for value in op.results),
        op.effects,
        tuple(inner.name for region in op.regions for inner in walk(region)),
    )


def _attribute_key(value: Attribute) -> object:
    """As ``attribute_key``, but arrays hash by their bits, so that constants do not collide."""
    if isinstance(value, Dense):
        return (str(value.dtype), value.shape, value.digest)
    return attribute_key(value)


def _agree(left: Operation, right: Operation) -> bool:
    """The rest: regions and foreign contexts, which only ``==`` can compare."""
    return (
        left.primitive is right.primitive
        and same_context(left, right)
        and [region.name for region in left.regions] == [region.name for region in right.regions]
        and all(map(regions_equal, left.regions, right.regions))
    )
