"""Where the user stands: the lines outside installed libraries, the standard library and ours."""

from __future__ import annotations

import contextlib
import dis
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Final

import jax

import compiler
import tracegraph
from compiler.ir.source_files import is_installed_file

_OURS: Final = tuple(
    str(Path(str(module.__file__)).parent) + os.sep for module in (compiler, tracegraph)
)
_COMMANDS: Final = str(Path(str(tracegraph.__file__)).parent / "cli") + os.sep
_JAX: Final = (str(Path(str(jax.__file__)).parent) + os.sep, str(contextlib.__file__))


def is_library_file(filename: str) -> bool:
    """Whether a file belongs to an installed library, the standard library or tracegraph."""
    return filename.startswith(_OURS) or is_installed_file(filename)


def is_own_file(filename: str) -> bool:
    """Whether a file is JAX's or ours, and no line of it the user's."""
    return filename.startswith((*_OURS, *_JAX))


def is_library(code: CodeType) -> bool:
    """Whether code was written in a library."""
    return is_library_file(code.co_filename)


def names_in(code: CodeType) -> Iterator[str]:
    """The global names and attributes that code reads, those of functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def line_of_error(error: BaseException) -> str:
    """The innermost line of the user's that an error came through, as ``file:line``."""
    found, step = "", error.__traceback__
    while step is not None:
        found = _position(step) or found
        step = step.tb_next
    return found


def _position(step: TracebackType) -> str:
    frame = step.tb_frame
    return "" if _is_of_library(frame) else f"{frame.f_code.co_filename}:{step.tb_lineno}"


def _is_of_library(frame: FrameType) -> bool:
    """Whether a frame runs a library's code, or what a dataclass of a library wrote for itself."""
    if frame.f_code.co_filename == "<string>":
        return is_library_file(str(frame.f_globals.get("__file__", "")))
    return is_library(frame.f_code)


def calling_frame() -> FrameType | None:
    """The innermost frame of the user's that is running.

    None if a command runs: what started the command line is no code of the user's.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and _is_of_library(frame):
        is_command = frame.f_code.co_filename.startswith(_COMMANDS)
        frame = None if is_command else frame.f_back
    return frame


def calling_line() -> str:
    """The user's line that is running, as ``file:line``; empty if there is none."""
    frame = calling_frame()
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def call_site() -> str:
    """The user's line that is running, with its function: ``file:line (function)``."""
    frame = calling_frame()
    return "" if frame is None else f"{calling_line()} ({frame.f_code.co_name})"


def line_of(error: BaseException) -> str:
    """The user's innermost line in an error's traceback; the one that is running if it has none."""
    found, step = "", error.__traceback__
    while step is not None:
        place = _position(step)
        found = f"{place} ({step.tb_frame.f_code.co_name})" if place else found
        step = step.tb_next
    return found or call_site()


def user_level() -> int:
    """How many frames above the caller the first one outside JAX and tracegraph is."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and is_own_file(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    return level


def is_in_loop(depth: int = 2) -> bool:
    """Whether the user's own code stands in a loop at this moment.

    Args:
        depth: how many frames to look at, the user's innermost first.
    """
    frame = calling_frame()
    for _ in range(depth):
        if frame is None:
            return False
        if _stands_in_loop(frame):
            return True
        frame = frame.f_back
    return False


def _stands_in_loop(frame: FrameType) -> bool:
    """Whether a jump back leads from behind the running instruction to before it."""
    return any(first <= frame.f_lasti <= last for first, last in _loops(frame.f_code))


@lru_cache(maxsize=64)
def _loops(code: CodeType) -> tuple[tuple[int, int], ...]:
    """From where to where each jump back of some code leads."""
    return tuple(
        (instruction.argval, instruction.offset)
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith("JUMP_BACKWARD")
    )
