"""Python that has no meaning as operations: refused with its line, before anything is converted."""

from __future__ import annotations

import ast

from tracegraph.autograph.errors import ConversionError

_FRAME_READERS = {"locals", "eval", "exec"}
_FRAME_READERS_ALONE = {"vars", "dir"}
_LAZY = ast.BoolOp | ast.IfExp | ast.Lambda | ast.While
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def refuse_unsupported(node: ast.FunctionDef, filename: str) -> None:
    """Raises at the first construct of a definition that cannot be converted.

    Raises:
        ConversionError: there is one; the error names it and its line.
    """
    _Checker(filename).visit(node)


class _Checker(ast.NodeVisitor):
    """Walks a definition and knows whether what it stands in may run never or twice."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._lazy = False

    def _refuse(self, node: ast.stmt | ast.expr, what: str, hint: str) -> None:
        raise ConversionError(
            f"{what} cannot be converted",
            where=f"{self._filename}:{node.lineno}",
            hint=hint,
        )

    def generic_visit(self, node: ast.AST) -> None:
        """Visits what is below, remembering whether it is evaluated lazily."""
        before = self._lazy
        chained = isinstance(node, ast.Compare) and len(node.ops) > 1
        self._lazy = before or chained or isinstance(node, _LAZY | _Comprehension)
        if isinstance(node, ast.stmt) and not isinstance(node, ast.While):
            self._lazy = False
        super().generic_visit(node)
        self._lazy = before

    def visit_For(self, node: ast.For) -> None:
        """A loop with an else."""
        if node.orelse:
            self._refuse(node, "an else of a for loop", "set a flag before `break` and test it")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """A loop with an else; its test is evaluated again and again."""
        if node.orelse:
            self._refuse(node, "an else of a while loop", "set a flag before `break` and test it")
        before, self._lazy = self._lazy, True
        self.visit(node.test)
        self._lazy = before
        for each in node.body:
            self.visit(each)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """A name bound inside an expression that may not run."""
        if self._lazy:
            self._refuse(node, "a `:=` in this place", "assign in a statement of its own")
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        """A match statement."""
        self._refuse(node, "a match statement", "write it as if and elif")

    def visit_TryStar(self, node: ast.TryStar) -> None:
        """A handler of exception groups."""
        self._refuse(node, "an `except*`", "handle it in a function that is not converted")

    def visit_Yield(self, node: ast.Yield) -> None:
        """A generator inside the function."""
        self._refuse(node, "a generator", "collect into a list, or move it out of the function")

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        """A generator inside the function."""
        self._refuse(node, "a generator", "collect into a list, or move it out of the function")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """An async function inside the function."""
        self._refuse(node, "an async function", "move it out of the function")

    def visit_Await(self, node: ast.Await) -> None:
        """An await."""
        self._refuse(node, "an await", "await outside of the function")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class inside the function."""
        self._refuse(node, "a class inside a function", "define the class outside")

    def visit_Call(self, node: ast.Call) -> None:
        """A call that looks at the frame it is made from."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        alone = name in _FRAME_READERS_ALONE and not node.args
        if name in _FRAME_READERS or alone:
            self._refuse(node, f"a call of {name}()", "name the variables that are meant")
        self.generic_visit(node)
