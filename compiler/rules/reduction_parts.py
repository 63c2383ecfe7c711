"""Reductions of which only parts count: pieces laid side by side, and diagonals behind a mask."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final

import jax.numpy as jnp

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, constant, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.diagonals import diagonal_of
from compiler.rules.reduction_terms import COMBINERS, combined, reduced, reshaped

MAX_PARTS: Final = 64
"""Pieces up to which a loop for each costs less than laying them side by side."""

MIN_PIECE: Final = 2**14
"""Elements of a piece from which on its own loop costs less than its copy."""

MAX_STEPS: Final = 4
"""How many elementwise ops between a concatenation and its reduction are moved to the pieces."""

UNARY: Final = ("abs", "convert_element_type", "exp", "integer_pow", "is_finite", "neg", "square")
SCALED: Final = ("add", "div", "eq", "ge", "gt", "le", "lt", "mul", "ne", "sub")

axes: Final = var("axes")


def _of_pieces(m: Match) -> Replacement:
    """Reduces each piece, and then what comes of them."""
    steps: list[Operation] = []
    value: Value = m.root.operands[0]
    while value.producer is not None and value.producer.name != "concatenate":
        inner = _only_operand(value.producer)
        if inner is None or len(steps) == MAX_STEPS:
            return Refusal("there is no concatenation near")
        steps.append(value.producer)
        value = inner
    found = value.producer
    if found is None or not 1 < len(found.operands) <= MAX_PARTS:
        return Refusal("there is no concatenation near, or it is of very many pieces")
    if not steps or prod(shape(value)) < MIN_PIECE * len(found.operands):
        return Refusal("the pieces are small, or are reduced as they are")
    pieces = [_through(steps, piece) for piece in found.operands]
    return _assembled(m, pieces, integer(found, "dimension"))


def _only_operand(op: Operation) -> Value | None:
    """What an elementwise op is of, beside known numbers; None if others read that too."""
    moving = [operand for operand in op.operands if uniform(operand) is None]
    if op.name not in (*UNARY, *SCALED) or not moving:
        return None
    if any(operand is not moving[0] for operand in moving) or moving[0].use_count > len(moving):
        return None
    return moving[0] if shape(moving[0]) == shape(op.result) else None


def _through(steps: Sequence[Operation], piece: Value) -> Term:
    """The elementwise ops of a piece; they stand the last one first."""
    term: Term = piece
    for step in reversed(steps):
        (term,) = like(step, [_number(operand) or term for operand in step.operands])
    return term


def _number(operand: Value) -> Term | None:
    """A known number as a scalar; None for what is of the concatenation."""
    number = uniform(operand)
    if number is None:
        return None
    return operand if shape(operand) == () else constant(number)


def _assembled(m: Match, pieces: Sequence[Term], dim: int) -> Replacement:
    totals = [reduced(m.root.name, piece, m.axes) for piece in pieces]
    if dim in m.axes:
        return combined(m.root.name, totals)
    place = sum(axis not in m.axes for axis in range(dim))
    return new("concatenate", *totals, dimension=place)


def _of_masked(m: Match) -> Replacement:
    """Adds up the diagonal, read as every (n + 1)-th element of the rows in one."""
    found = diagonal_of(m.masked.result)
    if found is None or found.value is None:
        return Refusal("the selection is not that of a diagonal")
    first, second = found.dims
    sizes = shape(found.value)
    n = sizes[first]
    if second != first + 1 or not {first, second} & set(m.axes) or 0 in sizes:
        return Refusal(
            "the dimensions of the diagonal do not lie side by side, or none is added up"
        )
    flat = reshaped(found.value, (*sizes[:first], n * n, *sizes[second + 1 :]))
    strides = tuple(n + 1 if axis == first else 1 for axis in range(len(sizes) - 1))
    whole = shape(flat)
    diagonal = new(
        "slice", flat, start_indices=(0,) * len(whole), limit_indices=whole, strides=strides
    )
    kept = {*range(len(sizes))} - set(m.axes)
    left = [axis - (axis > first) for axis in kept]
    gone = [axis for axis in range(len(whole)) if axis not in left]
    return reduced("reduce_sum", diagonal, gone)


RULES: Final = (
    Rule(
        name="reduction-of-concatenation",
        law="sum(f(concat(x, y))) = sum(f(x)) + sum(f(y)) for elementwise f; so for max and others",
        pattern=op[tuple(COMBINERS)](op[("concatenate", *UNARY, *SCALED)].any(), axes=axes),
        replace=_of_pieces,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda x, y: (jnp.concatenate([x.ravel(), y]) ** 2).sum(),
                *("f32[a,2]", "f32[b]"),
                a=2**14,
                b=2**14,
            ),
            example(
                lambda x, y: jnp.max(jnp.concatenate([x, y]) * 2 - 1, 1),
                "f32[2,a]",
                "f32[3,a]",
                a=2**14,
            ),
        ),
        rejects=(example(lambda x: jnp.exp(x).sum(), "f32[a]", reason="no concatenation"),),
        elsewhere="Enzyme-JAX: ReduceConcat",
    ),
    Rule(
        name="sum-of-masked-diagonal",
        law="sum(where(i == j, x[i, j], 0)) = sum of every (n+1)-th element of x",
        pattern=op.reduce_sum(op.select_n.any().named("masked"), axes=axes),
        replace=_of_masked,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.trace(x), "f32[a,a]"),
            example(lambda x: jnp.trace(x, axis1=1, axis2=2), "f32[2,a,a]"),
            example(lambda x: jnp.einsum("ii->i", x), "f32[a,a]"),
        ),
        rejects=(
            example(
                lambda p, x: jnp.where(p, x, 0).sum(), "bool[a]", "f32[a]", reason="of a diagonal"
            ),
        ),
        elsewhere="-",
    ),
)
