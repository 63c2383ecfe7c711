"""The syntax tree of a function, found in the file, notebook cell or console input it came from.

The whole text is parsed, so that every node keeps its line and column and no dedenting is needed.
A function whose text has changed since it was compiled, or cannot be had, is refused.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType

from tracegraph.autograph.errors import SourceError

LAMBDA = "lambda_"
"""The name under which a lambda is converted."""

_REFUSED_KINDS = (
    (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR, "an async function"),
    (inspect.CO_GENERATOR, "a generator"),
)


def call_of(value: object) -> FunctionType | None:
    """The ``__call__`` of an object's class, if it is written in Python."""
    if isinstance(value, type):
        return None
    call = inspect.getattr_static(type(value), "__call__", None)
    return call if isinstance(call, FunctionType) else None


@dataclass(frozen=True)
class Source:
    """A function's definition.

    Attributes:
        node: the definition, with the lines and columns of its file; a lambda as a function.
        filename: the file, or what stands for it.
        owner: the class it is written in; empty if in none.
    """

    node: ast.FunctionDef
    filename: str
    owner: str


def source_of(function: FunctionType) -> Source:
    """The definition of a function.

    Raises:
        SourceError: it is a generator or async, or its source cannot be had.
    """
    code = function.__code__
    for flag, kind in _REFUSED_KINDS:
        if code.co_flags & flag:
            raise _refused(code, f"it is {kind}", "convert the function that it calls instead")
    tree = _parsed(code, function)
    found = [pair for pair in _definitions(tree, "") if _is(pair[0], code)]
    if len(found) != 1:
        raise _refused(code, "its source has changed, or cannot be told from another's", _HINT)
    node, owner = found[0]
    definition = node if isinstance(node, ast.FunctionDef) else _named(node)
    return Source(definition, code.co_filename, owner)


_HINT = "write it in a file or a notebook cell; after an edit, import it again"


def _refused(code: CodeType, reason: str, hint: str) -> SourceError:
    return SourceError(
        f"{code.co_name} cannot be converted",
        where=f"{code.co_filename}:{code.co_firstlineno}",
        expected="a Python function whose source can be read",
        found=reason,
        hint=hint,
    )


def _parsed(code: CodeType, function: FunctionType) -> ast.Module:
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise _refused(code, "its source cannot be had", _HINT)
    try:
        return ast.parse("".join(lines))
    except SyntaxError:
        raise _refused(code, "its source has changed and does not parse", _HINT) from None


def _definitions(node: ast.AST, owner: str) -> Iterator[tuple[ast.FunctionDef | ast.Lambda, str]]:
    """All functions below a node, each with the class that holds it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda):
            yield child, owner
        yield from _definitions(child, child.name if isinstance(child, ast.ClassDef) else owner)


def _is(node: ast.FunctionDef | ast.Lambda, code: CodeType) -> bool:
    """Whether code was compiled from a definition."""
    if _parameters(node.args) != _compiled_parameters(code):
        return False
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and _extent(node.body) == _compiled_extent(code)
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return node.name == code.co_name and first == code.co_firstlineno


def _parameters(args: ast.arguments) -> list[str]:
    stars = [each for each in (args.vararg, args.kwarg) if each is not None]
    return [each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs, *stars)]


def _compiled_parameters(code: CodeType) -> list[str]:
    stars = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]
    return list(names)


Extent = tuple[tuple[int, int], tuple[int, int]]


def _extent(node: ast.expr) -> Extent:
    ends = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return (node.lineno, node.col_offset), ends


def _compiled_extent(code: CodeType) -> Extent | None:
    """From where to where in its file the instructions of code reach."""
    starts: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (line, column) != (end_line, end_column):
            starts.append((line, column))
            ends.append((end_line, end_column))
    return (min(starts), max(ends)) if starts else None


def _named(node: ast.Lambda) -> ast.FunctionDef:
    """A lambda as a function that returns its body."""
    returned = ast.copy_location(ast.Return(node.body), node.body)
    named = ast.parse(f"def {LAMBDA}(): pass").body[0]
    assert isinstance(named, ast.FunctionDef)
    named.args, named.body = node.args, [returned]
    return ast.copy_location(named, node)
