"""Fingerprints of containers: their class, their parts, and what else a derived one holds."""

from __future__ import annotations

import types
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tracegraph.warm.digester import Digester, add_kind, add_state

SEQUENCES: Final = (list, tuple)
MAPPINGS: Final = (OrderedDict, dict, types.MappingProxyType)
SETS: Final = (set, frozenset)

# A derived class may give others than it holds, so each asks the base class.


def add_sequence(digester: Digester, value: Any, path: str) -> None:
    """Adds a list or tuple, in its order."""
    add_kind(digester, value, path)
    base: Any = list if isinstance(value, list) else tuple
    parts: Iterable[Any] = base.__iter__(value)
    digester.add_all("items", ((f"[{i}]", part) for i, part in enumerate(parts)), path)
    add_state(digester, value, path)


def add_mapping(digester: Digester, value: Mapping[Any, Any], path: str) -> None:
    """Adds a dictionary, in its order: code may walk through it."""
    add_kind(digester, value, path)
    base: Any = next(kind for kind in MAPPINGS if isinstance(value, kind))
    items: list[tuple[Any, Any]] = list(base.items(value))
    digester.mark("entries", len(items))
    for key, part in items:
        digester.add(key, f"a key of {path}")
        digester.add(part, f"{path}[{_text(key)}]")
    if isinstance(value, defaultdict):
        digester.add(value.default_factory, f"the factory of {path}")
    if not isinstance(value, types.MappingProxyType):
        add_state(digester, value, path)


def _text(key: Any) -> str:
    return f"{key!r:.40}" if isinstance(key, (str, int)) else type(key).__name__


def add_set(digester: Digester, value: Any, path: str) -> None:
    """Adds a set, whose own order differs from process to process."""
    add_kind(digester, value, path)
    base: Any = set if isinstance(value, set) else frozenset
    parts: Iterable[Any] = base.__iter__(value)
    found = sorted(digester.apart(part, f"a part of {path}") for part in parts)
    digester.mark("set", " ".join(found))
    add_state(digester, value, path)
