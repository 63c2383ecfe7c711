"""What an op is allowed to have done to it, asked in four questions.

An ``OpDef`` says what a primitive is; an operation's own effects say what this use of it does.
Passes ask the four questions at the end of this file and no others. An op without a definition
answers no to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.ir.attributes import Array
from compiler.ir.graph import Operation
from compiler.ir.walk import walk

Evaluator = Callable[[Operation, Sequence[Array]], Sequence[Array]]
"""Computes an op's results on the host, to the bit as any IEEE-754 device would.

The arrays it returns have exactly the shapes and element types of the op's results. It raises
``NotExact`` where no such bits exist: see ``compiler.ops.floats``.
"""


class NotExact(Exception):  # noqa: N818 an answer, not an error
    """An evaluator's answer to operands for which the bits of the result depend on the device."""


HARMLESS_EFFECTS: Final = frozenset({"NamedAxis"})
"""Effect kinds that only record a fact for JAX's checks and do nothing when the program runs."""


@dataclass(frozen=True, slots=True)
class OpDef:
    """The meaning of one primitive, as far as optimisation needs it.

    Attributes:
        name: the primitive's name.
        family: the table it stands in, for example ``elementwise`` or ``control flow``.
        pure: the same operands always give the same results and nothing else happens.
        stable: two equal uses may be made one, and one may be made two. False for ops that are pure
            only by convention: barriers, fresh buffers, draws from a hidden generator.
        commutative: swapping the first two operands changes no bit of the result.
        evaluate: exact evaluation on the host; None where the bits depend on the device.
        operands: how many operands every use of it has; None where they vary or nobody has said.
    """

    name: str
    family: str
    pure: bool = True
    stable: bool = True
    commutative: bool = False
    evaluate: Evaluator | None = None
    operands: int | None = None


UNKNOWN: Final = OpDef("unknown", "unknown", pure=False, stable=False)
_TABLE: dict[str, OpDef] = {}


def register(definitions: Iterable[OpDef]) -> None:
    """Adds definitions to the table.

    Raises:
        ValueError: a name is defined twice.
    """
    for definition in definitions:
        if definition.name in _TABLE:
            raise ValueError(f"op {definition.name} is defined twice")
        _TABLE[definition.name] = definition


def lookup(name: str) -> OpDef:
    """The definition of a primitive's name; ``UNKNOWN`` for a name nobody defined."""
    return _TABLE.get(name, UNKNOWN)


def known_names() -> frozenset[str]:
    """The names of all defined ops."""
    return frozenset(_TABLE)


def is_removable(op: Operation) -> bool:
    """Whether the op may be dropped when nobody reads its results."""
    return _TABLE.get(op.name, UNKNOWN).pure and _has_no_effects(op, _is_pure)


def is_mergeable(op: Operation) -> bool:
    """Whether the op may be replaced by an equal one that ran before it."""
    return _is_stable(_TABLE.get(op.name, UNKNOWN)) and _has_no_effects(op, _is_stable)


def is_duplicable(op: Operation) -> bool:
    """Whether the op may run more often than the program says."""
    return is_mergeable(op)


def are_reorderable(first: Operation, second: Operation) -> bool:
    """Whether two neighbouring ops, neither reading the other, may change places."""
    return is_removable(first) or is_removable(second)


def _is_pure(definition: OpDef) -> bool:
    return definition.pure


def _is_stable(definition: OpDef) -> bool:
    return definition.pure and definition.stable


def _has_no_effects(op: Operation, holds: Callable[[OpDef], bool]) -> bool:
    """Whether effects of the op and of those inside are harmless, and these are as asked."""
    if not op.regions:
        return not op.effects or _are_harmless(op)
    inner = (op for region in op.regions for op in walk(region) if not op.is_terminator)
    return _are_harmless(op) and all(
        holds(_TABLE.get(op.name, UNKNOWN)) and _are_harmless(op) for op in inner
    )


def _are_harmless(op: Operation) -> bool:
    return all(effect.kind in HARMLESS_EFFECTS for effect in op.effects)
