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
import enum
import functools
import types
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final

import jax
import jax.core
import numpy as np

from compiler.lowering import jax_compat
from tracegraph.warm.code_digests import IMPURE_BUILTINS, add_function
from tracegraph.warm.digester import (
    Digester,
    Handlers,
    UnfingerprintableError,
    is_library_module,
    qualified,
    version,
)
from tracegraph.warm.impure import refuse_impure


def fingerprint(*values: Any) -> str:
    """The digest of some values together, as hexadecimal digits.

    Raises:
        UnfingerprintableError: there is no digest for one of them.
    """
    digester = Digester(_HANDLERS, _add_object)
    for value in values:
        digester.add(value, "it")
    return digester.hash.hexdigest()


def _add_array(digester: Digester, value: Any, path: str) -> None:
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


def _add_sequence(digester: Digester, value: Any, path: str) -> None:
    digester.mark("class", qualified(type(value)))
    digester.add_all("items", ((f"[{i}]", part) for i, part in enumerate(value)), path)
    _add_attributes(digester, value, path)


def _add_attributes(digester: Digester, value: Any, path: str) -> None:
    """Adds what an object of a derived class holds beside what its base class is made of."""
    attributes = getattr(value, "__dict__", None)
    if attributes:
        digester.add(attributes, f"the attributes of {path}")


def _add_mapping(digester: Digester, value: Mapping[Any, Any], path: str) -> None:
    digester.mark("class", qualified(type(value)))
    for key, part in value.items():
        digester.add(key, f"a key of {path}")
        digester.add(part, f"{path}[{key!r:.40}]")
    if isinstance(value, defaultdict):
        digester.add(value.default_factory, f"the factory of {path}")
    _add_attributes(digester, value, path)


def _add_set(digester: Digester, value: Iterable[Any], path: str) -> None:
    parts = sorted(fingerprint(part) for part in value)
    digester.mark("set", " ".join(parts))
    _add_attributes(digester, value, path)


def _add_enum(digester: Digester, value: enum.Enum, path: str) -> None:
    digester.mark("enum", f"{qualified(type(value))}.{value.name}")
    digester.add(value.value, f"the value of {path}")
    digester.add(type(value), f"the class of {path}")


def _add_path(digester: Digester, value: PurePath, _: str) -> None:
    digester.mark("path", str(value))


def _add_ufunc(digester: Digester, value: np.ufunc, path: str) -> None:
    if getattr(np, value.__name__, None) is not value:
        raise UnfingerprintableError(f"{path} is a ufunc that is not numpy's own")
    digester.mark("ufunc", f"{value.__name__} {np.__version__}")


def _add_device(digester: Digester, value: Any, _: str) -> None:
    digester.mark("device", f"{value.id} {value.platform} {value.device_kind}")


def _add_module(digester: Digester, value: types.ModuleType, path: str) -> None:
    refuse_impure(value, path)
    digester.mark("module", f"{value.__name__} {version(value.__name__.split('.')[0])}")


def _add_class(digester: Digester, value: type, path: str) -> None:
    digester.mark("class", qualified(value))
    if is_library_module(value.__module__):
        refuse_impure(value, path)
        digester.mark("version", version(value.__module__.split(".")[0]))
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


def _add_method(digester: Digester, value: types.MethodType, path: str) -> None:
    digester.add(value.__func__, path)
    digester.add(value.__self__, f"the object of {path}")


def _add_partial(digester: Digester, value: functools.partial[Any], path: str) -> None:
    digester.mark("partial", type(value).__name__)
    for part in (value.func, value.args, value.keywords):
        digester.add(part, path)
    _add_attributes(digester, value, path)


def _add_builtin(digester: Digester, value: types.BuiltinFunctionType, path: str) -> None:
    if value.__name__ in IMPURE_BUILTINS:
        raise UnfingerprintableError(f"{path} is {value.__name__}: it may read anything")
    refuse_impure(value, path)
    digester.mark("builtin", f"{value.__module__}.{value.__qualname__}")
    if not isinstance(value.__self__, (types.ModuleType, type(None))):
        digester.add(value.__self__, f"the object of {path}")


def _add_tree(digester: Digester, value: Any, path: str) -> None:
    """Adds the structure of a tree: the class and metadata of each node."""
    digester.add(value.node_data(), f"the metadata of {path}")
    digester.mark("children", value.num_leaves)
    for child in value.children():
        digester.add(child, path)


def _add_static_or_class_method(digester: Digester, value: Any, path: str) -> None:
    digester.mark("descriptor", type(value).__name__)
    digester.add(value.__func__, path)


def _add_property(digester: Digester, value: property, path: str) -> None:
    for part in (value.fget, value.fset, value.fdel):
        digester.add(part, path)


def _add_object(digester: Digester, value: Any, path: str) -> None:
    """Adds an object of any other class, by what pickle would keep of it."""
    digester.add(type(value), f"the class of {path}")
    if jax_compat.is_jit_callable(value):
        digester.add(value.__wrapped__, path)
        digester.mark("options", jax_compat.static_positions(value))
        return
    if dataclasses.is_dataclass(value):
        parts = ((f".{f.name}", getattr(value, f.name, None)) for f in dataclasses.fields(value))
        digester.add_all("fields", parts, path)
        digester.add(_beside_fields(value), f"the attributes of {path}")
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


def _beside_fields(value: Any) -> dict[str, Any]:
    """What a dataclass's object holds that is no field of it.

    What libraries' base classes keep for themselves under private names, as flax's modules do, is
    their own.
    """
    fields = {field.name for field in dataclasses.fields(value)}
    is_derived = any(map(_is_librarys, type(value).__mro__))
    return {
        name: part
        for name, part in getattr(value, "__dict__", {}).items()
        if name not in fields and not (is_derived and name.startswith("_"))
    }


def _is_librarys(base: type) -> bool:
    return base.__module__ not in ("builtins", "typing", "abc") and is_library_module(
        base.__module__
    )


_HANDLERS: Final[Handlers] = (
    ((np.ndarray, np.generic, jax.Array), _add_array),
    (enum.Enum, _add_enum),
    (PurePath, _add_path),
    (np.ufunc, _add_ufunc),
    (jax.Device, _add_device),
    ((list, tuple), _add_sequence),
    ((dict, types.MappingProxyType), _add_mapping),
    ((set, frozenset), _add_set),
    (types.ModuleType, _add_module),
    (type, _add_class),
    (types.FunctionType, add_function),
    (types.MethodType, _add_method),
    (functools.partial, _add_partial),
    (types.BuiltinFunctionType, _add_builtin),
    ((staticmethod, classmethod), _add_static_or_class_method),
    (property, _add_property),
    (jax.tree_util.PyTreeDef, _add_tree),
)
