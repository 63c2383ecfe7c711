"""Which ops of a graph an instruction of its compiled module came from.

An instruction carries the line and the path (name stack and primitive) of one op. Where several ops
of the graph share both, it came from one of them, and all are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from compiler.ir.graph import CONSTANT, Graph, Operation, Region
from compiler.ir.walk import walk
from tracegraph.costs.modules import split_stack
from tracegraph.executable.hlo import Instruction

_PLUMBING: Final = re.compile(
    r"while|body|cond|closed_call|eval_jaxpr|branch_\d+_fun|checkpoint|rematted_computation|"
    r"custom_[jv]+p_call|p?jit\(.*\)|"
)
_Scope = tuple[str, ...]

MAX_ALIKE: Final = 8
"""Where the line is not known, a name and scope that so many ops share still say something."""


class Origins:
    """Finds the ops of a graph that instructions came from.

    Args:
        graph: the graph that was compiled.
    """

    def __init__(self, graph: Graph) -> None:
        self._by_scope: dict[tuple[str, _Scope], dict[Operation, None]] = {}
        self._by_line: dict[tuple[str, int], list[Operation]] = {}
        self._found: dict[tuple[str, str, int], tuple[Operation, ...]] = {}
        for op in walk(graph):
            if not (op.is_terminator or op.name == CONSTANT):
                self._enter(op)

    def _enter(self, op: Operation) -> None:
        self._by_scope.setdefault((op.name, _scope_of(op)), {})[op] = None
        for place in {(frame.file, frame.line) for frame in op.location.frames}:
            self._by_line.setdefault(place, []).append(op)

    def of(self, instruction: Instruction) -> tuple[Operation, ...]:
        """The ops that it may have come from; empty if nothing is known of it.

        Instructions of one path and line get the very same tuple, however many ops are in it.
        """
        key = (instruction.path, instruction.file, instruction.line)
        if key not in self._found:
            self._found[key] = self._search(*key)
        return self._found[key]

    def _search(self, path: str, file: str, line: int) -> tuple[Operation, ...]:
        if not path:
            return ()
        *stack, primitive = split_stack(path)
        scoped = self._by_scope.get((primitive, _scope(stack)), {})
        there = self._by_line.get((file, line), [])
        same_name = [op for op in there if op.name == primitive]
        both = [op for op in same_name if op in scoped]
        if both or same_name:
            return tuple(both or same_name)
        return tuple(scoped) if 0 < len(scoped) <= MAX_ALIKE else tuple(_only(there))


def _only(ops: Sequence[Operation]) -> Sequence[Operation]:
    """An instruction of another name can only be put on a line that has one op."""
    return ops if len(ops) == 1 else ()


def _scope_of(op: Operation) -> _Scope:
    parts: list[str] = []
    found: Operation | Region | Graph | None = op
    while isinstance(found, Operation):
        parts = split_stack(found.location.name_stack) + parts
        found = found.parent.owner if found.parent is not None else None
    return _scope(parts)


def _scope(parts: Iterable[str]) -> _Scope:
    return tuple(part for part in parts if not _PLUMBING.fullmatch(part))
