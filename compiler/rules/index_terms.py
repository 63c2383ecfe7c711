"""What is known of indices when the graph is compiled: their values, ranges and order."""

# numpy annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from compiler.analysis.constants import constant_value
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.definition import NotExact, lookup
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import array_type, shape

MAX_KNOWN: Final = 1 << 16
"""Indices of more elements are not computed when the graph is compiled."""

MAX_DEPTH: Final = 12
"""How many ops behind an index are looked at."""

_PASSING: Final = frozenset(
    {"broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev", "stop_gradient"}
)
"""Ops whose elements are some of their operand's."""


def known_integers(value: Value, depth: int = MAX_DEPTH) -> Array | None:
    """The array that an index always is, computed from constants and iotas; None if not known."""
    type = value.type
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        return None
    constant = constant_value(value)
    if constant is not None:
        return constant
    op = value.producer
    if op is None or depth == 0 or type.dtype.kind not in "iub" or type.size > MAX_KNOWN:
        return None
    if op.name == "device_put" and _stays_here(op):
        return known_integers(op.operands[value.index], depth - 1)
    evaluate = lookup(op.name).evaluate
    if evaluate is None or op.regions:
        return None
    operands = [known_integers(operand, depth - 1) for operand in op.operands]
    whole = [operand for operand in operands if operand is not None]
    if len(whole) < len(operands):
        return None
    try:
        return evaluate(op, whole)[value.index]
    except NotExact:
        return None


def _stays_here(op: Operation) -> bool:
    """Whether a device_put names no device: jnp.asarray leaves such ones behind."""
    devices = op.attributes.get("devices")
    return isinstance(devices, tuple) and all(device is None for device in devices)


class Range(NamedTuple):
    """The smallest and the largest number that an integer may be."""

    low: int
    high: int


def index_range(value: Value, depth: int = MAX_DEPTH) -> Range | None:
    """Between which numbers all elements of an integer array lie; None if that is not known."""
    known = known_integers(value, 2)
    if known is not None and known.size and known.dtype.kind in "iu":
        return Range(int(known.min()), int(known.max()))
    op = value.producer
    if op is None or depth == 0:
        return None
    if op.name == "iota":
        return _places(shape(op.result)[integer(op, "dimension")], value)
    if op.name in ("argmax", "argmin"):
        (axis,) = integers(op, "axes")
        return _places(shape(op.operands[0])[axis], value)
    if op.name == "sort":
        return index_range(op.operands[value.index], depth - 1)
    if op.name == "top_k" and value.index == 1:
        return Range(0, max(shape(op.operands[0])[-1] - 1, 0))
    if op.name in _PASSING or (op.name == "convert_element_type" and _holds(op, depth)):
        return index_range(op.operands[0], depth - 1)
    if op.name == "scatter" and inverse_of(value) is not None:
        return Range(0, max(shape(value)[0] - 1, 0))
    if op.name == "clamp":
        return _clamped(op)
    if op.name == "select_n":
        return _selected(op, depth)
    return None


def _places(count: int, value: Value) -> Range | None:
    """From zero to the last of so many places; None where they do not fit the integer type."""
    last, kind = max(count - 1, 0), array_type(value).dtype
    fits = isinstance(kind, np.dtype) and kind.kind in "iu" and last <= np.iinfo(kind).max
    return Range(0, last) if fits else None


def _holds(op: Operation, depth: int) -> bool:
    """Whether a conversion to an integer type keeps the numbers."""
    target = array_type(op.result).dtype
    found = index_range(op.operands[0], depth - 1)
    if found is None or not isinstance(target, np.dtype) or target.kind not in "iu":
        return False
    info = np.iinfo(target)
    return info.min <= found.low and found.high <= info.max


def _clamped(op: Operation) -> Range | None:
    low, high = index_range(op.operands[0], 2), index_range(op.operands[2], 2)
    if low is None or high is None or low.low > high.low:
        return None
    return Range(low.low, high.high)


def _selected(op: Operation, depth: int) -> Range | None:
    """A negative index is counted from the end: where none is negative, nothing is counted."""
    plain = unwrapped(op.result)
    if plain is not op.result:
        return index_range(plain, depth - 1)
    cases = [index_range(operand, depth - 1) for operand in op.operands[1:]]
    whole = [case for case in cases if case is not None]
    if len(whole) < len(cases):
        return None
    return Range(min(case.low for case in whole), max(case.high for case in whole))


def unwrapped(value: Value) -> Value:
    """The index behind ``select(i < 0, i, i + n)``, where it is known not to be negative."""
    op = value.producer
    if op is None or op.name != "select_n" or len(op.operands) != 3:
        return value
    which, index, _ = op.operands
    test = which.producer
    if test is None or test.name != "lt" or test.operands[0] is not index:
        return value
    bound, found = index_range(test.operands[1], 2), index_range(index, MAX_DEPTH // 2)
    if bound is None or bound.high > 0 or found is None or found.low < 0:
        return value
    return index


def index_source(value: Value) -> Value:
    """The index array behind the column that a gather takes: without unit dimensions at its end."""
    for _ in range(MAX_DEPTH):
        plain = unwrapped(value)
        op = plain.producer
        if op is not None and _adds_units(op):
            plain = op.operands[0]
        if plain is value:
            return value
        value = plain
    return value


def _adds_units(op: Operation) -> bool:
    """Whether an op only puts dimensions of size one behind the others."""
    if op.name not in ("reshape", "broadcast_in_dim") or len(op.operands) != 1:
        return False
    before, after = shape(op.operands[0]), shape(op.result)
    if after != before + (1,) * (len(after) - len(before)):
        return False
    if op.name == "reshape":
        return True
    return integers(op, "broadcast_dimensions") == tuple(range(len(before)))


class Steps(NamedTuple):
    """Places that lie evenly: the first, how many, and how far each is from the one before."""

    start: int
    number: int
    step: int

    @property
    def last(self) -> int:
        """The last place."""
        return self.start + (self.number - 1) * self.step


def steps_of(places: Array) -> Steps | None:
    """The places as even steps; None if there are none or they are not even."""
    flat = [int(place) for place in places.reshape(-1)]
    if not flat:
        return None
    step = flat[1] - flat[0] if len(flat) > 1 else 1
    even = all(b - a == step for a, b in pairwise(flat))
    return Steps(flat[0], len(flat), step) if even and step else None


def is_permutation(value: Value) -> bool:
    """Whether a vector is known to hold each number below its length once."""
    known = known_integers(value)
    if known is not None:
        return known.ndim == 1 and bool(np.array_equal(np.sort(known), np.arange(known.size)))
    if len(shape(value)) != 1:
        return False
    return sorting(value) is not None or inverse_of(value) is not None


def inverse_of(value: Value) -> Value | None:
    """The permutation whose inverse a vector is known to be; None if it is not."""
    op = value.producer
    if op is None or len(shape(value)) != 1:
        return None
    if op.name == "sort" and sorting(value) is op and integer(op, "num_keys") == 1:
        found = op.operands[0]
    elif (
        op.name == "scatter"
        and not op.attributes.get("update_jaxpr")
        and _is_iota(op.operands[2], 0)
    ):
        found = index_source(op.operands[1])
    else:
        return None
    return found if shape(found) == shape(value) and is_permutation(found) else None


def sorting(value: Value) -> Operation | None:
    """The sort of which the value is the order: the places of its operands' elements."""
    op = value.producer
    if op is None or op.name != "sort" or value.index < integer(op, "num_keys"):
        return None
    return op if _is_iota(op.operands[value.index], integer(op, "dimension")) else None


def _is_iota(value: Value, dim: int) -> bool:
    op = value.producer
    if op is not None and op.name == "iota":
        return integer(op, "dimension") == dim
    known = known_integers(value)
    if known is None or not known.size:
        return False
    counts = np.arange(known.shape[dim]).reshape([-1 if d == dim else 1 for d in range(known.ndim)])
    return bool(np.all(known == counts))
