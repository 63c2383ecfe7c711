"""Bindings: the names that a pattern has bound so far, and what its leaves bind to a value."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

import numpy as np

from compiler.analysis.constants import constant_value, uniform
from compiler.ir.attributes import Array, Attribute, attribute_key
from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.ops.parameters import element_kind
from compiler.rewrite.pattern import Known, Num, Pattern, Var


class Env(NamedTuple):
    """Names bound and ops matched so far; never changed in place.

    ``owned`` are the ops with several users, all of which must be in the match.
    """

    bound: Mapping[str, object]
    ops: tuple[Operation, ...]
    owned: tuple[Operation, ...] = ()

    def bind(self, name: str, value: object) -> Env | None:
        """With the name bound; None if it is bound to something else."""
        if not name:
            return self
        if name in self.bound:
            return self if _same(self.bound[name], value) else None
        return self._replace(bound={**self.bound, name: value})


def bind_leaf(pattern: Pattern, value: Value, env: Env) -> Env | None:
    """Binds a variable, a known array or a known number; None if the value does not fit."""
    return _LEAVES[type(pattern)](pattern, value, env)


def _bind_var(pattern: Any, value: Value, env: Env) -> Env | None:
    type = value.type
    if pattern.kinds and _kind(value) not in pattern.kinds:
        return None
    rank = len(type.shape) if isinstance(type, ArrayType) else -1
    if pattern.rank is not None and pattern.rank != rank:
        return None
    return env.bind(pattern.name, value)


def _bind_known(pattern: Any, value: Value, env: Env) -> Env | None:
    array = constant_value(value)
    return None if array is None else env.bind(pattern.name, array)


def _bind_num(pattern: Any, value: Value, env: Env) -> Env | None:
    number = uniform(value)
    if number is None:
        return None
    if pattern.value is not None and not _is_number(number, pattern.value):
        return None
    return env.bind(pattern.name, number[()])


_LEAVES: Final[Mapping[type, Callable[[Any, Value, Env], Env | None]]] = {
    Var: _bind_var,
    Known: _bind_known,
    Num: _bind_num,
}


def _is_number(found: np.ndarray[Any, Any], wanted: float) -> bool:
    """Whether they are the same number, and of one sign if they are floating-point zeros.

    A number that is out of the range of the type of ``found`` is none that is found.
    """
    try:
        with np.errstate(over="ignore", under="ignore"):
            differs = bool(found != wanted) or bool(found) != bool(wanted)
            differs = differs or bool(np.isfinite(found)) != cmath.isfinite(wanted)
    except OverflowError:  # a whole number beyond all floating-point ones
        return False
    if differs:
        return False
    is_integer = found.dtype.kind in "biu"
    return is_integer or bool(np.signbit(found.real) == np.signbit(np.real(wanted)))


def _kind(value: Value) -> str:
    """The letter of the element type, as patterns write it; empty for keys and the like."""
    type = value.type
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return ""
    kind = element_kind(type.dtype)
    return "i" if kind == "u" else kind


def _same(bound: object, value: object) -> bool:
    if bound is value:
        return True
    if isinstance(bound, Value) or isinstance(value, Value):
        return isinstance(bound, Value) and isinstance(value, Value) and _same_number(bound, value)
    if isinstance(bound, np.generic | np.ndarray):
        return _same_bits(cast("Array", bound), value)
    if isinstance(bound, Operation | Region) or isinstance(value, Operation | Region):
        return False
    return _attributes_agree(bound, value)


def _same_bits(bound: Array, value: object) -> bool:
    if not isinstance(value, np.generic | np.ndarray):
        return False
    other = cast("Array", value)
    same_type = bound.dtype == other.dtype and bound.shape == other.shape
    return same_type and bound.tobytes() == other.tobytes()


def _attributes_agree(bound: Any, value: Attribute | Any) -> bool:
    return attribute_key(bound) == attribute_key(value)


def _same_number(a: Value, b: Value) -> bool:
    """Whether two values are constants of one type with the same bits."""
    if a.type != b.type or a.producer is None or b.producer is None:
        return False
    first, second = a.producer, b.producer
    if first.name != "constant" or second.name != "constant":
        return False
    return attribute_key(first.attributes["value"]) == attribute_key(second.attributes["value"])
