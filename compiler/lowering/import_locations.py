"""Source information of equations to locations, each distinct line read once."""

from __future__ import annotations

from typing import Any

from compiler.ir.locations import Frame, Location
from compiler.ir.source_files import is_installed_file
from compiler.lowering import jax_compat


class LocationReader:
    """Turns source information into locations and remembers those it has seen."""

    def __init__(self) -> None:
        self._frames: dict[Any, tuple[Frame, ...]] = {}
        self._known: dict[tuple[int, int], Location] = {}

    def read(self, source_info: Any) -> Location:
        """The location of an equation: the user's own line, then the library's that it called.

        Equations that one call has made share their traceback and name stack, and so a location.
        """
        place = (id(source_info.traceback), id(source_info.name_stack))
        known = self._known.get(place)
        if known is None:  # the location holds the source information, which keeps the ids taken
            known = self._known[place] = self._read(source_info)
        return known

    def _read(self, source_info: Any) -> Location:
        key = source_info.traceback
        frames = self._frames.get(key)
        if frames is None:
            frames = self._frames[key] = _frames(source_info)
        return Location(frames, jax_compat.name_stack_text(source_info), (), source_info)


def _frames(source_info: Any) -> tuple[Frame, ...]:
    """The innermost line, led by the innermost one outside installed libraries."""
    found = [
        Frame(file, line, function, end)
        for file, line, end, function in jax_compat.user_frames(source_info)
    ]
    if not found:
        return ()
    own = next((frame for frame in found if not is_installed_file(frame.file)), None)
    if own is None or own is found[0]:
        return (found[0],)
    return (own, found[0])
