"""Reductions of dots: traces, diagonals and means, without the dot's other elements."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final

import jax.numpy as jnp
import numpy as np

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.diagonals import agreeing_dims, diagonal_of, takes_diagonal
from compiler.rules.dot_terms import (
    Dot,
    Labels,
    broadcast,
    dot,
    dot_of,
    steady,
    sum_over,
    swappable,
)

ANY_DOT: Final = op.dot_general.any().named("dot")
mask, axes, eye = var("mask"), var("axes"), var("eye")
NOT_A_MASK: Final = "the mask is not that of a diagonal"
NOT_FREE: Final = "the diagonal is not between the two operands"


def _diagonal_dot(dot_op: Operation, dims: tuple[int, int], out_dims: Sequence[int]) -> Term | None:
    """The dot's elements whose indices agree, added up over all dimensions but some.

    Args:
        dot_op: a plain dot.
        dims: the two dimensions of its result whose indices agree.
        out_dims: the dimensions of its result that are kept, in order; of ``dims`` one at most.

    Returns:
        the dot; None if one operand alone has a dimension that is added up, or both of ``dims``.
    """
    found = dot_of(dot_op)
    first, second = (found.out[d] for d in dims)
    lhs, rhs = (tuple(first if n == second else n for n in labels) for _, labels in found.sides)
    out = tuple(first if n == second else n for n in (found.out[d] for d in out_dims))
    apart = {first, second} <= {*found.lhs} ^ {*found.rhs}
    if not apart or first not in lhs or first not in rhs or not _gives(lhs, rhs, out):
        return None
    return dot(dot_op.operands[0], lhs, dot_op.operands[1], rhs, out, dot_op)


def _gives(lhs: Labels, rhs: Labels, out: Labels) -> bool:
    return set(out) >= {*lhs} ^ {*rhs}


def _sum_of_diagonal(m: Match) -> Replacement:
    """The sum of a masked dot over one or both of the dimensions that must agree."""
    dims = agreeing_dims(m.mask) if m.get("mask") else _dims_of_identity(m.eye)
    if dims is None or not set(dims) & set(m.axes):
        return Refusal(NOT_A_MASK)
    kept = [d for d in range(len(shape(m.dot.result))) if d not in m.axes]
    inside = [d for d in m.axes if d not in dims]
    order = [d for d in range(len(shape(m.dot.result))) if d in (*kept, *inside)]
    result = _diagonal_dot(m.dot, dims, order)
    if result is None:
        return Refusal(NOT_FREE)
    return sum_over(result, [order.index(d) for d in inside])


def _dims_of_identity(value: Value) -> tuple[int, int] | None:
    found = diagonal_of(value)
    return found.dims if found is not None and found.value is None else None


def _taken_diagonal(m: Match) -> Replacement:
    if m.root.name == "cond" and not _all_take_diagonal(m):
        return Refusal("not every branch takes the diagonal")
    if m.root.name == "gather" and not takes_diagonal(m.root):
        return Refusal("the gather does not take the diagonal")
    return _diagonal_dot(m.dot, (0, 1), (0,)) or Refusal(NOT_FREE)


def _all_take_diagonal(m: Match) -> bool:
    """Whether every branch of a choice between platforms gives the diagonal of the dot."""
    return all(_gives_diagonal(region.outputs, m) for region in m.root.regions)


def _gives_diagonal(outputs: Sequence[Value], m: Match) -> bool:
    op = outputs[0].producer if len(outputs) == 1 else None
    if op is None or not op.operands:
        return False
    arguments = m.root.operands[1:]
    if op.name == "gather":
        source = op.operands[0]
        return (
            source.producer is None and _is_dot(arguments[source.index], m) and takes_diagonal(op)
        )
    product = op.operands[0].producer
    if op.name != "reduce_sum" or product is None or product.name != "mul":
        return False
    if integers(op, "axes") not in ((0,), (1,)) or any(v.producer for v in product.operands):
        return False
    values = [arguments[value.index] for value in product.operands]
    masks = [value for value in values if not _is_dot(value, m)]
    return len(masks) == 1 and _dims_of_identity(masks[0]) == (0, 1)


def _is_dot(value: Value, m: Match) -> bool:
    return value is m.dot.result


def _sum_of_dot_and_more(m: Match) -> Replacement:
    """The sum of each of two terms, of which one is a dot."""
    whole = shape(m.root.operands[0])
    first = _summed_dot(dot_of(m.dot), m.axes)
    second = _summed(m.c, m.axes, whole)
    return (
        new(m.added.name, first, second)
        if m.added.operands[0] is m.dot.result
        else new(m.added.name, second, first)
    )


def _summed_dot(found: Dot, axes: Sequence[int]) -> Term:
    """A dot added up over dimensions of its result: of operands that are added up before it."""
    gone = {found.out[d] for d in axes}
    sides: list[tuple[Term, Labels]] = []
    for (value, labels), (_, others) in zip(found.sides, found.sides[::-1], strict=True):
        own = [d for d, n in enumerate(labels) if n in gone and n not in others]
        kept = tuple(n for d, n in enumerate(labels) if d not in own)
        sides.append((sum_over(value, own), kept))
    out = tuple(n for n in found.out if n not in gone)
    return dot(*sides[0], *sides[1], out, found.op)


def _summed(value: Value, axes: Sequence[int], whole: Sequence[int]) -> Term:
    """A value, repeated to a shape, added up over some of its dimensions."""
    base, dims = value, tuple(range(len(shape(value))))
    made = value.producer
    if made is not None and made.name == "broadcast_in_dim":
        base, dims = made.operands[0], integers(made, "broadcast_dimensions")
    own = [n for n, d in enumerate(dims) if d in axes and shape(base)[n] == whole[d]]
    units = [n for n, d in enumerate(dims) if d in axes and n not in own]
    repeats = prod(whole[d] for d in axes) // prod(shape(base)[n] for n in own)
    left = [d for d in range(len(whole)) if d not in axes]
    term: Term = sum_over(base, [*own, *units])
    if repeats != 1:
        count = constant(np.asarray(repeats).astype(dtype(base)), like=base)
        term = new("mul", term, count)
    places = [left.index(d) for n, d in enumerate(dims) if n not in (*own, *units)]
    return broadcast(term, [whole[d] for d in left], places)


def _has_elements(m: Match) -> str | None:
    return None if all(shape(m.dot.result)) else "the dot has no elements"


RULES: Final = (
    Rule(
        name="trace-of-dot",
        law="trace(A @ B) = sum(A * B^T), and diag(A @ B) = sum(A * B^T, 1), of a masked dot",
        pattern=op.reduce_sum(op.select_n(mask, num(0.0), ANY_DOT), axes=axes),
        replace=_sum_of_diagonal,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(
            example(lambda a, b: jnp.trace(a @ b), "f32[m,k]", "f32[k,m]"),
            example(lambda a, b: jnp.einsum("ii->i", a @ b), "f32[m,k]", "f32[k,m]"),
        ),
        rejects=(
            example(
                lambda a, b: jnp.trace(jnp.matmul(a, b, precision=("highest", "default"))),
                "f32[m,k]",
                "f32[k,m]",
                reason="treated unlike",
            ),
            example(
                lambda a, b: jnp.trace(a @ b, offset=1), "f32[m,k]", "f32[k,m]", reason=NOT_A_MASK
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralOnlyDiagonalAccess",
    ),
    Rule(
        name="diagonal-of-dot",
        law="diagonal(A @ B) = sum(A * B^T, 1)",
        pattern=op.gather(ANY_DOT, var("indices"))
        | op.cond(var("index"), var("rest"), ANY_DOT.shared()),
        replace=_taken_diagonal,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(example(lambda a, b: jnp.diag(a @ b), "f32[m,k]", "f32[k,m]"),),
        rejects=(
            example(
                lambda a, b: jnp.diag(jnp.matmul(a, b, precision=("highest", "default"))),
                "f32[m,k]",
                "f32[k,m]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralOnlyDiagonalAccess",
    ),
    Rule(
        name="sum-of-dot-times-identity",
        law="sum((A @ B) * identity) = trace(A @ B) = sum(A * B^T)",
        pattern=op.reduce_sum(op.mul(ANY_DOT, eye), axes=axes),
        replace=_sum_of_diagonal,
        numerics=Numerics.FINITE,
        transparent=True,
        guards=(swappable,),
        examples=(
            example(
                lambda a, b: jnp.sum((a @ b) * jnp.eye(a.shape[0], dtype=a.dtype)),
                "f32[m,k]",
                "f32[k,m]",
            ),
        ),
        rejects=(
            example(
                lambda a, b: jnp.sum(
                    jnp.matmul(a, b, precision=("highest", "default")) * jnp.eye(a.shape[0])
                ),
                "f32[m,k]",
                "f32[k,m]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralOnlyDiagonalAccess",
    ),
    Rule(
        name="sum-of-dot-and-more",
        law="sum(A @ B + c, 0) = sum(A, 0) @ B + n * c",
        pattern=op.reduce_sum(
            op["add", "sub"](ANY_DOT, var("c", FLOAT + INTEGER)).named("added")
            | op.sub(var("c", FLOAT + INTEGER), ANY_DOT).named("added"),
            axes=axes,
        ),
        replace=_sum_of_dot_and_more,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        guards=(swappable, _has_elements),
        examples=(
            example(
                lambda x, w, c: jnp.mean(x @ w + c, 1), "f32[b,s,k]", "f32[k,n]", "f32[n]", s=9
            ),
        ),
        rejects=(
            example(
                lambda x, w, c: jnp.mean(jnp.matmul(x, w, precision=("highest", "default")) + c, 0),
                "f32[s,k]",
                "f32[k,n]",
                "f32[n]",
                reason="treated unlike",
            ),
            example(
                lambda x, w, c: jnp.sum(x @ w + c, 0),
                "f32[0,k]",
                "f32[k,n]",
                "f32[n]",
                reason="no elements",
            ),
        ),
    ),
)
