"""Which names a piece of syntax assigns, and what else can be noticed of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_CHANGING = {
    *("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"),
    *("update", "setdefault", "popitem", "add", "discard", "popleft", "appendleft"),
}
"""Methods by which Python's containers change."""

_TAKING = frozenset({"pop", "popitem", "popleft", "read", "readline", "send"})
"""Methods that give something else the next time."""

_CURIOUS = frozenset(
    {
        *("delattr", "eval", "exec", "format", "getattr", "hasattr", "hash", "id", "input"),
        *("isinstance", "issubclass", "iter", "next", "open", "repr", "setattr", "str", "type"),
    }
)
"""Functions of Python's own that see what a value is, or change something."""

_NOTICED = (ast.Delete, ast.Global, ast.JoinedStr, ast.Nonlocal, ast.Try)


def changed_by(statement: ast.AST, names: set[str]) -> list[str]:
    """The names whose containers a simple statement changes: by a method, or by deleting items."""
    return sorted({name for node in ast.walk(statement) for name in _changed(node)} & names)


def assigned_by_calls(statement: ast.AST, inner: dict[str, set[str]]) -> list[str]:
    """The names that a statement assigns by calling functions defined in the same one.

    Args:
        statement: a simple statement.
        inner: the names that each inner function declares as nonlocal.
    """
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names |= inner.get(node.func.id, set())
    return sorted(names)


def nonlocals_of_inner(function: ast.FunctionDef) -> dict[str, set[str]]:
    """The names that each function inside a function declares as nonlocal."""
    inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef)]
    found: dict[str, set[str]] = {}
    for node in inner[1:]:
        declared = [each.names for each in ast.walk(node) if isinstance(each, ast.Nonlocal)]
        found[node.name] = {name for names in declared for name in names}
    return found


def _changed(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Delete):
        items = [each.value for each in node.targets if isinstance(each, ast.Subscript)]
        yield from (each.id for each in items if isinstance(each, ast.Name))
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return
    if node.func.attr in _CHANGING and isinstance(node.func.value, ast.Name):
        yield node.func.value.id


def changes_only_names(loop: ast.For, names: set[str]) -> bool:
    """Whether nothing in a loop's body can be noticed but what it assigns to names of its own.

    Then it makes no difference how often the body is traced. Powers and shifts of whole numbers are
    left to Python, whose numbers do not overflow.
    """
    return not any(_is_noticed(node, names) for node in _below(loop.body))


def _is_noticed(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    if isinstance(node, ast.BinOp):
        operation, power = node.op, node.right
        return isinstance(operation, ast.Pow | ast.LShift) and not isinstance(power, ast.Constant)
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return not isinstance(node.value, ast.Name) or node.value.id not in names
    if isinstance(node, ast.Attribute):
        return not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call):
        return _tells_numbers_apart(node.func)
    if isinstance(node, ast.Compare):
        return any(isinstance(each, ast.In | ast.NotIn) for each in node.ops)
    return isinstance(node, _NOTICED)


def _tells_numbers_apart(function: ast.expr) -> bool:
    """Whether a call can tell Python numbers from traced ones, or gives another thing each time."""
    if isinstance(function, ast.Name):
        return function.id in _CURIOUS
    return isinstance(function, ast.Attribute) and function.attr in _TAKING


def _below(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def assigned_names(node: ast.FunctionDef) -> Iterator[str]:
    """The names that a function may assign: its own, and those it declares as another's."""
    args = node.args
    stars = [each for each in (args.vararg, args.kwarg) if each is not None]
    for each in (*args.posonlyargs, *args.args, *args.kwonlyargs, *stars):
        yield each.arg
    for statement in node.body:
        yield from _stored(statement)


def _stored(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    if isinstance(node, ast.FunctionDef):
        yield node.name
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    for child in () if isinstance(node, inner) else ast.iter_child_nodes(node):
        yield from _stored(child)
