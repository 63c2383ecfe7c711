"""Attribute values and names as Python writes them."""

from __future__ import annotations

import base64
import keyword
import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from jax import lax

from compiler.ir.attributes import Array, Attribute, Dense, EnumValue, Record
from compiler.ir.types import DType, ExtendedDType

MAX_LIST: Final = 64
"""Arrays of more elements are written as base64."""

_NOT_A_WORD: Final = re.compile(r"\W")


class UnwritableError(Exception):
    """What has no form in Python; the message names it."""


def identifier(name: str) -> str:
    """A Python name as near to the graph's as can be."""
    word = _NOT_A_WORD.sub("_", name)
    word = word if word.isidentifier() else f"_{word}"
    return f"{word}_" if keyword.iskeyword(word) or keyword.issoftkeyword(word) else word


def value_text(value: Attribute) -> str:
    """The expression of a value.

    Raises:
        UnwritableError: it is an object that no expression makes.
    """
    if value is None or isinstance(value, bool | int | str | bytes):
        return repr(value)
    if isinstance(value, float | complex):
        return _number(value)
    if isinstance(value, tuple):
        items = [value_text(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(value, np.dtype | ExtendedDType):
        return dtype_text(value)
    if isinstance(value, Dense):
        return array_text(value.array)
    return _object_text(value)


def _object_text(value: Attribute) -> str:
    """What the public names of ``jax.lax`` can make."""
    if isinstance(value, EnumValue) and hasattr(lax, value.kind):
        return f"lax.{value.kind}.{value.member}"
    if isinstance(value, Record) and hasattr(lax, value.kind):
        fields = [f"{name}={value_text(item)}" for name, item in value.fields]
        return f"lax.{value.kind}({', '.join(fields)})"
    raise UnwritableError(getattr(value, "kind", type(value).__name__))


def _number(value: float | complex) -> str:
    if isinstance(value, complex):
        return f"complex({_number(value.real)}, {_number(value.imag)})"
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def dtype_text(dtype: DType) -> str:
    """The expression of an element type.

    Raises:
        UnwritableError: numpy and ml_dtypes have none of that name.
    """
    if isinstance(dtype, ExtendedDType) or dtype.fields:
        raise UnwritableError(str(dtype))
    return f'np.dtype("{dtype.name}")'


def array_text(array: Array) -> str:
    """The expression of an array, bit for bit."""
    dtype = dtype_text(array.dtype)
    plain = array.dtype.kind in "biu" or (array.dtype.kind == "f" and _is_plain(array))
    if plain and 0 < array.size <= MAX_LIST:
        return f"np.array({array.tolist()}, {dtype})"
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    read = f'np.frombuffer(base64.b64decode("{data}"), {dtype})'
    return f"{read}.reshape({tuple(array.shape)})"


def _is_plain(array: Array) -> bool:
    return array.dtype.name in ("float16", "float32", "float64") and bool(np.isfinite(array).all())


def attributes_text(attributes: Mapping[str, Attribute]) -> str:
    """Attributes as keyword arguments."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in attributes.items())
