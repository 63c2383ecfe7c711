"""Sums of products written out by hand, which are dots."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp

from compiler.ir.attributes import EnumValue
from compiler.ir.graph import Value
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Labels, is_elementwise, reshape

x, y, axes = var("x", FLOAT), var("y", FLOAT), var("axes")
FULL: Final = EnumValue("Precision", "HIGHEST")
"""The products that are replaced were as precise as their elements, on every platform."""


def _factor(value: Value, whole: Sequence[int]) -> tuple[Term, Labels, Value]:
    """A factor as it was before it was repeated to a shape, and the dimensions of that it has."""
    base, dims = value, tuple(range(len(shape(value))))
    made = value.producer
    if made is not None and made.name == "broadcast_in_dim":
        base, dims = made.operands[0], integers(made, "broadcast_dimensions")
    own = [n for n, d in enumerate(dims) if shape(base)[n] == whole[d] != 1]
    labels = tuple(dims[n] for n in own)
    return reshape(base, [whole[d] for d in labels]), labels, base


def _as_dot(m: Match) -> Replacement:
    whole = shape(m.root.operands[0])
    if dtype(m.x).itemsize < 4:
        return Refusal("two-byte products are rounded before they are added up")
    if 0 in whole or not (shape(m.x) and shape(m.y)):
        return Refusal("a factor is a number, or there are no elements")
    (lhs, left, first), (rhs, right, second) = (_factor(v, whole) for v in (m.x, m.y))
    shared = {*left} & {*right}
    summed = {d for d in m.axes if whole[d] != 1}
    if not summed or shared != summed or {*left} == {*right}:
        return Refusal("it is no sum over the dimensions that the factors share")
    if is_elementwise(first) or is_elementwise(second):
        return Refusal("a factor is computed in the same loop")
    if min(_free(left, summed), default=0) > min(_free(right, summed), default=len(whole)):
        lhs, left, rhs, right = rhs, right, lhs, left
    if (free := [*_free(left, summed), *_free(right, summed)]) != sorted(free):
        return Refusal("the dimensions of the factors stand between each other")
    order = [d for d in left if d in summed]
    numbers = ((_at(order, left), _at(order, right)), ((), ()))
    result = new("dot_general", lhs, rhs, dimension_numbers=numbers, precision=(FULL, FULL))
    return reshape(result, shape(m.root.result))


def _free(labels: Labels, summed: set[int]) -> list[int]:
    return [d for d in labels if d not in summed]


def _at(labels: Sequence[int], among: Labels) -> tuple[int, ...]:
    return tuple(among.index(label) for label in labels)


RULES: Final = (
    Rule(
        name="sum-of-products",
        law="sum(A[:, :, None] * B[None], 1) = A @ B, and sum(A * v, 1) = A @ v",
        pattern=op.reduce_sum(op.mul(x, y), axes=axes),
        replace=_as_dot,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda a, b: jnp.sum(a[:, :, None] * b[None], 1), "f32[m,k]", "f32[k,n]"),
            example(lambda a, v: jnp.sum(a * v[:, None], 0), "f32[m,k]", "f32[m]"),
        ),
        rejects=(
            example(
                lambda a, b: jnp.sum(jnp.exp(a) * b, 1),
                "f32[m,k]",
                "f32[k]",
                reason="in the same loop",
            ),
            example(
                lambda a, b: jnp.sum(a * b, 1),
                "f32[m,k]",
                "f32[m,k]",
                reason="that the factors share",
            ),
        ),
        elsewhere="Enzyme-JAX: ReduceMulToDotGeneral",
    ),
)
