"""The walk of a fingerprint through values, and what stands for installed code."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
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
        holders: the user's classes and functions that were met, and where.
        named: what code names that is added of all holders, once all code is known.
    """

    def __init__(self, handlers: Handlers, other: Handler) -> None:
        self._handlers = handlers
        self._other = other
        self.hash = hashlib.sha256()
        self.holders: list[tuple[Any, str]] = []
        self.named: set[str] = set()
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
        if getattr(value, "__class__", None) is not type(value):
            raise UnfingerprintableError(f"{path}, a {type(value).__name__}, passes for another")
        for kind, handle in self._handlers:
            if isinstance(value, kind):
                return handle(self, value, path)
        return self._other(self, value, path)

    def apart(self, value: Any, path: str) -> str:
        """The digest of a value by itself, which knows what was met on the way to it."""
        other = Digester(self._handlers, self._other)
        other.holders, other.named = self.holders, self.named
        other._seen, other._alive = self._seen, self._alive
        before = len(self._seen)
        other.add(value, path)
        while len(self._seen) > before:  # what comes next must not depend on the order of parts
            self._seen.popitem()
        return other.hash.hexdigest()

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


def add_kind(digester: Digester, value: Any, path: str) -> None:
    """Adds the class of a value that is made of what its base class is made of."""
    kind: type = type(value)
    if kind in _BARE:
        return digester.mark("kind", kind.__name__)
    if not is_library_class(kind):
        return digester.add(kind, f"the class of {path}")
    return digester.mark("kind", f"{qualified(kind)} {version(kind.__module__.split('.')[0])}")


def add_state(digester: Digester, value: Any, path: str) -> None:
    """Adds what an object of a derived class holds beside what its base class is made of."""
    state: Any = None if type(value) in _BARE else object.__getstate__(value)
    if state:
        digester.add(state, f"the attributes of {path}")


_BARE: Final[frozenset[type]] = frozenset({dict, frozenset, list, set, tuple})


def is_library_class(kind: type) -> bool:
    """Whether a class is a library's: one made by ``exec`` in no module says ``builtins``."""
    is_made = kind.__module__ == "builtins" and kind.__flags__ & _IS_MADE_AT_RUN_TIME
    return not is_made and is_library_module(kind.__module__)


_IS_MADE_AT_RUN_TIME: Final = 1 << 9
"""CPython's flag for classes that are not part of its own memory."""


@functools.cache
def is_library_module(name: str) -> bool:
    """Whether a module is installed, and so stands for its version."""
    if name in ("", "__main__"):
        return False
    if name in sys.builtin_module_names:
        return True
    top = name.split(".")[0]
    folders = _files_of(name)
    if folders:
        return top in _WITH_VERSION or all(is_installed_file(str(path)) for path in folders)
    # what a library makes as it is loaded has no file of its own
    return top in sys.stdlib_module_names or ("." in name and is_library_module(top))


def _files_of(name: str) -> list[Path]:
    """The file of a module; the folders of a package without one."""
    variables: dict[str, Any] = getattr(sys.modules.get(name), "__dict__", {})
    file = variables.get("__file__")
    return [Path(path) for path in ([file] if file else variables.get("__path__") or ())]


@functools.cache
def version(package: str) -> str:
    """The version of a package, Python's own included; without one, the state of its files."""
    if package in sys.stdlib_module_names:
        return sys.version
    variables: dict[str, Any] = getattr(sys.modules.get(package), "__dict__", {})
    found = variables.get("__version__")
    if isinstance(found, str):
        return found
    if variables.get("__file__") is None:  # a name that several distributions share
        return _state_of_files(package)
    try:
        return metadata.version(package)
    except Exception:  # its distribution has another name, or is broken
        return _state_of_files(package)


def _state_of_files(package: str) -> str:
    """A digest of the sizes and times of a package's files."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _files_of(package):
        root = path.parent if path.name.startswith("__init__.") else path
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        for file in files:
            if file.suffix not in _MADE_AS_IT_RUNS and file.is_file():
                status = file.stat()
                digest.update(f"{file} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


_MADE_AS_IT_RUNS: Final = frozenset({".pyc", ".nbc", ".nbi"})
"""The files that Python and numba write beside a library's own."""
