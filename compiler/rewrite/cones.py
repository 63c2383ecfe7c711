"""Cones: the ops that exist only for some readers, and so may go where these are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import Final

from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ops.definition import is_mergeable

MAX_OPS: Final = 512
"""A cone of more ops is cut off there."""


def cone(
    seeds: Sequence[Value],
    is_own_use: Callable[[Operation, Value], bool],
    may_move: Callable[[Operation], bool],
) -> Set[Operation]:
    """The ops behind some values that nobody else needs, in the same order in every process.

    Args:
        seeds: the values.
        is_own_use: whether a reader outside of the cone reads the value for the cone's sake.
        may_move: whether an op may be in the cone; ops with effects and constants never are.
    """
    found: dict[Operation, None] = {}
    pending = list(seeds)
    while pending and len(found) < MAX_OPS:
        op = pending.pop().producer
        if op is None or op in found or op.name == CONSTANT:
            continue
        own = all(
            reader in found or is_own_use(reader, value)
            for value in op.results
            for reader in value.each_reader()
        )
        if own and is_mergeable(op) and may_move(op):
            found[op] = None
            pending += op.operands
    return found.keys()


def leaves(ops: Iterable[Operation], seeds: Sequence[Value]) -> list[Value]:
    """The values that a cone and its seeds are made from, each once; constants are not among them.

    Args:
        ops: the cone; its order is that of the values.
        seeds: the values it is there for; those that it does not make are leaves themselves.
    """
    members = dict.fromkeys(ops)
    read = [value for op in members for value in op.operands]
    outer = [v for v in (*seeds, *read) if v.producer is None or v.producer not in members]
    found = [v for v in outer if v.producer is None or v.producer.name != CONSTANT]
    return list(dict.fromkeys(found))
