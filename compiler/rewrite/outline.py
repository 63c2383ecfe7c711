"""Outlines: what can be asked of an op at a glance before a pattern is tried on it.

Nearly all attempts at a pattern fail at the ops right behind the root. An outline asks only for
their names, and lets nothing through less than the pattern would. A graph has few different sets of
such names, so what is found for one holds for many ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from compiler.ir.graph import CONSTANT, Operation
from compiler.ops.definition import lookup
from compiler.rewrite.pattern import Known, Num, OneOf, OpPattern, Pattern, Rest

Names: TypeAlias = tuple[str, ...]
"""The name of an op, and of the op behind each operand; empty where there is none."""
Outline: TypeAlias = Callable[[Names], bool]
Needs: TypeAlias = "frozenset[str] | None"
"""The names that the op behind an operand must have; None for any, or for no op at all."""

_OF_A_NUMBER: Final = frozenset({CONSTANT, "broadcast_in_dim", "reshape"})


def names_around(op: Operation) -> Names:
    """What outlines ask of an op."""
    return (op.name, *["" if (made := v.producer) is None else made.name for v in op.operands])


def readers_wanted(pattern: Pattern) -> frozenset[str] | None:
    """The names that readers of an op must have so that the pattern can match; None for any."""
    return pattern.readers if isinstance(pattern, OpPattern) else None


def outline(pattern: Pattern) -> Outline:
    """A test that the names around every op pass at which the pattern can match."""
    choices = pattern.choices if isinstance(pattern, OneOf) else (pattern,)
    tests = [_of_op(choice) for choice in choices if isinstance(choice, OpPattern)]
    if len(tests) == 1:
        return tests[0]
    return lambda names: any(test(names) for test in tests)


def _of_op(pattern: OpPattern) -> Outline:
    roots, operands = pattern.names, pattern.operands
    if operands is None:
        return lambda names: names[0] in roots
    open_ended = bool(operands) and isinstance(operands[-1], Rest)
    fixed = operands[:-1] if open_ended else operands
    needs = [_needs(operand) for operand in fixed]
    wanted = [(place, need) for place, need in enumerate(needs) if need is not None]
    swapped = [(1 - place, need) for place, need in wanted] if len(needs) == 2 else []
    count = len(fixed)

    def test(names: Names) -> bool:
        name, *found = names
        if name not in roots:
            return False
        if len(found) < count or (len(found) > count and not open_ended):
            return False
        if _all_fit(wanted, found):
            return True
        return bool(swapped) and lookup(name).commutative and _all_fit(swapped, found)

    return test


def _needs(pattern: Pattern) -> Needs:
    if isinstance(pattern, OpPattern):
        return pattern.names
    if isinstance(pattern, Known):
        return frozenset({CONSTANT})
    if isinstance(pattern, Num):
        return _OF_A_NUMBER
    if not isinstance(pattern, OneOf):
        return None
    inner = [_needs(choice) for choice in pattern.choices]
    known = [need for need in inner if need is not None]
    if len(known) < len(inner):
        return None
    return frozenset(name for names in known for name in names)


def _all_fit(wanted: Sequence[tuple[int, frozenset[str]]], names: Sequence[str]) -> bool:
    return all(names[place] in need for place, need in wanted)
