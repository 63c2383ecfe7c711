"""What rules about reductions share: their identities, and values that never change along axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, cast

import ml_dtypes
import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.graph import Value
from compiler.ops.parameters import element_kind, integers
from compiler.rewrite.expression import Term, constant, dtype, new, shape

COMBINERS: Final[Mapping[str, str]] = {
    "reduce_and": "and",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_or": "or",
    "reduce_prod": "mul",
    "reduce_sum": "add",
}
"""The ops of two operands that reductions repeat."""

IDEMPOTENT: Final = ("reduce_and", "reduce_max", "reduce_min", "reduce_or")
"""Reductions to which it does not matter how often an element is met."""


def reduced(name: str, term: Term, axes: Sequence[int]) -> Term:
    """The term reduced over some axes; itself where there are none."""
    if not axes:
        return term
    return new(name, term, axes=tuple(sorted(axes)))


def combined(name: str, terms: Sequence[Term]) -> Term:
    """Terms of one shape joined by the op that a reduction repeats, from left to right."""
    return reduce(lambda left, right: new(COMBINERS[name], left, right), terms)


def reshaped(term: Term, sizes: Sequence[int]) -> Term:
    """The term in another shape; itself where it has that shape."""
    if shape(term) == tuple(sizes):
        return term
    return new("reshape", term, new_sizes=tuple(sizes), dimensions=None)


def spread(term: Term, sizes: Sequence[int], dims: Sequence[int]) -> Term:
    """The term with its dimensions at these places of a larger shape; itself if that is it."""
    if shape(term) == tuple(sizes):
        return term
    sizes, dims = tuple(sizes), tuple(dims)
    return new("broadcast_in_dim", term, shape=sizes, broadcast_dimensions=dims, sharding=None)


def without(items: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    """The items that do not stand at these places."""
    return tuple(item for place, item in enumerate(items) if place not in places)


def constant_axes(value: Value, sizes: Sequence[int]) -> frozenset[int]:
    """The axes along which a value never changes where it meets values of these sizes."""
    own = shape(value)
    if not own:
        return frozenset(range(len(sizes)))
    if len(own) != len(sizes):
        return frozenset()
    single = {axis for axis, size in enumerate(own) if size == 1}
    op = value.producer
    if op is None or op.name != "broadcast_in_dim" or op.attributes.get("sharding"):
        return frozenset(single)
    source, dims = shape(op.operands[0]), integers(op, "broadcast_dimensions")
    moving = {dim for dim, size in zip(dims, source, strict=True) if size != 1}
    return frozenset(single | (set(range(len(own))) - moving))


def dropped(value: Value, axes: Sequence[int]) -> Term:
    """A value without axes along which it never changes; its size there must not be zero."""
    own = shape(value)
    if not own:
        return value
    if all(own[axis] == 1 for axis in axes):
        return reshaped(value, without(own, axes))
    op = value.producer
    if op is None:
        return value
    source, dims = op.operands[0], integers(op, "broadcast_dimensions")
    kept = [axis for axis in range(len(own)) if axis not in axes]
    pairs = [(dim, size) for dim, size in zip(dims, shape(source), strict=True) if dim in kept]
    inner = reshaped(source, [size for _, size in pairs])
    return spread(inner, [own[axis] for axis in kept], [kept.index(dim) for dim, _ in pairs])


def count(number: int, like: Term) -> Term | None:
    """A number as a constant of the term's element type; None if a float type rounds it."""
    wanted = dtype(like)
    if wanted.kind in "iu":
        return constant(np.array(number % 2 ** (8 * wanted.itemsize), np.uint64).astype(wanted))
    with np.errstate(over="ignore"):
        found = np.array(number).astype(wanted)
    return constant(found) if found == number else None


def is_identity(name: str, number: np.generic | Array) -> bool:
    """Whether a reduction may meet this number as often as it likes; the sign of zero aside."""
    found = _IDENTITIES[name]
    return bool(found(np.asarray(number)))


def _is_real(number: Array) -> bool:
    return element_kind(number.dtype) in "iuf"


def lowest(kind: np.dtype[Any]) -> Any:
    """The number that no other of a real element type is under."""
    if element_kind(kind) in "iu":
        return np.array(int(ml_dtypes.iinfo(kind).min)).astype(kind)
    return np.array(-np.inf if has_infinity(kind) else float(_finite(kind).min), kind)


def highest(kind: np.dtype[Any]) -> Any:
    """The number that no other of a real element type is over."""
    if element_kind(kind) in "iu":
        return np.array(int(ml_dtypes.iinfo(kind).max)).astype(kind)
    return np.array(np.inf if has_infinity(kind) else float(_finite(kind).max), kind)


def _finite(kind: np.dtype[Any]) -> Any:
    """What ml_dtypes says of a float type."""
    return cast("Any", ml_dtypes.finfo)(kind)


def has_infinity(kind: np.dtype[Any]) -> bool:
    """Whether a float type has infinities: some of eight bits and less have none."""
    return bool(np.isinf(np.array(np.inf, kind).astype(np.float64)))


_IDENTITIES: Final[Mapping[str, Callable[[Array], bool]]] = {
    "reduce_and": lambda number: number.dtype.kind == "b" and bool(number),
    "reduce_max": lambda number: _is_real(number) and bool(number == lowest(number.dtype)),
    "reduce_min": lambda number: _is_real(number) and bool(number == highest(number.dtype)),
    "reduce_or": lambda number: number.dtype.kind == "b" and not bool(number),
    "reduce_prod": lambda number: bool(number == 1),
    "reduce_sum": lambda number: bool(number == 0),
}
