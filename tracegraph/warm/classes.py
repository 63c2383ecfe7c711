"""Fingerprints of classes: their bases, what they hold, and how JAX takes their objects apart."""

from __future__ import annotations

import inspect
import itertools
import types
from typing import Any, Final

from compiler.lowering.jax_compat import whole
from tracegraph.warm.digester import (
    Digester,
    UnfingerprintableError,
    is_library_class,
    is_library_module,
    qualified,
    version,
)
from tracegraph.warm.impure import refuse_impure

_NOISE: Final = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__"}
    | {"__static_attributes__", "__annotations__", "__annotations_cache__", "__annotate_func__"}
    | {"__conditional_annotations__", "__abstractmethods__", "_abc_impl", "__slotnames__"}
)
"""What a class holds that no result depends on, or that differs from process to process."""

_READ_DOC: Final = frozenset({"__doc__", "getdoc"})
_READ_ANNOTATIONS: Final = frozenset(
    {"__annotations__", "__annotate__", "get_annotations", "get_type_hints", "signature"}
)

LATE: Final = _READ_DOC | _READ_ANNOTATIONS
"""What code names that reads texts or annotations, which count for no other code."""


def add_class(digester: Digester, value: type, path: str) -> None:
    """Adds a class: a library's version, or all that a class of the user's is made of."""
    digester.mark("class", qualified(value))
    if type(value) is not type:
        digester.add(type(value), f"the class of {path}")
    _add_registration(digester, value, path)
    if is_library_class(value):
        refuse_impure(value, path)
        return digester.mark("version", version(value.__module__.split(".")[0]))
    digester.holders.append((value, path))
    for base in value.__bases__:
        digester.add(base, f"a base of {path}")
    for name, part in sorted(vars(value).items()):
        if name not in _NOISE and not isinstance(part, types.GetSetDescriptorType):
            digester.mark("name", name)
            digester.add(part, f"{path}.{name}")
    return None


def _add_registration(digester: Digester, value: type, path: str) -> None:
    """Adds the functions that JAX takes objects apart with, but a library's for its own class."""
    of_library = is_library_class(value)
    for function in whole.registration(value):
        known = of_library and isinstance(function, types.FunctionType)
        if not known or not is_library_module(function.__module__ or ""):
            digester.add(function, f"what {path} is registered with as a tree")


def add_late(digester: Digester) -> None:
    """Adds the texts and annotations of all that was met, where some code reads such."""
    done: set[tuple[int, str]] = set()
    while True:
        readers = sorted(digester.named)
        pairs = itertools.product(digester.holders, readers)
        met = {(id(holder), name): (holder, path, name) for (holder, path), name in pairs}
        new = [entry for key, entry in met.items() if key not in done]
        if not new:
            return
        done.update(met)
        found = sorted(_read(digester, *entry) for entry in new)  # some were met in a set
        digester.mark("read", " ".join(found))


def _read(digester: Digester, holder: Any, path: str, name: str) -> str:
    where = f"what {name} reads of {path}"
    if name in _READ_DOC:
        return digester.apart((holder.__qualname__, holder.__doc__), where)
    try:
        annotations = inspect.get_annotations(holder)
    except Exception as error:  # they are computed at this moment in newer Pythons
        raise UnfingerprintableError(f"{where}: {error}") from None
    return digester.apart((holder.__qualname__, dict(annotations)), where)
