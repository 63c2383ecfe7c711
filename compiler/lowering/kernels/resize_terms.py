"""Products with matrices of weights that are known: found in the graph, and taken apart."""

# numpy annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np

from compiler.analysis.constants import constant_value
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.definition import NotExact, lookup
from compiler.ops.parameters import dot_dimensions, integers
from compiler.rewrite.expression import shape

MAX_WEIGHTS: Final = 1 << 20
"""Matrices of more elements are not computed when the program is compiled."""

MAX_OPS: Final = 64
"""So many ops are looked at behind a matrix; JAX computes one of a resize by some thirty."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Products of a value with known matrices, along its axes, and transpositions of it.

    Attributes:
        source: the value.
        weights: axes of the value, each with the matrix that it meets as its rows.
        order: for each axis of the result the axis of the value.
    """

    source: Value
    weights: tuple[tuple[int, Array], ...]
    order: tuple[int, ...]


def chain_of(value: Value) -> Chain:
    """The longest chain that ends in a value, and of which nobody reads what is between."""
    op = value.producer
    if op is not None and op.name == "transpose":
        inner = _before(op.operands[0])
        order = tuple(inner.order[axis] for axis in integers(op, "permutation"))
        return Chain(inner.source, inner.weights, order) if inner.weights else _itself(value)
    return (_product(op) if op is not None and op.name == "dot_general" else None) or _itself(value)


def _before(value: Value) -> Chain:
    return chain_of(value) if value.use_count == 1 else _itself(value)


def _itself(value: Value) -> Chain:
    return Chain(value, (), tuple(range(len(shape(value)))))


def _product(op: Operation) -> Chain | None:
    """The chain that ends in a product with a known matrix; None if there is none."""
    contracted, batch = dot_dimensions(op)
    types = [value.type for value in (*op.operands, op.result)]
    if batch[0] or len(contracted[0]) != 1 or any(not _is_single(type) for type in types):
        return None
    for place in (1, 0):
        matrix = known_matrix(op.operands[place])
        if matrix is not None:
            (row,), (axis,) = contracted[place], contracted[1 - place]
            return _extended(op.operands[1 - place], axis, matrix if row == 0 else matrix.T, place)
    return None


def _is_single(type: object) -> bool:
    return isinstance(type, ArrayType) and type.dtype == np.float32


def _extended(value: Value, axis: int, matrix: Array, place: int) -> Chain:
    inner = _before(value)
    met = inner.order[axis]
    free = [d for i, d in enumerate(inner.order) if i != axis]
    order = (*free, met) if place else (met, *free)
    return Chain(inner.source, (*inner.weights, (met, matrix)), order)


def known_matrix(value: Value) -> Array | None:
    """The matrix that a value always is, computed from constants and iotas; None if not known."""
    sizes = shape(value)
    if len(sizes) != 2 or not 0 < sizes[0] * sizes[1] <= MAX_WEIGHTS:
        return None
    found = dict[Value, Array]()
    pending = [value]
    while pending:
        one = pending[-1]
        missing = _missing(one, found)
        if missing is None or len(pending) + len(found) > MAX_OPS:
            return None
        pending += missing
        if not missing:
            pending.pop()
            result = found.get(one)
            result = _computed(one, found) if result is None else result
            if result is None:
                return None
            found[one] = result
    matrix = found[value]
    return matrix if np.isfinite(matrix).all() and matrix.any() else None


def _missing(value: Value, found: Mapping[Value, Array]) -> list[Value] | None:
    """The operands that are not computed yet; None if the value cannot be computed."""
    op, type = value.producer, value.type
    if op is None or op.regions or not isinstance(type, ArrayType) or type.size > MAX_WEIGHTS:
        return None
    if constant_value(value) is not None or value in found:
        return []
    is_computed = op.name == "reduce_sum" or lookup(op.name).evaluate is not None
    return [operand for operand in op.operands if operand not in found] if is_computed else None


def _computed(value: Value, found: Mapping[Value, Array]) -> Array | None:
    op, constant = value.producer, constant_value(value)
    if constant is not None or op is None:
        return constant
    operands = [found[operand] for operand in op.operands]
    if op.name == "reduce_sum":
        return np.asarray(operands[0].sum(integers(op, "axes"), operands[0].dtype))
    evaluate = lookup(op.name).evaluate
    try:
        with np.errstate(all="ignore"):
            return evaluate(op, operands)[value.index] if evaluate is not None else None
    except NotExact:
        return None


@dataclass(frozen=True, slots=True)
class Weights:
    """A matrix taken apart: the result in blocks, each of one element of every phase.

    Element ``i * len(phases) + p`` of the result is the sum over the places of phase ``p`` of
    ``x[i * step + place] * phases[p][place][i]``.

    Attributes:
        count: how many blocks there are.
        step: how many elements further the next block reads.
        places: where blocks read, from their own beginning on.
        phases: by place, the weights that are not all zero, for each block.
    """

    count: int
    step: int
    places: Sequence[int]
    phases: Sequence[Mapping[int, Array]]

    @staticmethod
    def of(matrix: Array) -> Weights:
        """The matrix, whose columns are elements of the result, taken apart."""
        rows, columns = matrix.shape
        count = gcd(rows, columns)
        step, width = rows // count, columns // count
        phases = [dict[int, Array]() for _ in range(width)]
        for row, column in np.argwhere(matrix).tolist():
            block, phase = divmod(column, width)
            place = row - block * step
            weights = phases[phase].setdefault(place, np.zeros(count, matrix.dtype))
            weights[block] = matrix[row, column]
        for phase in phases:
            if not phase:  # nothing is read for it: it is zero
                phase[0] = np.zeros(count, matrix.dtype)
        places = sorted({place for phase in phases for place in phase})
        return Weights(count, step, places, phases)
