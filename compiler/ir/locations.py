"""Where an op comes from: the user's lines, the name stack, and the rules that made it.

Locations are carried by every op and are outside equality.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MAX_FRAMES: Final = 8
"""A fused location keeps this many distinct user lines; a summary needs no more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of the user's code."""

    file: str
    line: int
    function: str
    end_line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.function})"


@dataclass(frozen=True, slots=True)
class Location:
    """The origin of an op.

    Attributes:
        frames: the user's lines, the most important first; empty if Python could not say.
        name_stack: scopes and modules, outermost first, joined by slashes.
        rules: names of the rules and passes that made the op, oldest first.
        handle: the foreign source information, carried for export.
    """

    frames: tuple[Frame, ...] = ()
    name_stack: str = ""
    rules: tuple[str, ...] = ()
    handle: object = field(default=None, compare=False, repr=False)

    @property
    def frame(self) -> Frame | None:
        """The most important line of the user's code, if there is one."""
        return self.frames[0] if self.frames else None

    def __str__(self) -> str:
        return str(self.frame) if self.frames else "unknown location"


UNKNOWN: Final = Location()


def fuse(locations: Iterable[Location], rule: str = "") -> Location:
    """The location of an op made from several: all their lines and rules, then ``rule``.

    The first location that has one gives the name stack and the handle.
    """
    parts = list(locations)
    frames = tuple(dict.fromkeys(frame for part in parts for frame in part.frames))
    rules = tuple(dict.fromkeys(name for part in parts for name in part.rules))
    if rule and rule not in rules:
        rules = (*rules, rule)
    lead = next((part for part in parts if part.handle is not None), parts[0] if parts else UNKNOWN)
    return Location(frames[:MAX_FRAMES], lead.name_stack, rules, lead.handle)


def nest(outer: Location, scope: str, inner: Location) -> Location:
    """The location of an op taken out of a call: its own lines, under the call's name stack."""
    stack = "/".join(part for part in (outer.name_stack, scope, inner.name_stack) if part)
    return Location(inner.frames or outer.frames, stack, inner.rules, inner.handle or outer.handle)
