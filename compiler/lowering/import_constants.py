"""Captured values and literals: which become constants of the graph, and which its parameters."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from compiler.ir.attributes import Attribute, Dense, Opaque
from compiler.ir.types import ArrayType, Type

HOIST_BYTES: Final = 4096
"""A captured array over this size is a graph parameter that the caller never sees."""

_SCALARS: Final = (bool, int, float, complex)


def constant_attribute(value: Any, type: Type) -> Attribute:
    """The attribute of a constant: its elements, or the object where numpy cannot hold it."""
    dtype = _number_dtype(value, type)
    if dtype is None:
        return Opaque("Constant", str(type), value)
    if _is_scalar(type):
        return Dense(np.asarray(value, dtype), value)
    return Dense(value)


def scalar_bits(value: Any, type: Type) -> bytes | None:
    """The bits of a scalar constant; None for all other constants."""
    dtype = _number_dtype(value, type)
    return None if dtype is None or not _is_scalar(type) else np.asarray(value, dtype).tobytes()


def _is_scalar(type: Type) -> bool:
    """Whether it is an array of no dimensions."""
    return isinstance(type, ArrayType) and type.shape == ()


def _number_dtype(value: Any, type: Type) -> np.dtype[Any] | None:
    """The element type of a constant that numpy can hold."""
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return None
    return type.dtype if getattr(value, "is_fully_addressable", True) else None


def is_hoisted(value: Any) -> bool:
    """Whether a captured value is a graph parameter: large, or not an array of numbers."""
    if isinstance(value, _SCALARS):
        return False
    dtype = getattr(value, "dtype", None)
    if not isinstance(dtype, np.dtype) or not hasattr(value, "__array__"):
        return True
    return int(np.prod(np.shape(value))) * dtype.itemsize > HOIST_BYTES
