"""Colour for ``print(graph)`` on a terminal, and nowhere else.

Text that goes into a file, a pipe or a variable has no colour: it is asked of the statement that is
running whether it is a ``print`` without a file of its own.
"""

from __future__ import annotations

import ast
import io
import itertools
import linecache
import os
import sys
from types import FrameType
from typing import Final

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme

_THEME: Final = Theme(
    {
        "ir.value": "cyan",
        "ir.type": "green",
        "ir.word": "bold magenta",
        "ir.op": "bold",
        "ir.text": "yellow",
        "ir.note": "dim",
    }
)


class _Highlighter(RegexHighlighter):
    """The signs of a graph's text."""

    base_style = "ir."
    highlights: Final = [
        r"(?P<note>\{[^{}\n]*=[^{}\n]*\})",
        r"(?P<value>%[\w.$-]+)",
        r"(?P<type>~?\b(?:[a-z]+\d+\w*|bool|dtype<[^>]*>)\[[^\]\n]*\])",
        r"(?m)^\s*(?:%[^=\n]*= )?(?P<op>[a-z]\w*)(?= |$)",
        r"(?m)^\s*(?P<word>graph|region|return|yield|resources)\b",
        r'(?P<text>"(?:[^"\\\n]|\\.)*")',
    ]


def coloured(text: str) -> str:
    """The text of a graph with the escapes of a terminal."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, theme=_THEME, width=1 << 16)
    console.print(_Highlighter()(text), end="", soft_wrap=True)
    return out.getvalue()


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
    plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    if not plain or call.func.id != "print":
        return False
    return all(keyword.arg in ("end", "sep", "flush") for keyword in call.keywords)
