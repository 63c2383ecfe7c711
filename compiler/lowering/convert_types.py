"""Abstract values of JAX to types and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.types import (
    ArrayType,
    DType,
    ExtendedDType,
    OpaqueType,
    SymbolicDim,
    Type,
)
from compiler.lowering import jax_compat


class NotInTextError(TracegraphError):
    """A graph was read from text, and text cannot say what is asked for."""


def to_dtype(dtype: Any) -> DType:
    """The element type of a JAX dtype."""
    if not jax_compat.is_extended_dtype(dtype):
        return np.dtype(dtype)
    return ExtendedDType(str(dtype), int(dtype.itemsize), dtype)


def to_jax_dtype(dtype: DType) -> Any:
    """The JAX dtype of an element type.

    Raises:
        TracegraphError: no extended element type of that name can be made.
    """
    if not isinstance(dtype, ExtendedDType):
        return dtype
    found = dtype.handle if dtype.handle is not None else jax_compat.key_dtype(dtype.name)
    if found is None:
        raise TracegraphError(
            f"there is no element type {dtype.name}",
            expected="a numpy element type or a PRNG key such as key<fry>",
            found=dtype.name,
            hint="check the spelling in the graph's text",
        )
    return found


def to_type(aval: Any) -> Type:
    """The type of an abstract value."""
    if not jax_compat.is_shaped(aval):
        return OpaqueType(str(aval), aval)
    shape = tuple(d if isinstance(d, int) else SymbolicDim(str(d), d) for d in aval.shape)
    text = jax_compat.aval_sharding_text(aval)
    return ArrayType(shape, to_dtype(aval.dtype), bool(aval.weak_type), text, aval)


def to_aval(type: Type) -> Any:
    """The abstract value of a type.

    Raises:
        TracegraphError: the type was read from text that cannot rebuild it.
    """
    if type.handle is not None:
        return type.handle
    if isinstance(type, OpaqueType) or type.sharding:
        raise NotInTextError(
            f"this graph was read from text, and text cannot rebuild the type {type}",
            expected="array types without a sharding",
            found=str(type),
            hint="run the original function",
        )
    if not type.is_static:
        raise NotInTextError(
            f"the type {type} has sizes that are not numbers",
            expected="sizes that are numbers",
            found=str(type),
            hint="write the sizes to run with into the text",
        )
    return jax_compat.make_shaped(type.shape, to_jax_dtype(type.dtype), type.weak_type)
