"""A text and the places in it: line and column, and the line drawn with a mark under the place.

Whatever the text holds, what is drawn is short and printable: a line of a hundred megabytes, or the
bytes of a picture, must not reach the terminal of whoever named the wrong file.
"""

from __future__ import annotations

from typing import Final

_SHOWN: Final = 80
_CLIPPED: Final = 300
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


class SourceText:
    """A text that errors point into.

    Attributes:
        text: the text.
        filename: what errors call it.
    """

    __slots__ = ("filename", "text")

    def __init__(self, text: str, filename: str) -> None:
        self.text = text
        self.filename = filename

    def position(self, start: int) -> tuple[int, int]:
        """The line and the column of a place, both counted from one."""
        line = self.text.count("\n", 0, start) + 1
        return line, start - self.text.rfind("\n", 0, start)

    def position_in_line(self, start: int) -> int:
        """How many characters of its line stand before a place."""
        return start - self.text.rfind("\n", 0, start) - 1

    def where(self, start: int) -> str:
        """``file:line:column`` of a place, and under it the line with a mark, cut to fit."""
        line, column = self.position(start)
        return f"{self.filename}:{line}:{column}{self._drawn(start - column + 1, column - 1)}"

    def _drawn(self, line_start: int, column: int) -> str:
        line_end = self.text.find("\n", line_start)
        line_end = len(self.text) if line_end < 0 else line_end
        if line_end == line_start:
            return ""
        first = line_start + max(0, column - _SHOWN // 2)
        last = min(first + _SHOWN, line_end)
        before = "..." if first > line_start else ""
        after = "..." if last < line_end else ""
        caret = " " * (len(before) + line_start + column - first) + "^"
        return f"\n{before}{_one_line(self.text[first:last])}{after}\n{caret}"


def clipped(text: str, length: int = _CLIPPED) -> str:
    """The text in printable characters, its middle left out if it is longer than the length."""
    if len(text) > length:
        half = (length - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return "\n".join(map(_one_line, text.split("\n")))


def _one_line(text: str) -> str:
    """The text with a space for every tab and the like, and a mark for what cannot be shown."""
    return "".join([_shown(char) for char in text])


def _shown(char: str) -> str:
    if char.isspace():
        return " "
    return char if char.isprintable() else _UNPRINTABLE
