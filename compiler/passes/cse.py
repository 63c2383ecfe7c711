"""Common subexpression elimination: equal ops become one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.ir.attributes import Attribute, Dense, attribute_key
from compiler.ir.equality import regions_equal
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.walk import walk, walk_regions
from compiler.ops.definition import is_mergeable, lookup
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter

RECOMPUTED: Final = frozenset({"remat", "remat2", "checkpoint"})
"""Ops that compute a value again on purpose, to hold less memory. Merging would undo that."""


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

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        for region in reversed(list(walk_regions(graph))):
            _merge_in(region, rewriter)


def _merge_in(region: Region, rewriter: Rewriter) -> None:
    seen: dict[Hashable, list[Operation]] = {}
    for op in region:
        if not rewriter.may_change():
            return
        if op.name in RECOMPUTED or not is_mergeable(op):
            continue
        candidates = seen.setdefault(_key(op), [])
        earlier = next((other for other in candidates if _agree(other, op)), None)
        if earlier is None:
            candidates.append(op)
        else:
            rewriter.replace(op, earlier.results)


def _key(op: Operation) -> Hashable:
    """What mergeable ops must have in common, as far as it can be hashed.

    An attribute that is None and one that is not there are the same: text leaves both out.
    """
    operands = [id(value) for value in op.operands]
    if lookup(op.name).commutative:
        operands[:2] = sorted(operands[:2])
    return (
        op.name,
        tuple(operands),
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
        and left.context == right.context
        and [region.name for region in left.regions] == [region.name for region in right.regions]
        and all(map(regions_equal, left.regions, right.regions))
    )
