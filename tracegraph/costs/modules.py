"""Which module an op belongs to: its scopes without what jit and derivatives put around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from compiler.ir.graph import Graph, Operation, Region

NO_MODULE: Final = ""
_WRAPPED: Final = re.compile(r"(jvp|transpose|vmap|checkpoint|remat|rematted_computation)\((.*)\)")
_CALLED: Final = re.compile(r"(p?jit|closed_call|core_call|custom_[jv]+p_call|shard_map)(\(.*\))?")
_PLUMBING: Final = frozenset({"checkpoint", "rematted_computation", "while", "body", "cond", ""})


def module_of(op: Operation) -> str:
    """The scopes that the user named around an op, outermost first; empty if there is none."""
    parts: list[str] = []
    for stack in reversed(list(_stacks(op))):
        parts += [name for part in split_stack(stack) if (name := _bare(part))]
    return "/".join(parts)


def split_stack(stack: str) -> list[str]:
    """The components of a name stack: slashes inside brackets part nothing."""
    parts, depth, start = list[str](), 0, 0
    for place, sign in enumerate(stack):
        depth += (sign == "(") - (sign == ")")
        if sign == "/" and depth == 0:
            parts.append(stack[start:place])
            start = place + 1
    return [*parts, stack[start:]]


def _bare(part: str) -> str:
    while match := _WRAPPED.fullmatch(part):
        part = match[2]
    if part in _PLUMBING or _CALLED.fullmatch(part):
        return NO_MODULE
    return part


def _stacks(op: Operation) -> Iterator[str]:
    """The name stacks of an op and of the ops that it stands in, the innermost first."""
    found: Operation | Region | Graph | None = op
    while isinstance(found, Operation):
        yield found.location.name_stack
        found = found.parent.owner if found.parent is not None else None
