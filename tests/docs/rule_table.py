"""The coverage table of ``docs/rules.md``: one row per rule, made from the rules themselves."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from compiler.rewrite.numerics import level_name
from compiler.rewrite.rule import Rule
from compiler.rules import groups
from tests.docs.marked import replaced
from tests.docs.snippets import ROOT

PAGE = ROOT / "docs" / "rules.md"
BEGIN = "<!-- the table begins: scripts/build-rule-table writes it -->"
END = "<!-- the table ends -->"

_HEAD = (
    "| rule | law | level | fires where | grad, vmap | example | also in |\n"
    "|---|---|---|---|---|---|---|\n"
)


def page_with_table(text: str) -> str:
    """The page with its table made anew.

    Raises:
        ValueError: the page has no marks between which the table stands.
    """
    return replaced(text, BEGIN, END, table())


def table() -> str:
    """All rules, one section per table of rules."""
    sections = [_section(name, rules) for name, rules in groups().items()]
    total = sum(map(len, groups().values()))
    return "\n".join([f"{total} rules in {len(sections)} tables.\n", *sections])


def _section(name: str, rules: tuple[Rule, ...]) -> str:
    module = importlib.import_module(f"compiler.rules.{name}")
    title = (module.__doc__ or "").partition("\n")[0]
    rows = "\n".join(map(_row, rules))
    return f"### {name}\n\n{title}\n\n{_HEAD}{rows}\n"


def _row(rule: Rule) -> str:
    cells = (
        f"`{rule.name}`",
        rule.law,
        level_name(rule.numerics),
        f"form: {rule.normal_form}" if rule.normal_form else "it saves time",
        "yes" if rule.transparent else "no",
        f"`{source_of(rule.examples[0].function)}`",
        rule.elsewhere or "-",
    )
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def source_of(function: Callable[..., Any]) -> str:
    """The expression that a lambda was written as, or a function's name and result."""
    code = getattr(function, "__code__", None)
    if code is None:
        return getattr(function, "__name__", repr(function))
    for node in ast.walk(_tree(code.co_filename)):
        if isinstance(node, ast.Lambda) and _is_code_of(node, code):
            return ast.unparse(node)
    return inspect.getsource(function).strip().partition("\n")[2].strip() or function.__name__


def _is_code_of(node: ast.Lambda, code: Any) -> bool:
    """Whether the lambda is where the code says that it stands, to the column."""
    places = [p for p in code.co_positions() if p[0] is not None and p[2] is not None]
    body = (node.body.lineno, node.body.col_offset)
    return body in {(line, column) for line, _, column, _ in places} and _encloses(node, places)


def _encloses(node: ast.Lambda, places: list[Any]) -> bool:
    first, last = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    inner = [((line, column), (end, stop)) for line, end, column, stop in places if column or stop]
    return all(first <= start and stop <= last for start, stop in inner if start[0] >= first[0])


@cache
def _tree(path: str) -> ast.Module:
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())
