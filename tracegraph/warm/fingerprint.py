"""Fingerprints: a digest of a value and of everything that it can reach.

Two processes give the same digest to the same function only if its code, closure, globals,
defaults and the code of what it calls are the same. A value that no digest can stand for (a file, a
lock, code that reads the clock) is refused with a reason. Line numbers and file names do not count.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import dataclasses
import dis
import enum
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import jax
import jax.core
import numpy as np

from compiler.lowering import jax_compat

IMPURE_MODULES: Final = frozenset(
    {"asyncio", "datetime", "io", "os", "random", "secrets", "select", "shutil", "signal"}
    | {"socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid"}
)
"""What code that names one of these does depends on more than its arguments."""

IMPURE_BUILTINS: Final = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "globals", "input", "open"}
)

_LIBRARIES: Final = tuple(
    dict.fromkeys((sys.prefix, sys.base_prefix, str(Path(jax.__file__).parent.parent)))
)


class UnfingerprintableError(Exception):
    """A value that no digest can stand for; the message says which and why."""


def fingerprint(*values: Any) -> str:
    """The digest of some values together, as hexadecimal digits.

    Raises:
        UnfingerprintableError: there is no digest for one of them.
    """
    digester = _Digester()
    for value in values:
        digester.add(value, "it")
    return digester.hash.hexdigest()


class _Digester:
    """Walks through values, each object once."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, value: Any, path: str) -> None:
        """Enters a value; ``path`` says where it was found, for the reason of a refusal."""
        if self._add_plain(value):
            return None
        if id(value) in self._seen:
            return self._mark("again", self._seen[id(value)])
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)  # or its id might be given to another
        for kind, handle in _HANDLERS:
            if isinstance(value, kind):
                return handle(self, value, path)
        return _add_object(self, value, path)

    def _add_plain(self, value: Any) -> bool:
        if value is None or type(value) in (bool, int, str, bytes):
            self._mark(type(value).__name__, value)
            return True
        if type(value) in (float, complex):
            self._mark(type(value).__name__, repr(value))
            return True
        if value is Ellipsis or value is NotImplemented:
            self._mark("constant", repr(value))
            return True
        return False

    def _mark(self, kind: str, value: object) -> None:
        """Enters a text of known length, so that no two sequences of entries look alike."""
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        self.hash.update(f"{kind}:{len(data)}:".encode())
        self.hash.update(data)

    mark = _mark

    def add_all(self, kind: str, values: Iterable[tuple[str, Any]], path: str) -> None:
        """Enters a container: its kind, its length, its parts."""
        parts = list(values)
        self._mark(kind, len(parts))
        for name, part in parts:
            self._mark("name", name)
            self.add(part, f"{path}{name}")


def _add_array(digester: _Digester, value: Any, path: str) -> None:
    if isinstance(value, jax.core.Tracer):
        raise UnfingerprintableError(f"{path} is a value of a running trace")
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        digester.mark("key", str(value.dtype))
        value = jax.random.key_data(value)
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise UnfingerprintableError(f"{path} is an array of Python objects")
    digester.mark("array", f"{array.dtype.str} {array.dtype.name} {array.shape}")
    digester.mark("weak", getattr(value, "weak_type", False))
    digester.hash.update(np.ascontiguousarray(array).tobytes())


def _add_sequence(digester: _Digester, value: Any, path: str) -> None:
    digester.mark("class", _qualified(type(value)))
    digester.add_all("items", ((f"[{i}]", part) for i, part in enumerate(value)), path)


def _add_mapping(digester: _Digester, value: Mapping[Any, Any], path: str) -> None:
    digester.mark("class", _qualified(type(value)))
    for key, part in value.items():
        digester.add(key, f"a key of {path}")
        digester.add(part, f"{path}[{key!r:.40}]")


def _add_set(digester: _Digester, value: Iterable[Any], _: str) -> None:
    parts = sorted(fingerprint(part) for part in value)
    digester.mark("set", " ".join(parts))


def _add_enum(digester: _Digester, value: enum.Enum, _: str) -> None:
    digester.mark("enum", f"{_qualified(type(value))}.{value.name}")


def _add_ufunc(digester: _Digester, value: np.ufunc, path: str) -> None:
    if getattr(np, value.__name__, None) is not value:
        raise UnfingerprintableError(f"{path} is a ufunc that is not numpy's own")
    digester.mark("ufunc", f"{value.__name__} {np.__version__}")


def _add_device(digester: _Digester, value: Any, _: str) -> None:
    digester.mark("device", f"{value.id} {value.platform} {value.device_kind}")


def _add_module(digester: _Digester, value: types.ModuleType, path: str) -> None:
    top = value.__name__.split(".")[0]
    if top in IMPURE_MODULES:
        raise UnfingerprintableError(f"{path} is the module {value.__name__}: it may read anything")
    digester.mark("module", f"{value.__name__} {_version(top)}")


def _add_class(digester: _Digester, value: type, path: str) -> None:
    digester.mark("class", _qualified(value))
    if _is_library_module(value.__module__):
        digester.mark("version", _version(value.__module__.split(".")[0]))
        return
    for base in value.__bases__:
        digester.add(base, f"a base of {path}")
    for name, part in sorted(vars(value).items()):
        if name not in _CLASS_NOISE and not isinstance(part, types.GetSetDescriptorType):
            digester.mark("name", name)
            digester.add(part, f"{path}.{name}")


_CLASS_NOISE: Final = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__"}
    | {
        "__static_attributes__",
        "__annotations__",
        "__abstractmethods__",
        "_abc_impl",
        "__slotnames__",
    }
    | {"__match_args__", "__annotate_func__"}
)
"""What a class holds that no result depends on, or that differs from process to process."""


def _add_function(digester: _Digester, value: types.FunctionType, path: str) -> None:
    path = value.__qualname__ if path == "it" else path
    if _is_library_module(value.__module__ or ""):
        top = (value.__module__ or "").split(".")[0]
        digester.mark("function", f"{value.__module__}.{value.__qualname__} {_version(top)}")
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


def _add_code(digester: _Digester, code: types.CodeType, path: str) -> None:
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
    digester: _Digester, code: types.CodeType, scope: Mapping[str, Any], path: str
) -> None:
    names = list(dict.fromkeys(_all_names(code)))
    for name in names:
        if name in scope:
            digester.mark("global", name)
            _add_named(digester, scope[name], names, name)
        elif name in IMPURE_BUILTINS:
            raise UnfingerprintableError(f"{path} calls {name}: it may read anything")


def _add_named(digester: _Digester, value: Any, names: Iterable[str], path: str) -> None:
    """Enters a global; of a module of the user's, what the code names of it."""
    digester.add(value, path)
    if not isinstance(value, types.ModuleType) or _is_library_module(value.__name__):
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


def _add_method(digester: _Digester, value: types.MethodType, path: str) -> None:
    digester.add(value.__func__, path)
    digester.add(value.__self__, f"the object of {path}")


def _add_partial(digester: _Digester, value: functools.partial[Any], path: str) -> None:
    digester.mark("partial", type(value).__name__)
    for part in (value.func, value.args, value.keywords):
        digester.add(part, path)


def _add_builtin(digester: _Digester, value: types.BuiltinFunctionType, path: str) -> None:
    if value.__name__ in IMPURE_BUILTINS:
        raise UnfingerprintableError(f"{path} is {value.__name__}: it may read anything")
    digester.mark("builtin", f"{value.__module__}.{value.__qualname__}")
    if not isinstance(value.__self__, (types.ModuleType, type(None))):
        digester.add(value.__self__, f"the object of {path}")


def _add_tree(digester: _Digester, value: Any, path: str) -> None:
    """Enters the structure of a tree: the class and metadata of each node."""
    digester.add(value.node_data(), f"the metadata of {path}")
    digester.mark("children", value.num_leaves)
    for child in value.children():
        digester.add(child, path)


def _add_static_or_class_method(digester: _Digester, value: Any, path: str) -> None:
    digester.mark("descriptor", type(value).__name__)
    digester.add(value.__func__, path)


def _add_property(digester: _Digester, value: property, path: str) -> None:
    for part in (value.fget, value.fset, value.fdel):
        digester.add(part, path)


def _add_object(digester: _Digester, value: Any, path: str) -> None:
    """Enters an object of any other class, by what pickle would keep of it."""
    digester.add(type(value), f"the class of {path}")
    if jax_compat.is_jit_callable(value):
        digester.add(value.__wrapped__, path)
        digester.mark("options", jax_compat.static_positions(value))
        return
    if dataclasses.is_dataclass(value):
        parts = ((f".{f.name}", getattr(value, f.name, None)) for f in dataclasses.fields(value))
        digester.add_all("fields", parts, path)
        return
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:
        raise UnfingerprintableError(f"{path}, a {type(value).__qualname__}: {error}") from None
    if isinstance(reduced, str):
        digester.mark("by name", reduced)
        return
    for part in reduced[:3]:
        digester.add(part, path)
    for parts in reduced[3:5]:
        digester.add(None if parts is None else list(parts), path)


_Handler = Callable[[_Digester, Any, str], None]
_HANDLERS: Final[tuple[tuple[Any, _Handler], ...]] = (
    ((np.ndarray, np.generic, jax.Array), _add_array),
    (enum.Enum, _add_enum),
    (np.ufunc, _add_ufunc),
    (jax.Device, _add_device),
    ((list, tuple), _add_sequence),
    ((dict, types.MappingProxyType), _add_mapping),
    ((set, frozenset), _add_set),
    (types.ModuleType, _add_module),
    (type, _add_class),
    (types.FunctionType, _add_function),
    (types.MethodType, _add_method),
    (functools.partial, _add_partial),
    (types.BuiltinFunctionType, _add_builtin),
    ((staticmethod, classmethod), _add_static_or_class_method),
    (property, _add_property),
    (jax.tree_util.PyTreeDef, _add_tree),
)


def _qualified(value: type) -> str:
    return f"{value.__module__}.{value.__qualname__}"


@functools.cache
def _is_library_module(name: str) -> bool:
    """Whether a module is installed, and so stands for its version."""
    if name in ("", "__main__"):
        return False
    if name in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return name.split(".")[0] in sys.stdlib_module_names
    return str(file).startswith(_LIBRARIES) or name.split(".")[0] in ("compiler", "tracegraph")


@functools.cache
def _version(package: str) -> str:
    return str(getattr(sys.modules.get(package), "__version__", sys.version))
