"""What libraries offer that gives another result the next time: clocks, files, random numbers."""

from __future__ import annotations

import types
from typing import Any, Final

from tracegraph.warm.digester import UnfingerprintableError

_MODULES: Final = frozenset(
    {"asyncio", "datetime", "fileinput", "genericpath", "getpass", "glob", "importlib", "io"}
    | {"linecache", "nt", "ntpath", "os", "pathlib", "pkgutil", "platform", "posix"}
    | {"posixpath", "random", "runpy", "secrets", "select", "shutil", "signal", "socket"}
    | {"sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"}
)
"""Of the standard library, by the first part of their names, private ones such as ``_io`` too."""

_NUMPY_RANDOM: Final = "numpy.random"

_READERS: Final = frozenset(
    {"fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap", "open_memmap"}
)
"""What reads files in numpy and in ``jax.numpy``."""


def refuse_impure(value: Any, path: str) -> None:
    """Raises for a module, class or function of a library whose results no digest can stand for.

    Args:
        value: what code names.
        path: where it was found, for the reason.

    Raises:
        UnfingerprintableError: it may give something else in the next process.
    """
    if isinstance(value, types.ModuleType):
        if _is_impure_module(value.__name__):
            raise UnfingerprintableError(
                f"{path} is the module {value.__name__}: it may read anything"
            )
        return
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if not isinstance(module, str):  # a method that was taken from a hidden object
        owner: object = getattr(value, "__self__", None)
        module = type(owner).__module__
    top = module.split(".")[0]
    reads = top in ("jax", "numpy") and "numpy" in module and name in _READERS
    if reads or _is_impure_module(module):
        raise UnfingerprintableError(f"{path} is {name} of {module}: it may read anything")


def _is_impure_module(name: str) -> bool:
    if name == _NUMPY_RANDOM or name.startswith(f"{_NUMPY_RANDOM}."):
        return True
    return name.split(".")[0].lstrip("_") in _MODULES
