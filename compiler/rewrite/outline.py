"""Outlines: what can be asked of an op at a glance before a pattern is tried on it.

Nearly all attempts at a pattern fail at the ops right behind the root. An outline asks only for
their names, and lets nothing through less than the pattern would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ops.definition import lookup
from compiler.rewrite.match import read_only_by
from compiler.rewrite.pattern import Known, Num, OneOf, OpPattern, Pattern, Rest

Outline: TypeAlias = Callable[[Operation], bool]
Needs: TypeAlias = "frozenset[str] | None"
"""The names that the op behind an operand must have; None for any, or for no op at all."""

_OF_A_NUMBER: Final = frozenset({CONSTANT, "broadcast_in_dim", "reshape"})


def outline(pattern: Pattern) -> Outline:
    """A test that every op passes at which the pattern can match."""
    choices = pattern.choices if isinstance(pattern, OneOf) else (pattern,)
    tests = [_of_op(choice) for choice in choices if isinstance(choice, OpPattern)]
    if len(tests) == 1:
        return tests[0]
    return lambda op: any(test(op) for test in tests)


def _of_op(pattern: OpPattern) -> Outline:
    test, readers = _of_names(pattern), pattern.readers
    if readers is None:
        return test
    return lambda op: test(op) and read_only_by(op, readers)


def _of_names(pattern: OpPattern) -> Outline:
    names, operands = pattern.names, pattern.operands
    if operands is None:
        return lambda op: op.name in names
    open_ended = bool(operands) and isinstance(operands[-1], Rest)
    fixed = operands[:-1] if open_ended else operands
    needs = [_needs(operand) for operand in fixed]
    wanted = [(place, need) for place, need in enumerate(needs) if need is not None]
    swapped = [(1 - place, need) for place, need in wanted] if len(needs) == 2 else []
    count = len(fixed)

    def test(op: Operation) -> bool:
        if op.name not in names:
            return False
        found = op.operands
        if len(found) < count or (len(found) > count and not open_ended):
            return False
        if _all_fit(wanted, found):
            return True
        return bool(swapped) and lookup(op.name).commutative and _all_fit(swapped, found)

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


def _all_fit(wanted: Sequence[tuple[int, frozenset[str]]], values: Sequence[Value]) -> bool:
    for place, names in wanted:
        producer = values[place].producer
        if producer is None or producer.name not in names:
            return False
    return True
