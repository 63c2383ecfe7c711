"""The walk of a fingerprint through values, and what stands for installed code."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from compiler.ir.source_files import is_installed_file

_WITH_VERSION: Final = frozenset({"compiler", "jax", "jaxlib", "tracegraph"})
"""Packages that stand for their version wherever they lie."""


class UnfingerprintableError(Exception):
    """A value that no digest can stand for; the message says which and why."""


Handler: TypeAlias = "Callable[[Digester, Any, str], None]"
Handlers: TypeAlias = "Sequence[tuple[Any, Handler]]"


class Digester:
    """Walks through values, each object once.

    Args:
        handlers: how values of a class are added, the first that fits.
        other: how all others are.

    Attributes:
        hash: the digest so far.
    """

    def __init__(self, handlers: Handlers, other: Handler) -> None:
        self._handlers = handlers
        self._other = other
        self.hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, value: Any, path: str) -> None:
        """Adds a value; ``path`` says where it was found, for the reason of a refusal."""
        if self._add_plain(value):
            return None
        if id(value) in self._seen:
            return self.mark("again", self._seen[id(value)])
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)  # or its id might be given to another
        for kind, handle in self._handlers:
            if isinstance(value, kind):
                return handle(self, value, path)
        return self._other(self, value, path)

    def _add_plain(self, value: Any) -> bool:
        if value is None or type(value) in (bool, int, str, bytes):
            self.mark(type(value).__name__, value)
            return True
        if type(value) in (float, complex):
            self.mark(type(value).__name__, repr(value))
            return True
        if value is Ellipsis or value is NotImplemented:
            self.mark("constant", repr(value))
            return True
        return False

    def mark(self, kind: str, value: object) -> None:
        """Adds a text of known length, so that no two sequences of entries look alike."""
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        self.hash.update(f"{kind}:{len(data)}:".encode())
        self.hash.update(data)

    def add_all(self, kind: str, values: Iterable[tuple[str, Any]], path: str) -> None:
        """Adds a container: its kind, its length, its parts."""
        parts = list(values)
        self.mark(kind, len(parts))
        for name, part in parts:
            self.mark("name", name)
            self.add(part, f"{path}{name}")


def qualified(value: type) -> str:
    """The full name of a class."""
    return f"{value.__module__}.{value.__qualname__}"


@functools.cache
def is_library_module(name: str) -> bool:
    """Whether a module is installed, and so stands for its version."""
    if name in ("", "__main__"):
        return False
    if name in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return name.split(".")[0] in sys.stdlib_module_names
    return name.split(".")[0] in _WITH_VERSION or is_installed_file(str(file))


@functools.cache
def version(package: str) -> str:
    """The version of a package; Python's for one without."""
    return str(getattr(sys.modules.get(package), "__version__", sys.version))
