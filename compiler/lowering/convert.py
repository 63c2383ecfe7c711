"""Parameters of JAX primitives to attributes and back.

Plain values stand for themselves. Objects that their text can rebuild become enumerations and
records; all others are carried whole. A value that came from JAX goes back as the same object.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable
from typing import Any, Final, cast

import jax
import numpy as np

from compiler.ir.attributes import Attribute, Dense, EnumValue, Opaque, Record
from compiler.ir.errors import TracegraphError
from compiler.ir.types import ExtendedDType
from compiler.lowering import jax_compat
from compiler.lowering.convert_types import NotInTextError, to_dtype, to_jax_dtype

_PLAIN: Final = frozenset({bool, int, float, complex, str, bytes, type(None)})
_UNSPECIFIED: Final = ("Sharding", "UNSPECIFIED")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+|0x[0-9a-fA-F]{6,}")
_MAX_TEXT: Final = 200


def to_attribute(value: Any, *, has_sizes: bool = False) -> Attribute:
    """The attribute that stands for a parameter's value.

    Args:
        value: what JAX calls the primitive with.
        has_sizes: whether the primitive is an array operation of JAX's own: its integers are sizes,
            axes and counts, and an integer of numpy is one like any other. To a foreign call, or a
            primitive of somebody else's, the type of an integer may matter.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.dtype) or jax_compat.is_extended_dtype(value):
        return to_dtype(value)
    if type(value) in (np.int64, np.bool_) or (has_sizes and isinstance(value, np.integer)):
        return value.item()
    if isinstance(value, type):
        return np.dtype(cast(Any, value)) if issubclass(value, np.generic) else _opaque(value)
    if isinstance(value, range):
        return tuple(value)
    if isinstance(value, tuple):
        return _tuple(cast(tuple[Any, ...], value), has_sizes)
    if isinstance(value, enum.Enum):
        return EnumValue(type(value).__name__, value.name, value)
    if jax_compat.is_unspecified(value):
        return EnumValue(*_UNSPECIFIED, value)
    if isinstance(value, np.generic | np.ndarray):
        return Dense(np.asarray(cast(Any, value)), cast(object, value))
    return _opaque(value)


def from_attribute(value: Attribute) -> Any:
    """The parameter's value that an attribute stands for.

    Raises:
        TracegraphError: the attribute was read from text and no text can rebuild it.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, EnumValue | Record | Opaque | Dense) and value.handle is not None:
        return value.handle
    if isinstance(value, tuple):
        return tuple(from_attribute(item) for item in value)
    if isinstance(value, ExtendedDType):
        return to_jax_dtype(value)
    if isinstance(value, Dense):
        return value.array
    if isinstance(value, EnumValue):
        return _enum(value)
    if isinstance(value, Record):
        return _record(value)
    if isinstance(value, Opaque):
        raise _cannot_rebuild(f"{value.kind} {value.text}")
    return value


def _tuple(value: tuple[Any, ...], has_sizes: bool) -> Attribute:
    names: Iterable[str] | None = getattr(value, "_fields", None)
    items = tuple(to_attribute(item, has_sizes=has_sizes) for item in value)
    if names is None:
        return items
    return Record(type(value).__name__, tuple(zip(names, items, strict=True)), value)


def _enum(value: EnumValue) -> Any:
    if (value.kind, value.member) == _UNSPECIFIED:
        return jax_compat.unspecified()
    kind = _class(value.kind)
    if isinstance(kind, enum.EnumMeta) and value.member in kind.__members__:
        return kind[value.member]
    members = list(getattr(kind, "__members__", ()))
    raise TracegraphError(
        f"{value.kind} has no member {value.member}",
        expected=f"one of {', '.join(members)}" if members else f"{value.kind}(field = value, ...)",
        found=value.member,
        hint="correct the attribute",
    )


def _record(value: Record) -> Any:
    fields = {name: from_attribute(item) for name, item in value.fields}
    try:
        return _class(value.kind)(**fields)
    except (TypeError, ValueError) as error:
        raise TracegraphError(
            f"{value.kind} cannot have these fields",
            expected="the fields that JAX's class of this name has",
            found=str(error).partition("\n")[0],
            hint="correct the attribute",
        ) from error


def _class(kind: str) -> Any:
    found = jax_compat.class_by_name(kind)
    if found is None:
        raise _cannot_rebuild(kind)
    return found


def _opaque(value: Any) -> Opaque:
    kind = type(value).__name__
    if jax_compat.is_jaxpr(value):
        return Opaque("Jaxpr", f"{len(value.eqns)} equations", value)
    if isinstance(value, jax.Array):
        return Opaque("Array", f"{value.dtype}{list(value.shape)}", value)
    if callable(value) and hasattr(value, "__qualname__"):
        return Opaque("function", f"{value.__module__}.{value.__qualname__}", value)
    if dataclasses.is_dataclass(value) or type(value).__repr__ is not object.__repr__:
        return Opaque(kind, _stable_text(value), value)
    return Opaque(kind, "", value)


def _stable_text(value: Any) -> str:
    """The value's own words without anything that differs between two processes."""
    text = _ADDRESS.sub("", repr(value)).partition("\n")[0].rstrip(": ")
    if isinstance(value, set | frozenset):
        items = cast(Iterable[object], value)
        text = "{" + ", ".join(sorted(_ADDRESS.sub("", repr(item)) for item in items)) + "}"
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _cannot_rebuild(what: str) -> TracegraphError:
    return NotInTextError(
        f"this graph was read from text, and text cannot rebuild {what}",
        expected="attributes that are numbers, names, enumerations and records",
        found=f"an object of the program that wrote the text: {what}",
        hint="run the original function; the text can still be read, searched and rewritten",
    )
