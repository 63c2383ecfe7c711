"""Fingerprints of what annotations are made of and pickle keeps the name of alone."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any, Final

from tracegraph.warm.digester import Digester, UnfingerprintableError, add_kind

HINTS: Final[tuple[Any, ...]] = (
    *(types.UnionType, typing.ForwardRef, typing.NewType),
    *(typing.ParamSpec, typing.TypeVar, typing.TypeVarTuple),
    *([typing.TypeAliasType] if sys.version_info >= (3, 12) else []),
)

_PARTS: Final = (
    *("__name__", "__args__", "__forward_arg__", "__supertype__", "__value__"),
    *("__bound__", "__constraints__", "__covariant__", "__contravariant__"),
)


def add_hint(digester: Digester, value: Any, path: str) -> None:
    """Adds a variable, an alias or a choice of types: its name, and what it stands for."""
    add_kind(digester, value, path)
    try:
        parts = [getattr(value, name, None) for name in _PARTS]
    except Exception as error:  # newer Pythons compute them at this moment
        raise UnfingerprintableError(f"{path}, a hint: {error}") from None
    digester.add(parts, f"the parts of {path}")
