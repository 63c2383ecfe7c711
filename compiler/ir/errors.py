"""The one error type of the compiler: what, where, expected against found, what to do.

Owns the wording frame only. The parts themselves are written where the error is raised.
"""

from __future__ import annotations

from typing import Any


class TracegraphError(Exception):
    """An error in four parts, drawn one under the other.

    Args:
        what: what happened, one sentence.
        where: the user's file and line, or the place in a text; may be empty when there is none.
        expected: what was expected.
        found: what was found instead.
        hint: what to do about it.
    """

    def __init__(
        self, what: str, *, where: str = "", expected: str = "", found: str = "", hint: str = ""
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        return self.render()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied by its fields: what ``__init__`` takes is a matter of each class."""
        return type(self).__new__, (type(self), *self.args), vars(self)

    def render(self) -> str:
        """The message as the user reads it."""
        parts = (
            ("where", self.where),
            ("expected", self.expected),
            ("found", self.found),
            ("what to do", self.hint),
        )
        lines = [self.what]
        lines += [f"  {label}: {_indent(text)}" for label, text in parts if text]
        return "\n".join(lines)


class FrozenGraphError(TracegraphError):
    """Something tried to change a frozen graph."""


class VerificationError(TracegraphError):
    """A graph breaks one of the rules that the IR promises to keep.

    Attributes:
        operation: the operation at which it does; None if at none in particular.
    """

    operation: object = None


class ParseError(TracegraphError):
    """Text that is not a graph. ``line`` and ``column`` count from one."""

    def __init__(
        self,
        what: str,
        *,
        line: int,
        column: int,
        where: str = "",
        expected: str = "",
        found: str = "",
        hint: str = "",
    ) -> None:
        self.line = line
        self.column = column
        super().__init__(what, where=where, expected=expected, found=found, hint=hint)


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")
