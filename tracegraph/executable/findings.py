"""What stands out among the kernels: work done twice, predictions that did not hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.ir.graph import Graph, Operation
from compiler.ir.locations import Location
from compiler.passes.fuse import fusion_groups
from tracegraph.executable.kernels import Found, Kernel, Trace

ONE: Final = "one kernel"
SPLIT: Final = "split"
MERGED: Final = "merged"
UNSEEN: Final = "not seen"
_CHEAP: Final = frozenset(
    {
        "bitcast",
        "broadcast",
        "compare",
        "constant",
        "convert",
        "copy",
        "get-tuple-element",
        "iota",
        "pad",
        "reshape",
        "select",
        "slice",
        "transpose",
        "tuple",
    }
)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """An op that is computed in several kernels.

    Attributes:
        name: the primitive's name.
        location: where it comes from.
        kernels: the kernels.
        elements: how many elements each of them computes.
    """

    name: str
    location: Location
    kernels: tuple[str, ...]
    elements: int


@dataclass(frozen=True, slots=True)
class GroupFate:
    """What became of ops that were predicted to run as one loop.

    Attributes:
        index: the number that ``tg.group`` gave them.
        ops: their names.
        location: where the last of them comes from.
        kernels: the kernels that they were found in.
        verdict: ``one kernel`` for themselves, ``split`` over several, ``merged`` with another
            group, or ``not seen``: XLA kept no trace of them.
    """

    index: int
    ops: tuple[str, ...]
    location: Location
    kernels: tuple[str, ...]
    verdict: str


def recomputed(traces: Iterable[Trace]) -> tuple[Recomputed, ...]:
    """Ops whose arithmetic stands in more kernels than there are ops that it could be of."""
    seen: dict[tuple[int, str, object], dict[str, Trace]] = {}
    for trace in traces:
        instruction = trace.instruction
        if not trace.ops or instruction.opcode in _CHEAP or not instruction.shapes:
            continue
        key = (id(trace.ops), instruction.opcode, instruction.shapes[0].dims)
        seen.setdefault(key, {})[trace.kernel] = trace
    found = [
        Recomputed(ops[0].name, ops[0].location, tuple(where), _elements(where.values()))
        for where in seen.values()
        if len(where) > len(ops := next(iter(where.values())).ops)
    ]
    return tuple(sorted(found, key=lambda one: -one.elements))


def _elements(traces: Iterable[Trace]) -> int:
    return max(trace.instruction.shapes[0].size for trace in traces)


def group_fates(graph: Graph, found: Found) -> tuple[GroupFate, ...]:
    """The predicted groups of a graph beside the kernels that XLA made."""
    places: dict[Operation, list[str]] = {}
    for kernel in found.kernels:
        for op in kernel.ops:
            places.setdefault(op, []).append(kernel.name)
    groups = fusion_groups(graph)
    owners = _owners([group.ops for group in groups], places)
    return tuple(
        GroupFate(
            group.index,
            tuple(op.name for op in group.ops),
            group.ops[-1].location,
            kernels := tuple(dict.fromkeys(n for op in group.ops for n in places.get(op, ()))),
            _verdict(group.ops, kernels, places, owners),
        )
        for group in groups
    )


def _owners(
    groups: Sequence[tuple[Operation, ...]], places: dict[Operation, list[str]]
) -> dict[str, set[int]]:
    """For each kernel the groups that have an op in it."""
    owners: dict[str, set[int]] = {}
    for number, ops in enumerate(groups):
        for op in ops:
            for kernel in places.get(op, ()):
                owners.setdefault(kernel, set()).add(number)
    return owners


def _verdict(
    ops: Sequence[Operation],
    kernels: Sequence[str],
    places: dict[Operation, list[str]],
    owners: dict[str, set[int]],
) -> str:
    seen = [set(places[op]) for op in ops if op in places]
    if not seen:
        return UNSEEN
    shared = [kernel for kernel in kernels if all(kernel in where for where in seen)]
    if not shared:
        return SPLIT
    return MERGED if len(owners[shared[0]]) > 1 else ONE


def intermediates(kernels: Iterable[Kernel], least: int) -> tuple[Kernel, ...]:
    """Kernels whose results are written to memory only to be read again, the largest first."""
    large = [one for one in kernels if one.written >= least and not one.is_output]
    return tuple(sorted(large, key=lambda one: -one.written))
