"""The user's source in a report: the functions that ops come from, with the number of each line."""

from __future__ import annotations

import ast
import linecache
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

AROUND: Final = 2
"""So many lines are shown around one that stands in no function."""

MAX_LINES: Final = 600
"""No more lines of a file are shown: those around ops come first."""

MAX_WIDTH: Final = 300
MAX_FILES: Final = 24


class Sources:
    """The files of a report and which of their lines matter; each file has a number.

    Args:
        first: the file to show first, if it is known.
    """

    def __init__(self, first: str = "") -> None:
        self._lines: dict[str, set[int]] = {first: set()} if first else {}
        self._numbers: dict[str, int] = {first: 0} if first else {}

    def add(self, file: str, line: int) -> int:
        """Notes a line that is to be shown; returns the number of its file."""
        self._lines.setdefault(file, set()).add(line)
        return self._numbers.setdefault(file, len(self._numbers))

    def rows(self) -> list[dict[str, Any]]:
        """A row per file, by number: its name, and its lines with their numbers."""
        names = _short_names(self._numbers)
        rows: list[dict[str, Any]] = []
        for file in self._numbers:
            shown = len(rows) < MAX_FILES
            lines = _shown(file, self._lines[file]) if shown else []
            rows.append({"name": names[file], "path": file, "lines": lines})
        return rows


def _short_names(files: Iterable[str]) -> Mapping[str, str]:
    """The end of each path that tells it from the others."""
    files = list(files)
    found: dict[str, str] = {}
    for file in files:
        parts = Path(file).parts
        for length in range(1, len(parts) + 1):
            found[file] = "/".join(parts[-length:])
            end = os.sep + os.path.join(*parts[-length:])
            if sum(other == file or other.endswith(end) for other in files) == 1:
                break
        found.setdefault(file, file)
    return found


def _shown(file: str, wanted: set[int]) -> list[tuple[int, str]]:
    """The lines of a file that are worth showing; a file that cannot be read gives bare numbers."""
    linecache.checkcache(file)
    text = linecache.getlines(file)
    if not text:
        return [(line, "") for line in sorted(wanted)][:MAX_LINES]
    near = {line + d for line in wanted for d in range(-AROUND, AROUND + 1)}
    whole = near | _functions_around("".join(text), wanted)
    chosen = whole if len(whole) <= MAX_LINES else near
    kept = [line for line in sorted(chosen) if 1 <= line <= len(text)][:MAX_LINES]
    return [(line, text[line - 1].rstrip("\n")[:MAX_WIDTH]) for line in kept]


def _functions_around(source: str, wanted: set[int]) -> set[int]:
    """All lines of the innermost functions that the wanted lines stand in."""
    spans = _function_spans(source)
    found: set[int] = set()
    for line in wanted:
        inside = [span for span in spans if line in span]
        if inside:
            found.update(min(inside, key=len))
    return found


def _function_spans(source: str) -> Sequence[range]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [range(_first_line(node), (node.end_lineno or node.lineno) + 1) for node in functions]


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
