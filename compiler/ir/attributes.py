"""Attribute values: what an op's parameters are made of.

Plain Python values stand for themselves. Everything else is one of four frozen classes, so that an
attribute can be compared, printed and (where its text says all) read back. A ``handle`` is the
foreign object behind the attribute; it is carried for export and is no part of the text.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from compiler.ir.types import DType

Array = NDArray[Any]


class ArrayLike(Protocol):
    """What a foreign array must have to become a constant."""

    @property
    def dtype(self) -> Any:
        """The element type."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, outermost first."""
        ...

    def __array__(self) -> Array: ...


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A member of an enumeration, written ``Kind.MEMBER``."""

    kind: str
    member: str
    handle: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """A value with named fields, written ``Kind(field = value, ...)``."""

    kind: str
    fields: tuple[tuple[str, Attribute], ...]
    handle: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A foreign object that no text can rebuild: a callback, a mesh, a compiled kernel.

    Two opaque attributes are equal only when they carry the same object (or an equal, hashable
    one), never because their texts agree: unknown means different.
    """

    kind: str
    text: str = ""
    handle: object = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return NotImplemented
        if self.handle is other.handle:
            return self.handle is not None or (self.kind, self.text) == (other.kind, other.text)
        return _hashable_equal(self.handle, other.handle)

    def __hash__(self) -> int:
        return hash((self.kind, self.text))


_MAX_COPIED: Final = 1 << 16
"""Foreign arrays of so many elements are copied: what looks into them keeps them from being given
away."""


class Dense:
    """An array of constants, compared by element type, shape and bits.

    Args:
        source: the elements: a numpy array, copied only if it could still be written to, or a
            foreign array, brought to the host only when somebody looks at it.
        handle: the foreign array this was read from; the source itself if that is foreign.
    """

    __slots__ = ("_array", "_digest", "_source", "dtype", "handle", "shape")

    def __init__(self, source: ArrayLike, handle: object = None) -> None:
        if isinstance(source, np.ndarray):
            source = _read_only(cast(Array, source))
        elif handle is None:
            handle = source
        self.handle: Final = handle
        self.dtype: Final[np.dtype[Any]] = np.dtype(source.dtype)
        self.shape: Final[tuple[int, ...]] = tuple(source.shape)
        self._source: Array | ArrayLike = source
        self._array: Array | None = None
        self._digest: str | None = None

    @property
    def array(self) -> Array:
        """The elements on the host, read only."""
        if self._array is None:
            self._array = np.asarray(self._source)
            if self._array is not self._source and self.size <= _MAX_COPIED:
                self._array = _copied(self._array)
        return self._array

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name the element type, the shape and the bits."""
        if self._digest is None:
            head = f"{self.dtype.name}{self.shape}".encode()
            data = np.ascontiguousarray(self.array).tobytes()
            self._digest = hashlib.sha256(head + data).hexdigest()[:16]
        return self._digest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dense):
            return NotImplemented
        if (self.dtype, self.shape) != (other.dtype, other.shape):
            return False
        same = self is other or (self.handle is not None and self.handle is other.handle)
        return same or self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape))

    def __repr__(self) -> str:
        return f"Dense({self.dtype}{list(self.shape)})"


Attribute = (
    None
    | bool
    | int
    | float
    | complex
    | str
    | bytes
    | DType
    | EnumValue
    | Record
    | Opaque
    | Dense
    | tuple["Attribute", ...]
)
Attributes = Mapping[str, Attribute]
NO_ATTRIBUTES: Final[Attributes] = MappingProxyType({})


def attribute_key(value: Attribute) -> object:
    """A hashable key under which two attributes agree only if no op could tell them apart.

    Python's own equality will not do: ``1 == 1.0 == True``, ``0.0 == -0.0``, and nan differs from
    itself.
    """
    if isinstance(value, tuple):
        return (tuple, tuple(attribute_key(item) for item in value))
    if isinstance(value, Record):
        return (value.kind, tuple((name, attribute_key(item)) for name, item in value.fields))
    if isinstance(value, float | complex):
        return (type(value), repr(value))
    return (type(value), value)


def _read_only(array: Array) -> Array:
    return _copied(array) if array.flags.writeable else array


def _copied(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def _hashable_equal(a: object, b: object) -> bool:
    try:
        return hash(a) == hash(b) and type(a) is type(b) and bool(a == b)
    except Exception:  # a foreign object may refuse in any way; refusing means different
        return False
