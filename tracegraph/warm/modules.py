"""Fingerprints of modules: a library's is its version, the user's what code can read of it.

Of a user's module that code only takes attributes from, those that it names count. One that is
handed on, kept in a value or asked for a computed name counts whole.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from tracegraph.userlines import names_in
from tracegraph.warm import code_digests
from tracegraph.warm.classes import LATE
from tracegraph.warm.digester import Digester, is_library_module, version
from tracegraph.warm.impure import refuse_impure

_MODULE_NOISE: Final = frozenset(
    {"__builtins__", "__cached__", "__loader__", "__path__", "__spec__", "__warningregistry__"}
)
"""What Python keeps in a module for itself."""


def add_module(digester: Digester, value: types.ModuleType, path: str) -> None:
    """Adds a module: a library's version, or all variables of one of the user's."""
    refuse_impure(value, path)
    digester.mark("module", value.__name__)
    if is_library_module(value.__name__):
        return digester.mark("version", version(value.__name__.split(".")[0]))
    digester.add(type(value), f"the class of {path}")
    parts = [(name, vars(value)[name]) for name in sorted(vars(value)) if name not in _MODULE_NOISE]
    return digester.add_all("variables", ((f".{name}", part) for name, part in parts), path)


class _CodeDigester(Digester):
    """What the code of one function is added to: a module of the user's is just named there.

    Args:
        whole: the digester of everything.
    """

    def __init__(self, whole: Digester) -> None:
        self._whole = whole
        self.hash = whole.hash

    def add(self, value: Any, path: str) -> None:
        """Adds a value that a function holds or names."""
        if not _is_users(value):
            return self._whole.add(value, path)
        self.mark("named module", value.__name__)
        if type(value) is not types.ModuleType:
            self._whole.add(type(value), f"the class of {path}")
        return None


def add_function(digester: Digester, value: types.FunctionType, path: str) -> None:
    """Adds a function: its code or its library's version, and all that it can reach."""
    own = _under_own_module(value)
    if is_library_module(own.__module__ or ""):
        return code_digests.add_function(digester, own, path)
    code_digests.add_function(_CodeDigester(digester), own, path)
    digester.holders.append((value, path))
    digester.named.update(LATE.intersection(_words(value.__code__)))
    for name, module in _handed_on(value.__code__, value.__globals__):
        digester.add(module, name)
    for module in _enclosed(value):
        digester.add(module, f"a module in {path}")
    return None


def _under_own_module(value: types.FunctionType) -> types.FunctionType:
    """A function, or a copy if just ``functools.wraps`` gave it the name of a library's."""
    home = str(value.__globals__.get("__name__", ""))
    if not is_library_module(value.__module__ or "") or is_library_module(home):
        return value
    parts = (value.__globals__, value.__name__, value.__defaults__, value.__closure__)
    copy = types.FunctionType(value.__code__, *parts)
    copy.__module__, copy.__kwdefaults__ = home, value.__kwdefaults__
    copy.__qualname__ = value.__qualname__
    vars(copy).update(vars(value))
    return copy


def _is_users(value: object) -> TypeGuard[types.ModuleType]:
    return isinstance(value, types.ModuleType) and not is_library_module(value.__name__)


def _words(code: types.CodeType) -> Iterator[str]:
    """The names and texts in code: ``getattr`` takes a name as text."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, types.CodeType):
            yield from _words(constant)


def _enclosed(function: types.FunctionType) -> Iterator[types.ModuleType]:
    """The user's modules in the closure of a function, where no name of a global leads to them."""
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # it is still empty
            continue
        if _is_users(value):
            yield value


def _handed_on(
    code: types.CodeType, scope: Mapping[str, Any]
) -> Iterator[tuple[str, types.ModuleType]]:
    """The user's modules that code does more with than to read what it names of them."""
    if not any(_is_users(scope.get(name)) for name in names_in(code)):
        return
    for name, *attributes in code_digests.chains(code):
        module = scope.get(name)
        while _is_users(module) and attributes and attributes[0] in vars(module):
            module = _variable(module, attributes.pop(0))
        if _is_users(module):
            yield name, module


def _variable(module: types.ModuleType, name: str) -> Any:
    return vars(module)[name]
