"""Which lines of a source file may run several times in one call of their function."""

from __future__ import annotations

import ast
import linecache
import warnings
from functools import lru_cache
from typing import Final, NamedTuple

_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Repeated(NamedTuple):
    """Lines by what repeats them.

    Attributes:
        loops: lines of the body of a loop.
        comprehensions: lines on which a comprehension stands.
    """

    loops: frozenset[int]
    comprehensions: frozenset[int]


_NONE: Final = Repeated(frozenset(), frozenset())


def repeated_lines(file: str) -> Repeated:
    """The lines of a file that may run several times; none for a file that cannot be read."""
    linecache.checkcache(file)
    return _repeated("".join(linecache.getlines(file)))


@lru_cache(maxsize=64)
def _repeated(source: str) -> Repeated:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _NONE
    loops: set[int] = set()
    comprehensions: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _LOOPS):
            loops.update(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, _COMPREHENSIONS):
            comprehensions.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return Repeated(frozenset(loops), frozenset(comprehensions))
