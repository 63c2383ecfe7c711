"""Numerics classes: what a rewrite may do to the numbers of a program."""

from __future__ import annotations

import difflib
from enum import IntEnum
from typing import Final

from compiler.ir.errors import TracegraphError


class Numerics(IntEnum):
    """How far the values of a rewritten program may be from the original's, from strict to free.

    A level admits every class up to itself. No class may change the bits of a random key or the
    order of ordered effects.
    """

    EXACT = 0
    """The same bits when each op is computed by itself. All nans count as one."""
    ROUNDING = 1
    """The same sums and products of the same terms in another order, as XLA itself may choose."""
    REASSOCIATE = 2
    """Another association across ops, such as ``A @ (B @ v)`` for ``(A @ B) @ v``."""
    FINITE = 3
    """Equal only where no nan and no infinity occurs."""


LEVELS: Final = {
    "exact": Numerics.EXACT,
    "rounding": Numerics.ROUNDING,
    "reassociate": Numerics.REASSOCIATE,
    "fast": Numerics.FINITE,
}
"""The levels by the names that users write; the default is ``rounding``."""


def parse_level(text: object) -> Numerics:
    """The level of a user's word for it, or the level itself.

    Raises:
        TracegraphError: there is no level of that name.
    """
    if isinstance(text, Numerics):
        return text
    if isinstance(text, str) and text in LEVELS:
        return LEVELS[text]
    close = difflib.get_close_matches(str(text), LEVELS, n=1)
    raise TracegraphError(
        f"there is no numerics level named {text!r}",
        expected=", ".join(LEVELS),
        found=repr(text),
        hint=f"did you mean {close[0]!r}?" if close else "take one of those expected",
    )


def level_name(level: Numerics) -> str:
    """The user's word for a level."""
    return next(name for name, known in LEVELS.items() if known is level)
