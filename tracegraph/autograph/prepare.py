"""A pass over the syntax tree before conversion: what the engine cannot read is written otherwise.

Every rewriting here keeps plain Python's meaning. `x[i] = v` and `xs.append(v)` become assignments
of `x` and `xs`, so that a loop or branch knows that it changes them.
"""

from __future__ import annotations

import ast
from typing import Any

from tracegraph.autograph.names import (
    assigned_by_calls,
    assigned_names,
    changed_by,
    changes_only_names,
    nonlocals_of_inner,
)

OPERATORS = "ag__"
"""The name under which converted code sees the operators; the engine's templates fix it."""

_ITERATIONS = {"range", "zip", "enumerate", "reversed"}
_SIMPLE = ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete
_IN_PLACE: dict[type[ast.operator], str] = {
    ast.Add: "iadd",
    ast.Sub: "isub",
    ast.Mult: "imul",
    ast.Div: "itruediv",
    ast.FloorDiv: "ifloordiv",
    ast.Mod: "imod",
    ast.Pow: "ipow",
    ast.MatMult: "imatmul",
    ast.BitAnd: "iand",
    ast.BitOr: "ior",
    ast.BitXor: "ixor",
    ast.LShift: "ilshift",
    ast.RShift: "irshift",
}


def prepare(node: ast.FunctionDef, owner: str) -> ast.FunctionDef:
    """A definition as the engine can read it, its own lines and columns on every node.

    Args:
        node: the definition; changed in place.
        owner: the class it is written in, by which private names are spelled out.
    """
    node.decorator_list = []
    _forget_defaults(node.args)
    node.returns = None
    prepared = _Preparation(owner).visit(node)
    assert isinstance(prepared, ast.FunctionDef)
    return ast.fix_missing_locations(prepared)


def operator_call(name: str, *args: ast.expr) -> ast.Call:
    """A call of one of the operators."""
    function = ast.Attribute(ast.Name(OPERATORS, ast.Load()), name, ast.Load())
    return ast.Call(function, list(args), [])


def _forget_defaults(args: ast.arguments) -> None:
    """Defaults and annotations belong to the scope outside, and are taken from the function."""
    args.defaults = [ast.Constant(None) for _ in args.defaults]
    args.kw_defaults = [None if each is None else ast.Constant(None) for each in args.kw_defaults]
    stars = [each for each in (args.vararg, args.kwarg) if each is not None]
    for each in (*args.posonlyargs, *args.args, *args.kwonlyargs, *stars):
        each.annotation = None


class _Preparation(ast.NodeTransformer):
    """The rewritings. ``_assigned`` holds the names that each function around may assign."""

    def __init__(self, owner: str) -> None:
        self._owner = owner.lstrip("_")
        self._assigned: list[set[str]] = []
        self._nonlocals: list[dict[str, set[str]]] = []
        self._first: list[str] = []
        self._temporaries = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Enters a scope."""
        self._assigned.append(set(assigned_names(node)))
        self._nonlocals.append(nonlocals_of_inner(node))
        first = [*node.args.posonlyargs, *node.args.args]
        self._first.append(first[0].arg if first else "")
        self.generic_visit(node)
        self._assigned.pop()
        self._nonlocals.pop()
        self._first.pop()
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Spells out a private name."""
        node.id = self._mangled(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Spells out a private name."""
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__")
        return f"_{self._owner}{name}" if private and self._owner else name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``super()`` says what it stands for."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            node.args = [ast.Name("__class__", ast.Load()), ast.Name(self._first[0], ast.Load())]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """An assertion is a branch that raises."""
        self.generic_visit(node)
        message = [] if node.msg is None else [node.msg]
        error = ast.Call(ast.Name("AssertionError", ast.Load()), message, [])
        test = ast.copy_location(operator_call("refuted", node.test), node.test)
        raised = ast.copy_location(ast.Raise(error, None), node)
        return ast.copy_location(ast.If(test, [raised], []), node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """The name of a caught error is given by a statement."""
        self.generic_visit(node)
        if node.name is not None:
            target = ast.Name(node.name, ast.Store())
            caught = ast.Assign([target], operator_call("caught"))
            node.body.insert(0, ast.copy_location(caught, node))
            node.name = None
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        """What is iterated over is made by an operator, where it is written in the loop's head."""
        known = _is_range(node.iter) and changes_only_names(node, self._assigned[-1])
        self.generic_visit(node)
        node.iter = _iterated(node.iter, "steps" if known else "iterated")
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        """Annotations of local variables are never evaluated."""
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """One target at a time, and items by the operator."""
        self.generic_visit(node)
        if len(node.targets) == 1 and not self._has_item(node.targets[0]):
            return node
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            return self._set_item(node.targets[0], node.value, node)
        value = self._temporary()
        statements: list[ast.stmt] = [_assign(value, node.value, node)]
        for target in node.targets:
            statements += self._unpacked(target, ast.Name(value, ast.Load()), node)
        return statements

    def _unpacked(self, target: ast.expr, value: ast.expr, at: ast.stmt) -> list[ast.stmt]:
        """Assigns to one target, whose items come after what it is unpacked into."""
        if isinstance(target, ast.Subscript) and self._is_item(target):
            return [self._set_item(target, value, at)]
        later: list[ast.stmt] = []
        if isinstance(target, ast.Tuple | ast.List):
            target.elts = [self._stand_in(each, later, at) for each in target.elts]
        return [ast.copy_location(ast.Assign([target], value), at), *later]

    def _stand_in(self, target: ast.expr, later: list[ast.stmt], at: ast.stmt) -> ast.expr:
        if not self._has_item(target):
            return target
        name = self._temporary()
        later += self._unpacked(target, ast.Name(name, ast.Load()), at)
        return ast.copy_location(ast.Name(name, ast.Store()), target)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        """``x[i] += v`` reads the item, and sets it by the operator."""
        self.generic_visit(node)
        if not (isinstance(node.target, ast.Subscript) and self._is_item(node.target)):
            return node
        key = self._temporary()
        index = ast.copy_location(ast.Name(key, ast.Load()), node.target.slice)
        kept = _assign(key, _key(node.target.slice), node)
        base = node.target.value
        assert isinstance(base, ast.Name)
        read = ast.Subscript(ast.Name(base.id, ast.Load()), index, ast.Load())
        operation = ast.Constant(_IN_PLACE[type(node.op)])
        value = operator_call("augmented", operation, ast.copy_location(read, node), node.value)
        changed = ast.Subscript(base, ast.Name(key, ast.Load()), ast.Store())
        return [kept, self._set_item(changed, ast.copy_location(value, node), node)]

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """``xs.append(v)`` assigns ``xs``."""
        self.generic_visit(node)
        call = node.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            return node
        base, args = call.func.value, call.args
        plain = len(args) == 1 and not call.keywords and not isinstance(args[0], ast.Starred)
        if call.func.attr != "append" or not plain or not isinstance(base, ast.Name):
            return node
        if not self._is_assigned(base):
            return node
        return _assign(base.id, operator_call("list_append", base, args[0]), node)

    def visit(self, node: ast.AST) -> Any:
        """A simple statement that changes a container by a method also assigns its name."""
        changed = self._also_assigned(node) if isinstance(node, _SIMPLE) else []
        made = super().visit(node)
        if not changed:
            return made
        assert isinstance(node, ast.stmt)
        kept = [_assign(name, ast.Name(name, ast.Load()), node) for name in changed]
        return [*(made if isinstance(made, list) else [made]), *kept]

    def _also_assigned(self, statement: ast.AST) -> list[str]:
        called = set(assigned_by_calls(statement, self._nonlocals[-1]))
        names = self._assigned[-1]
        return sorted({*changed_by(statement, names), *(called & names)})

    def _set_item(self, target: ast.Subscript, value: ast.expr, at: ast.stmt) -> ast.stmt:
        base = target.value
        assert isinstance(base, ast.Name)
        read = ast.Name(base.id, ast.Load())
        return _assign(base.id, operator_call("set_item", read, _key(target.slice), value), at)

    def _is_item(self, target: ast.expr) -> bool:
        return isinstance(target, ast.Subscript) and self._is_assigned(target.value)

    def _has_item(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Tuple | ast.List):
            return any(self._has_item(each) for each in target.elts)
        return self._is_item(target)

    def _is_assigned(self, base: ast.expr) -> bool:
        return isinstance(base, ast.Name) and base.id in self._assigned[-1]

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"{OPERATORS}value_{self._temporaries}"


def _assign(name: str, value: ast.expr, at: ast.stmt) -> ast.stmt:
    located = ast.copy_location(value, at) if not hasattr(value, "lineno") else value
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], located), at)


def _key(index: ast.expr) -> ast.expr:
    """An index as an expression: slices are made by a call."""
    if isinstance(index, ast.Slice):
        ends = [each or ast.Constant(None) for each in (index.lower, index.upper, index.step)]
        return operator_call("slice_", *ends)
    if isinstance(index, ast.Tuple):
        return ast.copy_location(ast.Tuple([_key(each) for each in index.elts], ast.Load()), index)
    return index


def _is_range(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    return node.func.id == "range"


def _iterated(node: ast.expr, operator: str) -> ast.expr:
    """What is written in a loop's head, made by an operator if it is one of Python's iterations."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        return node
    if node.func.id not in _ITERATIONS or any(isinstance(a, ast.Starred) for a in node.args):
        return node
    args = [_iterated(each, "iterated") for each in node.args]
    return ast.copy_location(operator_call(operator, node.func, *args), node)
