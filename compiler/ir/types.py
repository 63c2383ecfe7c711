"""Types of values: shape, element type, weak type and sharding.

Owns the type classes and the short names of element types. Holds no JAX object except behind an
opaque ``handle`` that takes no part in equality: it is there so that export gives back exactly the
abstract value that was imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final, TypeGuard, cast

import ml_dtypes
import numpy as np

from compiler.ir.text import EXTENDED_DTYPE, quote, unquote


@dataclass(frozen=True, slots=True)
class SymbolicDim:
    """A dimension whose size is an expression over named sizes, such as ``b`` or ``2*b + 1``."""

    text: str
    handle: object = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ExtendedDType:
    """An element type that numpy does not have, such as a PRNG key: known by its name only."""

    name: str
    itemsize: int = 8
    handle: object = field(default=None, compare=False, repr=False)


Dim = int | SymbolicDim
DType = np.dtype | ExtendedDType  # pyright: ignore[reportMissingTypeArgument]
Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array of a shape and an element type.

    Attributes:
        shape: the dimensions, outermost first; empty for a scalar.
        dtype: a numpy (or ml_dtypes) dtype, or an extended one.
        weak_type: whether the type gives way to the other operand's, as Python scalars' do.
        sharding: a canonical description of the sharding, empty where the program does not say.
        handle: the abstract value this was imported from.
    """

    shape: Shape
    dtype: DType
    weak_type: bool = False
    sharding: str = ""
    handle: object = field(default=None, compare=False, repr=False)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return SymbolicDim not in map(type, self.shape)

    @property
    def size(self) -> int:
        """The number of elements; symbolic dimensions count as one."""
        size = 1
        for dim in self.shape:
            if isinstance(dim, int):
                size *= dim
        return size

    @property
    def nbytes(self) -> int:
        """The bytes of the elements, sub-byte types rounded up to whole bytes each."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        dims = ",".join(str(d) for d in self.shape)
        mark = f"@{quote(self.sharding)}" if self.sharding else ""
        return f"{'~' if self.weak_type else ''}{dtype_name(self.dtype)}[{dims}]{mark}"


@dataclass(frozen=True, slots=True)
class OpaqueType:
    """A type the IR carries but does not look into: a mutable reference, a token."""

    text: str
    handle: object = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"opaque<{quote(self.text)}>"


Type = ArrayType | OpaqueType


def is_plain(type: Type) -> TypeGuard[ArrayType]:
    """Whether it is an array whose sizes are known and that lies on no particular devices."""
    return isinstance(type, ArrayType) and type.is_static and not type.sharding


def is_numeric(type: Type) -> TypeGuard[ArrayType]:
    """Whether it is an array of numbers, not of random keys and the like."""
    return isinstance(type, ArrayType) and isinstance(type.dtype, np.dtype)


_SHORT: Final = {
    "bool": "bool",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    "bfloat16": "bf16",
    "int2": "i2",
    "int4": "i4",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint2": "u2",
    "uint4": "u4",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "complex64": "c64",
    "complex128": "c128",
}
_LONG: Final = {short: name for name, short in _SHORT.items()}
_FLOAT0: Final = np.dtype([("float0", np.void, 0)])
_EXTENDED: Final = re.compile(EXTENDED_DTYPE, re.ASCII)
_EXTENDED_SIZE: Final = 8


@cache
def dtype_name(dtype: DType) -> str:
    """The short name of an element type; ``dtype_from_name`` reads it back."""
    if isinstance(dtype, ExtendedDType):
        return _extended_name(dtype)
    if dtype == _FLOAT0:
        return "float0"
    return _SHORT.get(dtype.name, dtype.name)


@lru_cache(maxsize=1024)
def dtype_from_name(name: str) -> DType:
    """The element type of a short name.

    Raises:
        KeyError: no element type has this name.
        ValueError: an extended name is quoted wrongly.
    """
    if _EXTENDED.fullmatch(name):
        return _extended_from_name(name[len("dtype<") : -1])
    if name == "float0":
        return _FLOAT0
    long = _LONG.get(name, name)
    scalar = getattr(ml_dtypes, long, None)
    if isinstance(scalar, type) and issubclass(scalar, np.generic):
        return np.dtype(cast("Any", scalar))
    if long not in _SHORT:
        raise KeyError(name)
    return np.dtype(long)


def _extended_name(dtype: ExtendedDType) -> str:
    bare = f"dtype<{dtype.name}>"
    plain = ":" not in dtype.name and '"' not in dtype.name and _EXTENDED.fullmatch(bare)
    size = "" if dtype.itemsize == _EXTENDED_SIZE else f":{dtype.itemsize}"
    return f"dtype<{dtype.name if plain else quote(dtype.name)}{size}>"


def _extended_from_name(inside: str) -> ExtendedDType:
    name, colon, size = inside.rpartition(":")
    if not colon or size.endswith('"'):
        name, size = inside, str(_EXTENDED_SIZE)
    return ExtendedDType(unquote(name) if name.startswith('"') else name, int(size))
