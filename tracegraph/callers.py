"""Who called: the first frame of a stack that is the user's own."""

from __future__ import annotations

import contextlib
import dis
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import jax

import compiler
import tracegraph

_OWN_FOLDERS: Final = (
    *(str(Path(str(module.__file__)).parent) + os.sep for module in (jax, compiler, tracegraph)),
    str(contextlib.__file__),
)


def user_level() -> int:
    """How many frames above the caller of this function the user's own is, as ``warn`` counts."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    return level


def user_line() -> str:
    """The user's file and line that led here; empty if there is none."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_own_file(file: str) -> bool:
    """Whether a file is JAX's or ours, and no line of it the user's."""
    return file.startswith(_OWN_FOLDERS)


def is_in_loop(depth: int = 2) -> bool:
    """Whether the user's own code stands in a loop at this moment.

    Args:
        depth: how many of the user's frames to look at, the innermost first.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    for _ in range(depth):
        if frame is None:
            return False
        if _stands_in_loop(frame):
            return True
        frame = frame.f_back
    return False


def _stands_in_loop(frame: FrameType) -> bool:
    """Whether a jump back leads from behind the running instruction to before it."""
    for instruction in dis.get_instructions(frame.f_code):
        is_back = instruction.opname.startswith("JUMP_BACKWARD")
        if is_back and instruction.argval <= frame.f_lasti <= instruction.offset:
            return True
    return False


def _is_ours(frame: FrameType) -> bool:
    return is_own_file(frame.f_code.co_filename)
