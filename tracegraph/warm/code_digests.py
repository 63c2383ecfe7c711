"""Fingerprints of functions: their code, and the globals that it names."""

from __future__ import annotations

import dis
import importlib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tracegraph.userlines import names_in
from tracegraph.warm.digester import (
    Digester,
    UnfingerprintableError,
    is_library_module,
    version,
)
from tracegraph.warm.impure import refuse_impure

IMPURE_BUILTINS: Final = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "globals", "input", "open"}
)


def add_function(digester: Digester, value: types.FunctionType, path: str) -> None:
    """Adds a function: its code or its library's version, and all that it can reach."""
    path = value.__qualname__ if path == "it" else path
    if is_library_module(value.__module__ or ""):
        refuse_impure(value, path)
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
    if is_library_module(value.__module__ or ""):
        digester.add(vars(value).get("__wrapped__"), f"what {path} wraps")
    else:
        digester.add(vars(value), f"the attributes of {path}")


def _add_code(digester: Digester, code: types.CodeType, path: str) -> None:
    before: list[Any] = [None, None]
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise UnfingerprintableError(f"{path} assigns the global variable {name}")
        if instruction.opname == "STORE_DEREF" and name in code.co_freevars:
            raise UnfingerprintableError(f"{path} assigns the outer variable {name}")
        if instruction.opname == "IMPORT_NAME":
            _add_import(digester, name, before[0] or 0, path)
        before = [before[1], name]
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


def _add_import(digester: Digester, name: str, level: int, path: str) -> None:
    """Adds a library that code imports as it runs; the user's own modules are not looked into."""
    try:
        module = None if level else importlib.import_module(name)
    except Exception as error:
        raise UnfingerprintableError(f"{path} imports {name}: {error}") from None
    if module is None or not is_library_module(module.__name__):
        raise UnfingerprintableError(f"{path} imports {name or 'a module'} as it runs")
    refuse_impure(module, path)
    digester.mark("import", f"{name} {version(name.split('.')[0])}")


def _add_globals(
    digester: Digester, code: types.CodeType, scope: Mapping[str, Any], path: str
) -> None:
    for chain in chains(code):
        _refuse_impure_chain(chain, scope)
    names = list(dict.fromkeys(names_in(code)))
    for name in names:
        if name in scope:
            digester.mark("global", name)
            _add_named(digester, scope[name], names, name)
        elif name in IMPURE_BUILTINS:
            raise UnfingerprintableError(f"{path} calls {name}: it may read anything")


def _add_named(digester: Digester, value: Any, names: Iterable[str], path: str) -> None:
    """Adds a global; of a module of the user's, what the code names of it."""
    digester.add(value, path)
    if not isinstance(value, types.ModuleType) or is_library_module(value.__name__):
        return
    for name in names:
        if name in vars(value) and vars(value)[name] is not value:
            digester.mark("attribute", name)
            _add_named(digester, vars(value)[name], names, f"{path}.{name}")


def _refuse_impure_chain(chain: Sequence[str], scope: Mapping[str, Any]) -> None:
    """Raises if a library's modules lead to something impure, as in ``np.random.rand``."""
    value: Any = scope.get(chain[0])
    for place, name in enumerate(chain[1:], 1):
        if not isinstance(value, types.ModuleType) or not is_library_module(value.__name__):
            return
        refuse_impure(value, ".".join(chain[:place]))
        value = vars(value).get(name)
    refuse_impure(value, ".".join(chain))


def chains(code: types.CodeType) -> Iterator[list[str]]:
    """The global names of code, each with the attributes that are read of it one after another."""
    chain: list[str] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("CACHE", "EXTENDED_ARG"):
            continue
        if chain and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain.append(instruction.argval)
            continue
        if chain:
            yield chain
        chain = [instruction.argval] if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") else []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from chains(constant)
