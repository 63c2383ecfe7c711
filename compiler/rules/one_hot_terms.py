"""One-hot arrays: comparisons of an index with 0, 1, 2 ... along a dimension."""

# numpy annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, dtype, shape
from compiler.rules.dot_terms import broadcast, reshape
from compiler.rules.index_terms import known_integers


class OneHot(NamedTuple):
    """True where the place along a dimension is the index, else false.

    Attributes:
        choice: the index; its shape is that of the one-hot array without the dimension.
        dim: the dimension.
        size: how many places there are.
    """

    choice: Term
    dim: int
    size: int


def one_hot_of(value: Value) -> OneHot | None:
    """The one-hot array that a value is, conversions looked through; None if it is none."""
    op = value.producer
    if op is not None and op.name == "convert_element_type":
        return one_hot_of(op.operands[0])
    if op is not None and op.name == "broadcast_in_dim" and len(op.operands) == 1:
        return _repeated(op)
    if op is None or op.name != "eq" or dtype(op.operands[0]).kind not in "iu":
        return None
    sizes = shape(op.result)
    for counts, index in (op.operands, op.operands[::-1]):
        for dim in range(len(sizes)):
            if _counts_along(counts, dim, sizes):
                rest = _without(index, dim, sizes)
                return None if rest is None else OneHot(rest, dim, sizes[dim])
    return None


def _repeated(op: Operation) -> OneHot | None:
    inner = one_hot_of(op.operands[0])
    if inner is None:
        return None
    dims, sizes = integers(op, "broadcast_dimensions"), shape(op.result)
    dim = dims[inner.dim]
    if sizes[dim] != inner.size:
        return None
    kept = [i for i in range(len(dims)) if i != inner.dim]
    places = [dims[i] if dims[i] < dim else dims[i] - 1 for i in kept]
    rest = (*sizes[:dim], *sizes[dim + 1 :])
    return OneHot(broadcast(inner.choice, rest, places), dim, inner.size)


def _counts_along(value: Value, dim: int, sizes: tuple[int, ...]) -> bool:
    """Whether a value is its own place along a dimension of an array of these sizes."""
    own = shape(value)
    if len(own) != len(sizes) or own[dim] != sizes[dim] or sizes[dim] < 2:
        return False
    if sizes[dim] - 1 > np.iinfo(dtype(value)).max:
        return False
    op = value.producer
    if op is not None and op.name == "broadcast_in_dim":
        dims = integers(op, "broadcast_dimensions")
        inner = shape(op.operands[0])
        if dim not in dims or inner[dims.index(dim)] != sizes[dim]:
            return False
        return _counts_along(op.operands[0], dims.index(dim), inner)
    if op is not None and op.name == "iota":
        return integer(op, "dimension") == dim
    known = known_integers(value)
    if known is None:
        return False
    column = np.arange(sizes[dim]).reshape([-1 if d == dim else 1 for d in range(len(sizes))])
    return bool(np.all(known == column))


def _without(value: Value, dim: int, sizes: tuple[int, ...]) -> Term | None:
    """A value that is the same along a dimension, without it; None if that is not known."""
    rest = (*sizes[:dim], *sizes[dim + 1 :])
    own = shape(value)
    op = value.producer
    if own == ():
        return broadcast(value, rest, ())
    if own[dim] == 1:
        left = (*own[:dim], *own[dim + 1 :])
        return _spread(reshape(value, left), rest)
    if op is None or op.name != "broadcast_in_dim":
        return None
    dims = integers(op, "broadcast_dimensions")
    inner = shape(op.operands[0])
    if dim in dims and inner[dims.index(dim)] != 1:
        return None
    kept = [i for i, d in enumerate(dims) if d != dim]
    found = reshape(op.operands[0], [inner[i] for i in kept])
    places = [dims[i] if dims[i] < dim else dims[i] - 1 for i in kept]
    return broadcast(found, rest, places)


def _spread(term: Term, sizes: tuple[int, ...]) -> Term:
    """The term with its dimensions of size one repeated."""
    own = shape(term)
    if own == sizes:
        return term
    kept = [d for d, size in enumerate(own) if size == sizes[d]]
    return broadcast(reshape(term, [own[d] for d in kept]), sizes, kept)
