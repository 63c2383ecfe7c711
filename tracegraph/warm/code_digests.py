"""Fingerprints of functions: their code, and the globals that it names."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tracegraph.warm.digester import (
    Digester,
    UnfingerprintableError,
    is_library_module,
    version,
)

IMPURE_MODULES: Final = frozenset(
    {"asyncio", "datetime", "io", "os", "random", "secrets", "select", "shutil", "signal"}
    | {"socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid"}
)
"""What code that names one of these does depends on more than its arguments."""

IMPURE_BUILTINS: Final = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "globals", "input", "open"}
)


def add_function(digester: Digester, value: types.FunctionType, path: str) -> None:
    """Enters a function: its code or its library's version, and all that it can reach."""
    path = value.__qualname__ if path == "it" else path
    if is_library_module(value.__module__ or ""):
        top = (value.__module__ or "").split(".")[0]
        digester.mark("function", f"{value.__module__}.{value.__qualname__} {version(top)}")
        digester.mark("line", value.__code__.co_firstlineno)
    else:
        _add_code(digester, value.__code__, path)
        _add_globals(digester, value.__code__, value.__globals__, path)
    for cell, name in zip(value.__closure__ or (), value.__code__.co_freevars, strict=True):
        digester.mark("cell", name)
        try:
            digester.add(cell.cell_contents, f"{name} of {path}")
        except ValueError:
            digester.mark("empty", name)
    digester.add(value.__defaults__, f"the defaults of {path}")
    digester.add(value.__kwdefaults__, f"the defaults of {path}")
    digester.add(vars(value).get("__wrapped__"), f"what {path} wraps")


def _add_code(digester: Digester, code: types.CodeType, path: str) -> None:
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise UnfingerprintableError(f"{path} assigns the global variable {name}")
        if instruction.opname == "STORE_DEREF" and name in code.co_freevars:
            raise UnfingerprintableError(f"{path} assigns the outer variable {name}")
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    digester.mark("code", code.co_code)
    digester.mark("names", f"{names} {counts} {code.co_name}")
    digester.mark("exceptions", code.co_exceptiontable)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_code(digester, constant, path)
        else:
            digester.add(constant, f"a constant of {path}")


def _add_globals(
    digester: Digester, code: types.CodeType, scope: Mapping[str, Any], path: str
) -> None:
    names = list(dict.fromkeys(_all_names(code)))
    for name in names:
        if name in scope:
            digester.mark("global", name)
            _add_named(digester, scope[name], names, name)
        elif name in IMPURE_BUILTINS:
            raise UnfingerprintableError(f"{path} calls {name}: it may read anything")


def _add_named(digester: Digester, value: Any, names: Iterable[str], path: str) -> None:
    """Enters a global; of a module of the user's, what the code names of it."""
    digester.add(value, path)
    if not isinstance(value, types.ModuleType) or is_library_module(value.__name__):
        return
    for name in names:
        if name in vars(value) and vars(value)[name] is not value:
            digester.mark("attribute", name)
            _add_named(digester, vars(value)[name], names, f"{path}.{name}")


def _all_names(code: types.CodeType) -> Iterable[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all_names(constant)
