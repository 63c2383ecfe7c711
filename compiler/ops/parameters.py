"""Reads an op's attributes as the plain values that their primitive promises.

A wrong kind of value here means a graph that no JAX program made, so it is an error, not a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.ir.attributes import Attribute, EnumValue, Opaque, Record
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType


def array_type(value: Value) -> ArrayType:
    """The type of a value that must be an array.

    Raises:
        TracegraphError: it is something else, such as a mutable reference.
    """
    if isinstance(value.type, ArrayType):
        return value.type
    raise TracegraphError(
        f"this question can only be asked of arrays, and {value!r} is none",
        expected="a value with a shape and an element type",
        found=str(value.type),
        hint="check for ArrayType first",
    )


def static_shape(value: Value) -> tuple[int, ...]:
    """The shape of an array; symbolic dimensions count as one, as in ``ArrayType.size``."""
    return tuple(dim if isinstance(dim, int) else 1 for dim in array_type(value).shape)


def element_kind(type: np.dtype[Any]) -> str:
    """numpy's letter for an element type: ``b``, ``i``, ``u``, ``f`` or ``c``.

    numpy says ``V`` of most types of ml_dtypes: small floats, and integers of four bits and less.
    """
    if type.kind != "V":
        return type.kind
    if "int" not in type.name:
        return "f"
    return "u" if type.name.startswith("u") else "i"


def number_type(value: Value) -> np.dtype[Any]:
    """The element type of an array of numbers.

    Raises:
        TracegraphError: the elements are not numbers, but for example random keys.
    """
    found = array_type(value).dtype
    if isinstance(found, np.dtype):
        return found
    raise TracegraphError(
        f"this question can only be asked of arrays of numbers, and {value!r} is none",
        expected="an element type that numpy has",
        found=str(value.type),
        hint="check the element type first",
    )


def integer(op: Operation, name: str) -> int:
    """The attribute as a number."""
    value = op.attributes.get(name)
    if isinstance(value, int):
        return int(value)
    raise _wrong(op, name, "an integer", value)


def integers(op: Operation, name: str) -> tuple[int, ...]:
    """The attribute as a tuple of numbers."""
    return _integers(op, name, op.attributes.get(name))


def optional_integers(op: Operation, name: str) -> tuple[int, ...] | None:
    """The attribute as a tuple of numbers; None where it says None or nothing."""
    value = op.attributes.get(name)
    return None if value is None else _integers(op, name, value)


def integer_table(op: Operation, name: str) -> tuple[tuple[int, ...], ...]:
    """The attribute as a tuple of tuples of numbers, for example a padding."""
    return _table(op, name, op.attributes.get(name))


def runs_of_scan(op: Operation) -> int | None:
    """How often the body of a scan runs; None where a symbolic size says it."""
    return None if isinstance(op.attributes.get("length"), Opaque) else integer(op, "length")


def dot_dimensions(op: Operation) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """A dot's ``((lhs, rhs) contracting, (lhs, rhs) batch)`` dimension numbers."""
    value = op.attributes.get("dimension_numbers")
    if not isinstance(value, tuple) or len(value) != 2:
        raise _wrong(op, "dimension_numbers", "contracting and batch dimensions", value)
    return tuple(_table(op, "dimension_numbers", part) for part in value)


def field(op: Operation, name: str, key: str) -> tuple[int, ...]:
    """One field of an attribute that is a record of number tuples."""
    value = op.attributes.get(name)
    found = dict(value.fields).get(key) if isinstance(value, Record) else None
    return _integers(op, f"{name}.{key}", found)


def dtype(op: Operation, name: str) -> np.dtype[Any]:
    """The attribute as a numpy element type."""
    value = op.attributes.get(name)
    if isinstance(value, np.dtype):
        return value
    raise _wrong(op, name, "an element type", value)


def member(op: Operation, name: str) -> str:
    """The name of the attribute's enumeration member."""
    value = op.attributes.get(name)
    if isinstance(value, EnumValue):
        return value.member
    raise _wrong(op, name, "a member of an enumeration", value)


def _integers(op: Operation, name: str, value: Attribute) -> tuple[int, ...]:
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return tuple(item for item in value if isinstance(item, int))
    raise _wrong(op, name, "a tuple of integers", value)


def _table(op: Operation, name: str, value: Attribute) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, tuple):
        return tuple(_integers(op, name, row) for row in value)
    raise _wrong(op, name, "a tuple of integer tuples", value)


def _wrong(op: Operation, name: str, expected: str, found: Attribute) -> TracegraphError:
    return TracegraphError(
        f"attribute {name} of {op.name} cannot be read",
        where=str(op.location),
        expected=expected,
        found=repr(found),
        hint="build the op with the parameters that its JAX primitive takes",
    )
