"""Variables under traced control flow: which parts are arrays, and the type two values share.

A variable's value is a pytree. Its arrays become slots, everything else stays what it is.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from compiler.lowering import jax_compat
from tracegraph.autograph.undefined import Undefined, Unreturned

jax_compat.hide_frames(__file__)

Number = bool | int | float | complex
_NUMBERS = (bool, int, float, complex)
_EXAMPLES = {"b": True, "i": 1, "u": 1, "f": 1.0, "c": 1j}


class Mismatch(Exception):  # noqa: N818 - a finding between our own functions
    """A variable does not have one type on two ways through the program."""

    def __init__(self, name: str, first: Any, second: Any) -> None:
        super().__init__(name)
        self.name = name
        self.first = first
        self.second = second


@dataclass(frozen=True)
class ArrayType:
    """Shape, dtype, and whether the dtype is that of a Python number."""

    shape: tuple[int, ...]
    dtype: Any
    weak: bool

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Slot:
    """The place of an array in a variable's value: its number among all arrays, and its type."""

    index: int
    type: ArrayType


@dataclass(frozen=True)
class Traced:
    """What a block of the user's code computes.

    Attributes:
        run: from the arrays that go in to those that come out.
        values: the variables after it, a slot for every array.
        jaxpr: the same as equations.
    """

    run: Callable[..., list[Any]]
    values: list[Any]
    jaxpr: Any


def is_array(value: object) -> bool:
    """Whether a value can be an array of a compiled program."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufcV" and value.dtype.names is None
    return isinstance(value, jax.Array)


def is_traced(value: object) -> bool:
    """Whether a value is known only when the program runs."""
    return isinstance(value, Tracer)


def is_number(value: object) -> bool:
    """Whether a value is one of Python's own numbers."""
    return type(value) in _NUMBERS


def type_of(array: Any) -> ArrayType:
    """The type of an array or a number."""
    aval: Any = jax.typeof(array)
    return ArrayType(tuple(aval.shape), aval.dtype, bool(getattr(aval, "weak_type", False)))


def trace(block: Callable[..., Sequence[Any]], arrays: Sequence[Any]) -> Traced:
    """Runs a block of the user's code once, on stand-ins for arrays."""
    kept: list[list[Any]] = []

    def flat(*given: Any) -> list[Any]:
        values, leaves = split(block(*given))
        kept[:] = [values]
        return leaves

    closed: Any = jax.make_jaxpr(flat)(*arrays)
    return Traced(jax_compat.jaxpr_function(closed), kept[0], closed.jaxpr)


def split(values: Sequence[Any], *, numbers: bool = False) -> tuple[list[Any], list[Any]]:
    """Variables with a slot for every array, and the arrays; numbers too if that is asked for."""
    leaves: list[Any] = []

    def slot(leaf: Any) -> Any:
        if not (is_array(leaf) or (numbers and is_number(leaf))):
            return leaf
        leaves.append(jnp.asarray(leaf))
        return Slot(len(leaves) - 1, type_of(leaves[-1]))

    return [jax.tree.map(slot, value) for value in values], leaves


def join(values: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Variables with the arrays in their slots."""

    def filled(leaf: Any) -> Any:
        return arrays[leaf.index] if isinstance(leaf, Slot) else leaf

    return [jax.tree.map(filled, value) for value in values]


def leaves_of(name: str, first: Any, second: Any) -> list[tuple[Any, Any]]:
    """The parts of two values, side by side.

    Raises:
        Mismatch: they are not built alike.
    """
    left, structure = jax.tree.flatten(first)
    right, other = jax.tree.flatten(second)
    if structure != other:
        raise Mismatch(name, first, second)
    return list(zip(left, right, strict=True))


def is_undefined(value: object) -> bool:
    """Whether a variable has no value."""
    return isinstance(value, Undefined | Unreturned)


def same_constant(first: Any, second: Any) -> bool:
    """Whether two parts are one Python value, the same on both ways."""
    if first is second:
        return True
    plain = is_number(first) or isinstance(first, str | bytes)
    return plain and type(first) is type(second) and repr(first) == repr(second)


def part_type(part: Any) -> ArrayType | None:
    """The type of an array or a number; None for anything else."""
    if isinstance(part, Slot):
        return part.type
    if not is_number(part):
        return None
    return ArrayType((), type_of(part).dtype, True)


def common_type(first: Any, second: Any) -> ArrayType | None:
    """The type that two parts share; None if there is none.

    Python's numbers take an array's type where JAX would give its type to their sum.
    """
    left, right = part_type(first), part_type(second)
    if left is None or right is None or left.shape != right.shape:
        return None
    weak = left.weak and right.weak
    if left.dtype == right.dtype:
        return ArrayType(left.shape, left.dtype, weak)
    if not (left.weak or right.weak):
        return None
    dtype = jnp.result_type(_promoting(left), _promoting(right))
    strong = [each.dtype for each in (left, right) if not each.weak]
    if strong and strong != [dtype]:
        return None
    return ArrayType(left.shape, dtype, weak)


def _promoting(kind: ArrayType) -> Any:
    return _EXAMPLES[kind.dtype.kind] if kind.weak else kind.dtype


def converted(value: Any, kind: ArrayType) -> Any:
    """An array or number of a type that takes it in."""
    array = jnp.asarray(value)
    if type_of(array) == kind:
        return array
    if kind.weak:
        return array * _EXAMPLES[kind.dtype.kind]
    return jax.lax.convert_element_type(array, kind.dtype)


def zeros(kind: ArrayType) -> Any:
    """An array that nobody reads."""
    array = jax.lax.full(kind.shape, 0, kind.dtype)
    return array * _EXAMPLES[kind.dtype.kind] if kind.weak else array


def scalar_test(test: Any) -> Any:
    """A traced condition as one boolean."""
    flat = jnp.reshape(test, ())
    return flat if flat.dtype == bool else flat != 0


def truth(test: Any) -> bool | None:
    """Whether a condition holds; None if that is known only when the program runs."""
    try:
        return bool(test)
    except jax.errors.ConcretizationTypeError:
        return None


def copied(value: Any) -> Any:
    """A value whose containers are new, so that what is done to them can be taken back."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):  # by hand: a tree's keys are sorted
        mapping = copy.copy(cast("dict[Any, Any]", value))
        mapping.update({key: copied(part) for key, part in mapping.items()})
        return mapping
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if not isinstance(value, list | tuple) and not hasattr(value, "growing_items"):
        return value
    leaves, structure = jax.tree.flatten(value)
    return jax.tree.unflatten(structure, leaves)


def take_over(old: Any, new: Any) -> Any:
    """What a variable holds that was not assigned: the old object, with what was done to it."""
    if isinstance(old, dict):
        mapping = cast("dict[Any, Any]", old)
        for key in [key for key in mapping if key not in new]:
            del mapping[key]
        mapping.update(new)  # the keys that stay keep their places
    elif isinstance(old, list):
        old[:] = new
    elif isinstance(old, np.ndarray) or hasattr(old, "growing_items"):
        return new
    return old


def described(value: Any) -> str:
    """A value's type, as an error says it."""
    if is_undefined(value):
        return "no value"
    if isinstance(value, Slot):
        return str(value.type)
    if is_array(value):
        return str(type_of(value))
    if hasattr(value, "growing_items"):
        return f"a list with {len(value.growing_items)} more items"
    if is_number(value) or isinstance(value, str):
        return f"{type(value).__name__} {value!r}"
    if value is None:
        return "None"
    if isinstance(value, list | tuple | dict):
        return str(jax.tree.map(_Word, value))
    return type(value).__name__


class _Word:
    """A part's type, shown as it is."""

    def __init__(self, value: Any) -> None:
        self._text = described(value)

    def __repr__(self) -> str:
        return self._text
