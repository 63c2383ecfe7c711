"""What a function can reach without being given it: closures, globals, defaults, attributes.

Finds the words by which the user's code would say a value: ``weights``, ``self.table``,
``params['w'][0]``. A name is a courtesy: what is not found has none, and nothing is called.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from compiler.ir.source_files import is_installed_file

_MOST: Final = 20_000
"""So many objects are looked at, the nearest first."""

_DEEPEST: Final = 5
_PLAIN: Final = (str, bytes, int, float, complex, bool, type(None), type)

Named = tuple[str, object]


def reachable(function: Callable[..., Any]) -> Iterator[Named]:
    """Every object in reach and the words for it, the nearest first; each object once."""
    waiting: deque[tuple[str, object, int]] = deque([("", function, 0)])
    known: set[int] = set()
    while waiting and len(known) < _MOST:
        path, value, depth = waiting.popleft()
        if id(value) in known or isinstance(value, _PLAIN):
            continue
        known.add(id(value))
        if path and not isinstance(value, types.ModuleType):
            yield path, value
        if depth <= _DEEPEST:
            waiting.extend((name, inner, depth + 1) for name, inner in _parts(path, value))


def _parts(path: str, value: object) -> Iterator[Named]:
    """The objects that one object leads to; a library's own functions lead to none of them."""
    if isinstance(value, types.FunctionType):
        is_library = is_installed_file(value.__code__.co_filename)
        yield from () if is_library else _of_function(value)
    elif isinstance(value, types.MethodType):
        yield from (("self", value.__self__), ("", value.__func__))
    elif isinstance(value, functools.partial):
        yield from _of_partial(cast("functools.partial[Any]", value))
    elif isinstance(value, types.ModuleType):
        return  # of a module only what the code names is of interest: see ``_of_function``
    elif isinstance(value, Mapping):
        items = cast(Mapping[object, object], value).items()
        yield from ((f"{path}[{key!r}]", item) for key, item in list(items)[:_MOST])
    elif isinstance(value, list | tuple):
        items = cast(list[object], value)[:_MOST]
        yield from ((f"{path}[{i}]", item) for i, item in enumerate(items))
    else:
        yield from _of_object(path, value)


def _of_object(path: str, value: object) -> Iterator[Named]:
    wrapped = getattr_or_none(value, "__wrapped__")
    if isinstance(wrapped, types.FunctionType):  # a jit callable, or a function of ours
        yield "", wrapped
    entries = getattr_or_none(value, "__dict__")
    if isinstance(entries, dict):
        found = cast(dict[str, object], entries)
        yield from ((_join(path, name), inner) for name, inner in list(found.items()))
    names: object = getattr_or_none(type(value), "__slots__")
    for name in cast(tuple[str, ...], names) if isinstance(names, tuple) else ():
        inner = getattr_or_none(value, name)
        if inner is not None:
            yield _join(path, name), inner


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _of_function(function: types.FunctionType) -> Iterator[Named]:
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    arguments = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    yield from zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    names = _names(code)
    for name in names:
        if name in function.__globals__:
            yield from _of_global(name, function.__globals__[name], names)


def _of_global(name: str, value: object, names: list[str]) -> Iterator[Named]:
    """A global; of a module the attributes that the code names."""
    if not isinstance(value, types.ModuleType):
        yield name, value
        return
    entries = vars(value)
    yield from ((f"{name}.{inner}", entries[inner]) for inner in names if inner in entries)


def _names(code: types.CodeType) -> list[str]:
    """The global names and attributes that a function's code and the code inside it use."""
    found = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= dict.fromkeys(_names(constant))
    return list(found)


def _of_partial(value: functools.partial[Any]) -> Iterator[Named]:
    yield "", value.func
    yield from ((f"args[{i}]", item) for i, item in enumerate(value.args))
    yield from value.keywords.items()


def getattr_or_none(value: object, name: str) -> object:
    """An attribute; None where the object has none, or refuses."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None
