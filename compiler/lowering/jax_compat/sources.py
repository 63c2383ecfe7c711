"""Source information of equations: the user's frames and the name stack."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from jax._src import core, source_info_util

_LIMIT = 12
"""Frames looked at below the user's code: deeper ones are the caller's callers."""


def user_frames(source_info: Any) -> Iterator[tuple[str, int, int, str]]:
    """The frames outside JAX, innermost first, as (file, line, last line, function)."""
    frames = source_info_util.user_frames(source_info.traceback)
    for frame in itertools.islice(frames, _LIMIT):
        yield frame.file_name, frame.start_line, frame.end_line, frame.function_name


def source_place(source_info: Any) -> object:
    """What two equations share when the very same expression has made them; hashable."""
    return source_info.traceback


def library_functions(source_info: Any) -> list[str]:
    """The functions of JAX between the user's innermost line and the equation, innermost first.

    Each is written as its module's file and its name, such as ``conditionals.py:cond``.
    """
    found: list[str] = []
    for frame in getattr(source_info.traceback, "frames", ()):
        if source_info_util.is_user_filename(frame.file_name):
            break
        file = frame.file_name.replace("\\", "/").rpartition("/")[2]
        found.append(f"{file}:{frame.function_name.rpartition('.')[2]}")
    return found


def name_stack_text(source_info: Any) -> str:
    """The name stack as JAX prints it into HLO metadata."""
    stack, text = _last_read[0]
    if source_info.name_stack is not stack:
        text = str(source_info.name_stack)
        _last_read[0] = (source_info.name_stack, text)
    return text


_last_read: list[tuple[Any, str]] = [(None, "")]
"""The name stack read last and its text: equations in a row mostly share one."""


def with_name_stack(source_info: Any, text: str) -> Any:
    """Source information with another name stack; ``source_info`` None gives one without frames."""
    stack = source_info_util.new_name_stack(text)
    if source_info is None:
        return source_info_util.SourceInfo(None, stack)
    return source_info.replace(name_stack=stack)


def tracers_in(error: BaseException) -> list[Any]:
    """The tracers that JAX was looking at when it raised an error, the nearest to it first.

    Read from the variables of its frames, which the error's traceback keeps; empty once it has been
    cut to the user's frames.
    """
    frames: list[Any] = []
    at = error.__traceback__
    while at is not None:
        frames.append(at.tb_frame)
        at = at.tb_next
    found: dict[int, Any] = {}
    for frame in reversed(frames):
        if source_info_util.is_user_filename(frame.f_code.co_filename):
            break
        for value in frame.f_locals.values():
            held = value if isinstance(value, (list, tuple)) else [value]
            found.update((id(one), one) for one in held if isinstance(one, core.Tracer))
        if found:
            break
    return list(found.values())


def tracer_source(tracer: Any) -> Any:
    """The source information of the line that made a tracer; None where it is not known."""
    return getattr(tracer, "_line_info", None)


def tracer_type(tracer: Any) -> str:
    """Shape and element type of a tracer, as JAX writes them."""
    return str(tracer.aval.str_short())
