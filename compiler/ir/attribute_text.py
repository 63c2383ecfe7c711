"""Attribute values as text. The other side is ``compiler.ir.attribute_parser``."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Final

import numpy as np

from compiler.ir.attributes import Attribute, Dense, EnumValue, Opaque, Record
from compiler.ir.elements import array_text
from compiler.ir.errors import TracegraphError
from compiler.ir.text import WORD, quote, quote_bytes, word
from compiler.ir.types import ArrayType, ExtendedDType, dtype_name

MAX_INLINE: Final = 16
"""Arrays of more elements than this are written by digest."""

RESERVED: Final = frozenset({"complex", "dense", "enum", "float", "opaque", "record", "resource"})
"""Words that open a form of their own, so no record may have them as its bare kind."""

_ENUM: Final = re.compile(rf"{WORD}\.[A-Za-z_][A-Za-z0-9_$-]*")
_CANONICAL_NAN: Final = 0x7FF8000000000000
Keep = Callable[[Dense], None]


def attribute_text(value: Attribute, keep: Keep | None = None) -> str:
    """The text of an attribute value.

    Args:
        value: the attribute value.
        keep: is told of each array that the text has by digest only.

    Raises:
        TracegraphError: the value is of no kind that an attribute may have.
    """
    if isinstance(value, tuple):
        return _tuple_text([attribute_text(item, keep) for item in value])
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, complex):
        return f"complex({_float_text(value.real)}, {_float_text(value.imag)})"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bytes):
        return quote_bytes(value)
    return _object_text(value, keep)


def constant_text(value: Dense, type: ArrayType, keep: Keep | None = None) -> str:
    """The text of a constant's elements where its type stands beside it."""
    if value.size > MAX_INLINE or (value.dtype, value.shape) != (type.dtype, type.shape):
        return attribute_text(value, keep)
    elements = array_text(value.array)
    return f"dense({elements})" if value.shape else elements


def _object_text(value: Attribute, keep: Keep | None) -> str:
    if isinstance(value, np.dtype | ExtendedDType):
        return dtype_name(value)
    if isinstance(value, EnumValue):
        return _enum_text(value)
    if isinstance(value, Record):
        return _record_text(value, keep)
    if isinstance(value, Opaque):
        return f"opaque({quote(value.kind)}, {quote(value.text)})"
    if isinstance(value, Dense):
        return _dense_text(value, keep)
    raise TracegraphError(
        "an attribute holds a value that no attribute may hold",
        expected="None, a number, text, bytes, an element type, a tuple, or a class of this room",
        found=f"{type(value).__name__}: {value!r}"[:200],
        hint="wrap the object in Opaque",
    )


def _tuple_text(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _float_text(value: float) -> str:
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    if math.isnan(value) and bits != _CANONICAL_NAN:
        return f"float(0x{bits:016x})"
    return float.__repr__(value)


def _enum_text(value: EnumValue) -> str:
    text = f"{value.kind}.{value.member}"
    if "." not in value.member and _ENUM.fullmatch(text):
        return text
    return f"enum({quote(value.kind)}, {quote(value.member)})"


def _record_text(value: Record, keep: Keep | None) -> str:
    fields = [f"{word(name)} = {attribute_text(item, keep)}" for name, item in value.fields]
    kind = word(value.kind, RESERVED)
    if kind == value.kind:
        return f"{kind}({', '.join(fields)})"
    return f"record({', '.join([kind, *fields])})"


def _dense_text(value: Dense, keep: Keep | None) -> str:
    if value.size <= MAX_INLINE:
        return f"dense({ArrayType(value.shape, value.dtype)}, {array_text(value.array)})"
    if keep is not None:
        keep(value)
    return f"resource(#{value.digest})"
