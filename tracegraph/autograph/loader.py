"""From a converted definition to a function: same globals, same closure, same lines and columns."""

from __future__ import annotations
import __future__ as features

import ast
from collections.abc import Collection
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from tracegraph.autograph.prepare import OPERATORS
from tracegraph.autograph.transpiler import Converted, place_of

_Span = tuple[int, int, int, int]
_BLOCKS = ("get_state", "set_state")
_FUTURE: Final = sum(getattr(features, name).compiler_flag for name in features.all_feature_names)


def compiled(converted: Converted, code: CodeType) -> CodeType:
    """The code of a factory that makes the converted function.

    Args:
        converted: the definition.
        code: that of the function it was made from.
    """
    place = (code.co_firstlineno, 0, code.co_firstlineno, 0)
    _locate(converted.node, place)
    module = _factory(converted.node, code.co_freevars)
    ast.fix_missing_locations(module)
    flags = code.co_flags & _FUTURE
    whole: CodeType = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    inner = _named(_named(whole, "outer"), "inner")
    return _renamed(inner, code, converted)


def instantiate(factory: CodeType, function: FunctionType, operators: ModuleType) -> FunctionType:
    """The converted function: globals, closure and defaults are those of the original."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in factory.co_freevars)
    make = FunctionType(factory, function.__globals__, "inner", (), closure)
    made: FunctionType = make(operators)
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return made


def _locate(node: ast.AST, outer: _Span) -> None:
    """Gives every node the place of what it was made from; else that of the node around it."""
    place = place_of(node) or outer
    if "lineno" in node._attributes:
        located: Any = node
        located.lineno, located.col_offset, located.end_lineno, located.end_col_offset = place
    for child in ast.iter_child_nodes(node):
        _locate(child, place)


def _factory(definition: ast.FunctionDef, closure: Collection[str]) -> ast.Module:
    text = [
        "def outer():",
        *(f"    {name} = None" for name in closure),
        f"    def inner({OPERATORS}):",
        f"        return {definition.name}",
        "    return inner",
    ]
    module = ast.parse("\n".join(text))
    outer: Any = module.body[0]
    outer.body[-2].body.insert(0, definition)
    return module


def _named(code: CodeType, name: str) -> CodeType:
    return next(e for e in code.co_consts if isinstance(e, CodeType) and e.co_name == name)


def _renamed(factory: CodeType, original: CodeType, converted: Converted) -> CodeType:
    """The factory, its function under the original name, as are the blocks inside it."""

    def renamed(code: CodeType, name: str) -> CodeType:
        made = code.co_name in converted.made and not code.co_name.startswith(_BLOCKS)
        kept = not made and code is not factory
        own = code.co_name if kept else name
        consts = tuple(
            renamed(each, own) if isinstance(each, CodeType) else each for each in code.co_consts
        )
        qualified = original.co_qualname if own == original.co_name else own
        return code.replace(co_consts=consts, co_name=own, co_qualname=qualified)

    return renamed(factory, original.co_name)
