"""Where the user stands: the line that called us, and the line in which an error began."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Final

import jax

import compiler
import tracegraph

_OWN_FOLDERS: Final = tuple(
    str(Path(str(module.__file__)).parent) + os.sep for module in (jax, compiler, tracegraph)
)
_INSTALLED: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def user_level() -> int:
    """The first frame outside JAX and tracegraph, counted from the caller as one."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDERS):
        level, frame = level + 1, frame.f_back
    return level


def call_site() -> str:
    """The line outside JAX and tracegraph that led here."""
    frame = sys._getframe(user_level() - 1)  # pyright: ignore[reportPrivateUsage]
    return _line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def line_of(error: BaseException) -> str:
    """The user's innermost line in an error's traceback, outside installed libraries if it can."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(_OWN_FOLDERS)]
    users = [f for f in outside if not any(folder in f.filename for folder in _INSTALLED)]
    found = (users or outside)[-1:]
    return _line(found[0].filename, found[0].lineno or 0, found[0].name) if found else call_site()


def _line(file: str, line: int, function: str) -> str:
    return f"{file}:{line} ({function})"
