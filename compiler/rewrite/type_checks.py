"""What every change of a graph must keep: the types of values, and effects that name operands."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Operation, Value
from compiler.ir.types import Type


def same_types(left: Sequence[Value], right: Sequence[Value]) -> bool:
    """Whether the values agree one by one in shape, element type, weak type and sharding."""
    return [value.type for value in left] == [value.type for value in right]


def check_types(
    op: Operation | None, what: str, expected: Sequence[Type], found: Sequence[Type]
) -> None:
    """Returns if the types are the same.

    Raises:
        TracegraphError: they are not; ``what`` says whose they are.
    """
    if list(expected) == list(found):
        return
    raise TracegraphError(
        f"a rewrite of {op.name if op else 'a parameter'} would change the type of {what}",
        where=str(op.location) if op else "",
        expected=", ".join(map(str, expected)),
        found=", ".join(map(str, found)),
        hint="replace a value only by one of the same shape, dtype, weak type and sharding",
    )


def check_no_operand_effects(op: Operation) -> None:
    """Returns if the op may be given other operands.

    Raises:
        TracegraphError: an effect of the op is tied to the position of an operand.
    """
    tied = [str(effect) for effect in op.effects if effect.operand is not None]
    if not tied:
        return
    raise TracegraphError(
        f"{op.name} cannot be rebuilt with other operands",
        where=str(op.location),
        expected="effects that name no operand",
        found=", ".join(sorted(tied)),
        hint="leave ops that read or write references as they are",
    )
