"""Recognises what has something on its diagonal only: masks and matrices as programs write them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from compiler.analysis.constants import constant_value, uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import field, integer, integers
from compiler.rewrite.expression import dtype, shape

MAX_CONSTANT: Final = 1024
"""Larger constants are not searched for being an identity matrix."""


class Diagonal(NamedTuple):
    """A matrix with numbers on its diagonal and zeros elsewhere.

    Attributes:
        dims: its two dimensions that must agree; both are of one size.
        value: an array of the matrix's shape that has the same diagonal; None for ones.
    """

    dims: tuple[int, int]
    value: Value | None


def counted_dim(value: Value) -> int | None:
    """The dimension along which a value counts 0, 1, 2, ... and is else the same; None if none."""
    op = value.producer
    if op is None:
        return None
    if op.name == "iota":
        return integer(op, "dimension")
    if op.name == "broadcast_in_dim":
        inner = counted_dim(op.operands[0])
        if inner is None:
            return None
        outer = integers(op, "broadcast_dimensions")[inner]
        return outer if shape(value)[outer] == shape(op.operands[0])[inner] else None
    return counted_dim(op.operands[1]) if op.name == "select_n" and _wraps(op) else None


def _wraps(op: Operation) -> bool:
    """Whether it is how negative indices are read: select(i < 0, i, i + n)."""
    test, index = op.operands[0].producer, op.operands[1]
    if test is None or test.name != "lt" or test.operands[0] is not index:
        return False
    zero = uniform(test.operands[1])
    return zero is not None and bool(zero == 0)


def agreeing_dims(mask: Value) -> tuple[int, int] | None:
    """The two dimensions whose indices agree exactly where a mask is true; None if none."""
    op = mask.producer
    if op is None or dtype(mask) != np.dtype(bool):
        return None
    if op.name == "broadcast_in_dim":
        inner = agreeing_dims(op.operands[0])
        dims = integers(op, "broadcast_dimensions")
        return _square(mask, (dims[inner[0]], dims[inner[1]])) if inner else None
    if op.name != "eq":
        return None
    first, second = (counted_dim(value) for value in op.operands)
    if first is None or second is None or first == second:
        return None
    return _square(mask, (min(first, second), max(first, second)))


def _square(value: Value, dims: tuple[int, int]) -> tuple[int, int] | None:
    return dims if shape(value)[dims[0]] == shape(value)[dims[1]] else None


def diagonal_of(value: Value) -> Diagonal | None:
    """What a matrix has on its diagonal, if it has zeros elsewhere; None if that is not known."""
    op = value.producer
    if op is None:
        return None
    if op.name == "constant":
        return Diagonal((0, 1), None) if _is_identity(value) else None
    if op.name == "convert_element_type":
        dims = agreeing_dims(op.operands[0])
        return Diagonal(dims, None) if dims else None
    if op.name == "broadcast_in_dim":
        inner = diagonal_of(op.operands[0])
        if inner is None or inner.value is not None:
            return None
        dims = integers(op, "broadcast_dimensions")
        square = _square(value, (dims[inner.dims[0]], dims[inner.dims[1]]))
        return Diagonal(square, None) if square else None
    return _chosen(op)


def _chosen(op: Operation) -> Diagonal | None:
    """The diagonal of select(i == j, 0, x): that of x."""
    if op.name != "select_n" or len(op.operands) != 3:
        return None
    mask, otherwise, inside = op.operands
    zero, dims = uniform(otherwise), agreeing_dims(mask)
    if zero is None or bool(zero != 0) or dims is None or shape(mask) != shape(inside):
        return None
    one = uniform(inside)
    return Diagonal(dims, None if one is not None and bool(one == 1) else inside)


def _is_identity(value: Value) -> bool:
    array = constant_value(value)
    if array is None or array.ndim != 2 or not 1 < array.size <= MAX_CONSTANT:
        return False
    return array.shape[0] == array.shape[1] and bool((array == np.eye(len(array))).all())


def takes_diagonal(gather: Operation) -> bool:
    """Whether a gather gives x[0, 0], x[1, 1], ... of a square matrix, and all of them."""
    sizes = shape(gather.operands[0])
    if len(sizes) != 2 or sizes[0] != sizes[1] or shape(gather.result) != sizes[:1]:
        return False
    if field(gather, "dimension_numbers", "start_index_map") not in ((0, 1), (1, 0)):
        return False
    if integers(gather, "slice_sizes") != (1, 1) or 0 in sizes:
        return False
    pairs = gather.operands[1].producer
    if pairs is None or pairs.name != "concatenate" or len(pairs.operands) != 2:
        return False
    return all(counted_dim(value) == 0 for value in pairs.operands)
