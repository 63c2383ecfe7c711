"""Predicts which ops a compiler will run as one loop, and marks them.

XLA fuses loops by itself; this pass moves nothing. It owns the rules by which groups form, and the
annotation ``tg.group`` that tells the printer and the report about them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from compiler.analysis.cost import VIEWS, Cost, cost_of, nbytes, total
from compiler.analysis.flops import elements
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.locations import Frame
from compiler.ir.types import ArrayType
from compiler.ir.walk import walk, walk_regions
from compiler.ops.definition import is_duplicable
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.reduction import REDUCTIONS
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter

GROUP: Final = "tg.group"
"""The annotation: the number of the group that an op belongs to."""

MAX_FLOPS_PER_BYTE: Final = 8
"""Recomputing pays up to here: devices do about ten FLOPs in the time that one byte takes."""

FLOPS_PER_TRANSCENDENTAL: Final = 16

LOOPED: Final = ELEMENTWISE | {
    "bitcast_convert_type",
    "broadcast_in_dim",
    "convert_element_type",
    "iota",
    "pad",
    "reshape",
    "rev",
    "slice",
    "squeeze",
    "stop_gradient",
}
"""Ops whose every result element is computed from a few operand elements found by their index."""


_FUSABLE: Final = LOOPED | REDUCTIONS


@dataclass(frozen=True, slots=True)
class Fuse(Pass):
    """Mark the ops that run as one loop by ``tg.group``, numbered in program order.

    A group grows from its last op, the root, up to producers of which every reader is already in
    the group. So only the root's result leaves a group, and no path can leave one and come back. A
    producer joins if its result is then never stored, and if it does not have to be computed again
    for more FLOPs than the saved bytes are worth. Reductions are roots only.

    Before::

        %mul = mul %x, %y : f32[1024]
        %neg = neg %mul : f32[1024]

    After::

        %mul = mul %x, %y {tg.group = 0} : f32[1024]
        %neg = neg %mul {tg.group = 0} : f32[1024]

    Attributes:
        max_group_ops: no group has more ops than this.
    """

    name: ClassVar[str] = "fuse"
    only_marks: ClassVar[bool] = True
    max_group_ops: int = 64

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Marks the groups of every region, and takes away marks that no longer hold."""
        number_of = _numbered(graph, self.max_group_ops)
        for op in walk(graph):
            wanted = number_of.get(op)
            if op.attributes.get(GROUP) == wanted or not rewriter.may_change():
                continue
            if wanted is None:
                rewriter.remove_attribute(op, GROUP)
            else:
                rewriter.set_attribute(op, GROUP, wanted)


@dataclass(frozen=True, slots=True)
class FusionGroup:
    """Ops that are predicted to run as one loop.

    Attributes:
        index: the group's number.
        ops: its ops, in program order.
        inputs: the values it reads from outside, in the order of their first use.
        outputs: the values it makes that are read outside.
        bytes_saved: the traffic of values that are never stored.
        flops: its arithmetic, transcendentals not included.
        frames: the user's lines that it comes from, without repeats.
    """

    index: int
    ops: tuple[Operation, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    bytes_saved: int
    flops: int
    frames: tuple[Frame, ...]

    def __str__(self) -> str:
        names = ", ".join(op.name for op in self.ops)
        origin = f" at {', '.join(map(str, self.frames))}" if self.frames else ""
        saved = f"saves {self.bytes_saved} bytes, {self.flops} FLOPs"
        return f"group {self.index}: {names}: {saved}{origin}"


def fusion_groups(graph: Graph) -> tuple[FusionGroup, ...]:
    """The groups that the annotations of a graph name, in the order of their numbers."""
    members: dict[int, list[Operation]] = {}
    for op in walk(graph):
        index = op.attributes.get(GROUP)
        if isinstance(index, int):
            members.setdefault(index, []).append(op)
    return tuple(_describe(index, members[index]) for index in sorted(members))


def _describe(index: int, ops: list[Operation]) -> FusionGroup:
    inside = set(ops)
    made = {value for op in ops for value in op.results}
    read = dict.fromkeys(value for op in ops for value in op.operands)
    return FusionGroup(
        index,
        tuple(ops),
        tuple(value for value in read if value not in made),
        tuple(v for op in ops for v in op.results if not inside.issuperset(v.readers)),
        _bytes_saved(inside),
        total(cost_of(op) for op in ops).flops,
        tuple(dict.fromkeys(op.location.frame for op in ops if op.location.frame is not None)),
    )


@dataclass(slots=True, eq=False)
class _Group:
    """A group that is being formed: for each op, how often each of its elements is computed."""

    repeats: dict[Operation, int] = field(default_factory=dict[Operation, int])


def _numbered(graph: Graph, limit: int) -> dict[Operation, int]:
    """The group number of every op that is in a group worth having."""
    groups: dict[Operation, _Group] = {}
    for region in walk_regions(graph):
        groups |= _form(region, limit)
    worth = {g for g in dict.fromkeys(groups.values()) if _bytes_saved(g.repeats.keys()) > 0}
    numbers: dict[_Group, int] = {}
    found: dict[Operation, int] = {}
    for op in walk(graph):
        group = groups.get(op)
        if group in worth:
            found[op] = numbers.setdefault(group, len(numbers))
    return found


def _form(region: Region, limit: int) -> dict[Operation, _Group]:
    """The groups of one region. Visits readers before producers, each op and each use once."""
    groups: dict[Operation, _Group] = {}
    for op in reversed(region):
        if not _is_fusable(op):
            continue
        group = _group_of_readers(op, groups)
        repeats = _repeats(op, group) if group is not None else 1
        if group is None or len(group.repeats) >= limit or not _pays(op, repeats):
            group, repeats = _Group(), 1
        group.repeats[op] = repeats
        groups[op] = group
    return groups


def _is_fusable(op: Operation) -> bool:
    return (
        op.name in _FUSABLE
        and len(op.results) == 1
        and isinstance(op.result.type, ArrayType)
        and is_duplicable(op)
    )


def _group_of_readers(op: Operation, groups: dict[Operation, _Group]) -> _Group | None:
    """The one group that all readers are in, if the op may feed a loop at all."""
    if op.name in REDUCTIONS:
        return None
    found = {groups.get(reader) for reader in op.result.readers}
    return found.pop() if len(found) == 1 else None


def _repeats(op: Operation, group: _Group) -> int:
    """How often each of the op's elements would be computed: readers that broadcast ask again."""
    return max([group.repeats[reader] * _fan_out(op, reader) for reader in op.result.readers])


def _fan_out(op: Operation, reader: Operation) -> int:
    if reader.name in REDUCTIONS or reader.result.type is op.result.type:
        return 1
    size, wanted = elements(op.result), elements(reader.result)
    return -(-wanted // size) if size else 1


def _pays(op: Operation, repeats: int) -> bool:
    """Whether computing it again costs less than the traffic of storing and reading it."""
    if repeats == 1:
        return True
    cost: Cost = cost_of(op)
    work = cost.flops + FLOPS_PER_TRANSCENDENTAL * cost.transcendentals
    return work * (repeats - 1) <= MAX_FLOPS_PER_BYTE * 2 * nbytes(op.result)


def _bytes_saved(members: Iterable[Operation]) -> int:
    """Each value that stays inside is not written once and not read once by each reader."""
    inside = set(members)
    saved = 0
    for op in inside:
        readers = op.result.readers
        if readers and inside.issuperset(readers) and op.name not in VIEWS:
            saved += nbytes(op.result) * (1 + len(readers))
    return saved
