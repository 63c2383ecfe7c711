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
from pathlib import PurePath
from typing import Any, Final

import jax
import numpy as np

from compiler.lowering import jax_compat
from tracegraph.warm.arrays import add_array, is_plain_array
from tracegraph.warm.classes import add_class, add_late
from tracegraph.warm.code_digests import IMPURE_BUILTINS
from tracegraph.warm.containers import (
    MAPPINGS,
    SEQUENCES,
    SETS,
    add_mapping,
    add_sequence,
    add_set,
)
from tracegraph.warm.digester import (
    Digester,
    Handlers,
    UnfingerprintableError,
    add_kind,
    add_state,
    is_library_class,
    is_library_module,
    qualified,
    version,
)
from tracegraph.warm.hints import HINTS, add_hint
from tracegraph.warm.impure import refuse_impure
from tracegraph.warm.modules import add_function, add_module
from tracegraph.warm.placements import add_abstract_mesh, add_device, add_mesh


def fingerprint(*values: Any) -> str:
    """The digest of some values together, as hexadecimal digits.

    Raises:
        UnfingerprintableError: there is no digest for one of them.
    """
    digester = Digester(_HANDLERS, _add_object)
    try:
        for value in values:
            digester.add(value, "it")
        add_late(digester)
    except RecursionError:
        raise UnfingerprintableError("its values are nested too deeply") from None
    return digester.hash.hexdigest()


def _add_any_array(digester: Digester, value: Any, path: str) -> None:
    """Adds an array; what is more than one, such as a masked array, as pickle would keep it."""
    if is_plain_array(value):
        return add_array(digester, value, path)
    _add_object(digester, value, path)
    return add_state(digester, value, path)


def _add_enum(digester: Digester, value: enum.Enum, path: str) -> None:
    digester.mark("enum", f"{qualified(type(value))}.{value.name}")
    digester.add(value.value, f"the value of {path}")
    digester.add(type(value), f"the class of {path}")


def _add_path(digester: Digester, value: PurePath, path: str) -> None:
    add_kind(digester, value, path)
    digester.mark("path", str(value))


def _add_ufunc(digester: Digester, value: np.ufunc, path: str) -> None:
    if getattr(np, value.__name__, None) is not value:
        raise UnfingerprintableError(f"{path} is a ufunc that is not numpy's own")
    digester.mark("ufunc", f"{value.__name__} {np.__version__}")


def _add_method(digester: Digester, value: types.MethodType, path: str) -> None:
    digester.add(value.__func__, path)
    digester.add(value.__self__, f"the object of {path}")


def _add_partial(digester: Digester, value: functools.partial[Any], path: str) -> None:
    add_kind(digester, value, path)
    for part in (value.func, value.args, value.keywords):
        digester.add(part, path)
    add_state(digester, value, path)


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
    add_kind(digester, value, path)
    digester.add(value.__func__, path)


def _add_property(digester: Digester, value: property, path: str) -> None:
    add_kind(digester, value, path)
    for part in (value.fget, value.fset, value.fdel):
        digester.add(part, path)


def _add_object(digester: Digester, value: Any, path: str) -> None:
    """Adds an object of any other class, by what pickle would keep of it."""
    digester.add(type(value), f"the class of {path}")
    if jax_compat.is_jit_callable(value):
        digester.add(value.__wrapped__, path)
        return digester.mark("options", jax_compat.static_positions(value))
    if dataclasses.is_dataclass(value):
        parts = ((f".{f.name}", getattr(value, f.name, None)) for f in dataclasses.fields(value))
        digester.add_all("fields", parts, path)
        return digester.add(_beside_fields(value), f"the attributes of {path}")
    return _add_reduced(digester, value, path)


def _add_reduced(digester: Digester, value: Any, path: str) -> None:
    try:
        reduced = value.__reduce_ex__(4)
        parts = reduced if isinstance(reduced, str) else [*reduced[:3], *map(_listed, reduced[3:5])]
    except Exception as error:
        raise UnfingerprintableError(f"{path}, a {type(value).__qualname__}: {error}") from None
    if isinstance(parts, str):
        return _add_by_name(digester, value, parts, path)
    for part in parts:
        digester.add(part, path)
    return digester.add(tuple(reduced[5:]), path)


def _listed(parts: Any) -> list[Any] | None:
    return None if parts is None else list(parts)


def _add_by_name(digester: Digester, value: Any, name: str, path: str) -> None:
    """Adds an object that pickle keeps the name of: a library's own stands for its version."""
    module = getattr(value, "__module__", None) or type(value).__module__
    if not is_library_module(module) or not is_library_class(type(value)):
        raise UnfingerprintableError(f"{path}, a {type(value).__qualname__}, hides what it holds")
    refuse_impure(value, path)
    digester.mark("by name", f"{module}.{name} {version(module.split('.')[0])}")


def _add_cached(digester: Digester, value: Any, path: str) -> None:
    """Adds a function behind ``functools.cache``: all that it keeps follows from what it calls."""
    digester.mark("cached", sorted(value.cache_parameters().items()))
    digester.add(value.__wrapped__, path)
    parts = {name: part for name, part in vars(value).items() if name != "__wrapped__"}
    digester.add(parts, f"the attributes of {path}")


def _beside_fields(value: Any) -> dict[str, Any]:
    """What a dataclass's object holds that is no field of it, but what flax keeps for itself."""
    fields = {field.name for field in dataclasses.fields(value)}
    if any(qualified(base) == _FLAX_MODULE for base in type(value).__mro__):
        fields |= _OF_FLAX
    state: Any = object.__getstate__(value)
    parts = state if isinstance(state, tuple) else (state,)
    held = {name: part for some in parts for name, part in (some or {}).items()}
    return {name: part for name, part in held.items() if name not in fields}


_FLAX_MODULE: Final = "flax.linen.module.Module"

_OF_FLAX: Final = frozenset({"_compact_name_scope_modules", "_id", "_parent_ref", "_state"})
"""What a linen module counts and notes as it runs."""


_HANDLERS: Final[Handlers] = (
    ((np.ndarray, np.generic, jax.Array), _add_any_array),
    (enum.Enum, _add_enum),
    (PurePath, _add_path),
    (np.ufunc, _add_ufunc),
    (jax.Device, add_device),
    (jax.sharding.Mesh, add_mesh),
    (jax.sharding.AbstractMesh, add_abstract_mesh),
    (SEQUENCES, add_sequence),
    (MAPPINGS, add_mapping),
    (SETS, add_set),
    (types.ModuleType, add_module),
    (type, add_class),
    (types.FunctionType, add_function),
    (types.MethodType, _add_method),
    (functools.partial, _add_partial),
    (type(functools.cache(len)), _add_cached),
    (types.BuiltinFunctionType, _add_builtin),
    ((staticmethod, classmethod), _add_static_or_class_method),
    (property, _add_property),
    (HINTS, add_hint),
    (jax.tree_util.PyTreeDef, _add_tree),
)
