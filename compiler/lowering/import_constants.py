"""Captured values and literals: which become constants of the graph, and which its parameters."""

from __future__ import annotations

from typing import Any, Final

import jax
import numpy as np

from compiler.ir.attributes import Attribute, Dense, Opaque
from compiler.ir.types import ArrayType, Type

HOIST_BYTES: Final = 4096
"""A captured array over this size is a graph parameter that the caller never sees."""

_SCALARS: Final = (bool, int, float, complex)


def constant_attribute(value: Any, type: Type) -> Attribute:
    """The attribute of a constant: its elements, or the object where numpy cannot hold it."""
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return Opaque("Constant", str(type), value)
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        return Opaque("Constant", str(type), value)
    if type.shape == ():
        return Dense(np.asarray(value, type.dtype), value)
    return Dense(value)


def is_hoisted(value: Any) -> bool:
    """Whether a captured value is a graph parameter: large, or not an array of numbers."""
    if isinstance(value, _SCALARS):
        return False
    dtype = getattr(value, "dtype", None)
    if not isinstance(dtype, np.dtype) or not hasattr(value, "__array__"):
        return True
    return int(np.prod(np.shape(value))) * dtype.itemsize > HOIST_BYTES
