"""Which variable the user's source assigns on a line.

Owns the reading of source files for names. A file that cannot be read, or is not Python, gives no
names: names are a courtesy and never a reason to fail.
"""

from __future__ import annotations

import ast
import linecache
import warnings
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

_NOTHING: Final[Mapping[int, Assignment]] = MappingProxyType({})


class Assignment(NamedTuple):
    """A statement ``name = ...``: the name, and the line where the statement starts."""

    name: str
    line: int


class SourceNames:
    """Answers which assignment stands on a line; looks at each file once in its life."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: dict[str, Mapping[int, Assignment]] = {}

    def assignment(self, file: str, line: int) -> Assignment | None:
        """The innermost simple assignment whose statement covers the line, if there is one."""
        if file not in self._files:
            linecache.checkcache(file)
            self._files[file] = _assignments("".join(linecache.getlines(file)))
        return self._files[file].get(line)


@lru_cache(maxsize=64)
def _assignments(source: str) -> Mapping[int, Assignment]:
    """From each line to the assignment on it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _NOTHING
    found: dict[int, Assignment] = {}
    # Outer statements are walked before inner ones, which therefore win.
    for node in ast.walk(tree):
        name = _target(node)
        if name and isinstance(node, ast.stmt):
            last = node.end_lineno or node.lineno
            found.update(dict.fromkeys(range(node.lineno, last + 1), Assignment(name, node.lineno)))
    return MappingProxyType(found)


def _target(node: ast.AST) -> str:
    """The variable of a simple assignment; empty for every other node."""
    if isinstance(node, ast.Assign):
        target = node.targets[0] if len(node.targets) == 1 else None
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        target = node.target
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""
