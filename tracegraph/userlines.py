"""Which lines are the user's: files outside installed libraries, the standard library and ours."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Final

import compiler
import tracegraph

_INSTALLED: Final = ("site-packages", "dist-packages")
_FOLDERS: Final = tuple(
    folder + os.sep
    for folder in {
        *(str(Path(str(module.__file__)).parent) for module in (compiler, tracegraph)),
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
    }
)


def is_library_file(filename: str) -> bool:
    """Whether a file belongs to an installed library, the standard library or tracegraph."""
    if filename.startswith(("<frozen", *_FOLDERS)):
        return True
    return any(folder in Path(filename).parts for folder in _INSTALLED)


def is_library(code: CodeType) -> bool:
    """Whether code was written in a library."""
    return is_library_file(code.co_filename)


def line_of_error(error: BaseException) -> str:
    """The innermost line of the user's that an error came through, as ``file:line``."""
    found, step = "", error.__traceback__
    while step is not None:
        found = _position(step) or found
        step = step.tb_next
    return found


def _position(step: TracebackType) -> str:
    code = step.tb_frame.f_code
    return "" if is_library(code) else f"{code.co_filename}:{step.tb_lineno}"


def calling_frame() -> FrameType | None:
    """The innermost frame of the user's that is running."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and is_library(frame.f_code):
        frame = frame.f_back
    return frame


def calling_line() -> str:
    """The user's line that is running, as ``file:line``; empty if there is none."""
    frame = calling_frame()
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
