"""Whether XLA made the same program of two: what is left to tell them apart is where they lie."""

from __future__ import annotations

import re
from typing import Final

_METADATA: Final = re.compile(r',? ?metadata=\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}')
_NAME: Final = re.compile(r"%[\w.\-]+|(?<=[( ])[\w.\-]+(?=: )")
"""A parameter has no sign where a computation begins."""

_HEADER: Final = re.compile(r"^HloModule [^\s,]+")
_TABLES: Final = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")


def is_same_program(one: str, other: str) -> bool:
    """Whether the texts of two compiled programs differ in names, lines and numbers of ops alone.

    Args:
        one: as ``compiled.as_text()`` gives it.
        other: the same of the other program.
    """
    return bare(one) == bare(other)


def bare(text: str) -> str:
    """The text of a compiled program with names by order, without where its ops came from."""
    sections = text.split("\n\n")
    kept = [part for part in sections if not part.lstrip("\n").startswith(_TABLES)]
    return _renamed(_METADATA.sub("", _HEADER.sub("HloModule", "\n\n".join(kept))))


def _renamed(text: str) -> str:
    """Each op, computation and parameter as its number in the text."""
    numbers: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0].removeprefix("%"), f"%{len(numbers)}")

    return _NAME.sub(renamed, text)
