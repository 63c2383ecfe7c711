"""Whether a graph is being printed to a terminal, where it has colour; it has none elsewhere.

Text that goes into a file, a pipe or a variable has no colour: it is asked of the statement that is
running whether it is a ``print`` without a file of its own.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import os
import sys
from types import FrameType


def is_printed_to_terminal(frame: FrameType | None) -> bool:
    """Whether a frame stands in a ``print`` to standard output, and that is a terminal."""
    if frame is None or "NO_COLOR" in os.environ or not _is_terminal():
        return False
    return _is_print(_running(frame))


def _is_terminal() -> bool:
    out = sys.stdout  # which may be None, or be replaced by anything
    try:
        return out.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def _running(frame: FrameType) -> str:
    """The source of the expression that a frame is evaluating; empty if it cannot be told."""
    place = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if place is None or None in place:
        return ""
    first, last, start, end = (number or 0 for number in place)
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)[first - 1 : last]
    if len(lines) != last - first + 1:
        return ""
    data = [line.encode() for line in lines]  # columns count bytes
    data[-1] = data[-1][:end]
    data[0] = data[0][start:]
    return b"".join(data).decode(errors="replace")


def _is_print(source: str) -> bool:
    try:
        call = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    match call:
        case ast.Call(func=ast.Name(id="print"), keywords=keywords):
            return all(keyword.arg in ("end", "sep", "flush") for keyword in keywords)
        case _:
            return False
