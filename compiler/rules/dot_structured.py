"""Dots of matrices whose structure is known: ones, zeros, padding, diagonals, narrow elements."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer_table
from compiler.rewrite.expression import Term, constant, dtype, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import COMPLEX, FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.diagonals import diagonal_of
from compiler.rules.dot_terms import (
    UNSTEADY,
    Cut,
    Dot,
    arrange,
    broadcast,
    cut,
    dot_of,
    is_complex,
    keeps_dtype,
    spread,
    sum_over,
)

x, y, v = var("x"), var("y"), var("v")
number = var("y", FLOAT + INTEGER)
numbers = var("y", FLOAT + INTEGER + COMPLEX)
DIAGONAL: Final = op["select_n", "convert_element_type", "constant"].any().shared()
ZERO: Final = num(0.0)
PADDED: Final = op.pad(x, ZERO).named("padded")
OTHER_PADDED: Final = op.pad(v, ZERO).named("other")
WIDENED: Final = op.convert_element_type(x).named("first")
OTHER_WIDENED: Final = op.convert_element_type(y).named("second")
SUM: Final = op.add(var("e"), var("d")).named("sum")


def _sizes(found: Dot) -> Mapping[int, int]:
    return {
        n: s for value, labels in found.sides for n, s in zip(labels, shape(value), strict=True)
    }


def _dot_with_ones(m: Match) -> Replacement:
    """The sum of the other operand over what is contracted, repeated along the ones' own rows."""
    found = dot_of(m.root)
    side = 1 if m.root.operands[0] is m.y else 0
    value, labels = found.sides[1 - side]
    if not keeps_dtype(m.root) or not found.contracted:
        return Refusal("nothing is added up, or in another type")
    axes = [d for d, n in enumerate(labels) if n in found.contracted]
    own = tuple(n for n in labels if n not in found.contracted)
    kept = tuple(n for n in found.out if n in own)
    total = _sum_in_full(value, axes)
    return spread(arrange(total, own, kept), kept, found.out, dict(_sizes(found)))


def _sum_in_full(value: Value, axes: Sequence[int]) -> Term:
    """The sum of the elements; of two-byte ones with the precision that a dot adds up in."""
    narrow = dtype(value)
    if narrow.itemsize >= 4 or narrow.kind in "iu":
        return sum_over(value, axes)
    wide = new("convert_element_type", value, new_dtype=np.dtype(np.float32), weak_type=False)
    return new("convert_element_type", sum_over(wide, axes), new_dtype=narrow, weak_type=False)


def _dot_with_zeros(m: Match) -> Replacement:
    return broadcast(constant(0, like=m.root.result), shape(m.root.result), ())


class _Scaling(NamedTuple):
    """What a diagonal matrix does in a dot: it renames a label, and scales along it."""

    before: int
    after: int
    factor: Term | None


def _scaling(found: Dot, side: int, value: Value) -> _Scaling | None:
    """The scaling that a diagonal matrix stands for, as an operand of a dot; None if it is none."""
    diagonal, labels = diagonal_of(value), found.sides[side][1]
    if diagonal is None or len(labels) != 2 or dtype(value) != dtype(found.op.result):
        return None
    before = [n for n in labels if n in found.contracted]
    after = [n for n in labels if n not in found.sides[1 - side][1]]
    if len(before) != 1 or len(after) != 1:
        return None
    if diagonal.value is None:
        return _Scaling(before[0], after[0], None)
    made = diagonal.value.producer
    if made is None or made.name != "broadcast_in_dim" or len(shape(made.operands[0])) > 1:
        return None
    factor = made.operands[0]
    whole = shape(factor) in ((), (shape(value)[0],))
    return _Scaling(before[0], after[0], factor) if whole else None


def _scaled(found: Dot, side: int, scaling: _Scaling) -> Term:
    """The other operand scaled, in the order of the dot's result."""
    value, labels = found.sides[1 - side]
    named = tuple(scaling.after if n == scaling.before else n for n in labels)
    term = arrange(value, named, found.out)
    if scaling.factor is None:
        return term
    if not shape(scaling.factor):
        return new("mul", term, scaling.factor)
    factor = spread(scaling.factor, (scaling.after,), found.out, dict(_sizes(found)))
    return new("mul", term, factor)


def _dot_with_diagonal(m: Match) -> Replacement:
    found = dot_of(m.root)
    if not keeps_dtype(m.root):
        return Refusal("the result is of another type")
    for side in (0, 1):
        scaling = _scaling(found, side, m.root.operands[side])
        if scaling is not None:
            return _scaled(found, side, scaling)
    return Refusal("no operand is a diagonal matrix")


def _dot_with_diagonal_sum(m: Match) -> Replacement:
    """(E + D) @ y as the scaled y and D @ y."""
    found = dot_of(m.root)
    side = 0 if m.root.operands[0] is m.sum.result else 1
    scaling = _scaling(found, side, m.e)
    if scaling is None or not keeps_dtype(m.root) or shape(m.d) != shape(m.sum.result):
        return Refusal("nothing that is added is a diagonal matrix")
    operands = [m.d if i == side else value for i, value in enumerate(m.root.operands)]
    return new("add", _scaled(found, side, scaling), like(m.root, operands)[0])


def _margins(pad: Operation) -> list[tuple[int, int]] | None:
    """What a pad adds before and after, by dimension; None if it cuts off or spreads."""
    table = integer_table(pad, "padding_config")
    plain = all(low >= 0 and high >= 0 and not inner for low, high, inner in table)
    return [(low, high) for low, high, _ in table] if plain else None


def _dot_of_padded(m: Match) -> Replacement:
    """The dot without the zeros, which are put round the result where they were not added up."""
    found, margins = dot_of(m.root), _margins(m.padded)
    if margins is None or m.root.operands[0] is m.root.operands[1]:
        return Refusal("the padding is no margin of zeros")
    side = 0 if m.root.operands[0] is m.padded.result else 1
    around = dict(zip(found.sides[side][1], margins, strict=True))
    value, labels = found.sides[1 - side]
    cuts = {
        d: Cut(around[n][0], shape(value)[d] - around[n][1])
        for d, n in enumerate(labels)
        if any(around.get(n, ()))
    }
    pair = (m.x, cut(value, cuts))
    result = like(m.root, pair[::-1] if side else pair)[0]
    outer = [around.get(n, (0, 0)) for n in found.out]
    if not any(any(margin) for margin in outer):
        return result
    config = tuple((low, high, 0) for low, high in outer)
    return new("pad", result, constant(0, like=result), padding_config=config)


def _dot_of_both_padded(m: Match) -> Replacement:
    """The dot of what was padded, where zeros only meet zeros."""
    found = dot_of(m.root)
    if is_complex(m.root):
        return Refusal(UNSTEADY)
    before, after = _margins(m.padded), _margins(m.other)
    if before is None or after is None:
        return Refusal("the padding is no margin of zeros")
    lhs = dict(zip(found.lhs, before, strict=True))
    rhs = dict(zip(found.rhs, after, strict=True))
    added = {n for n, margin in (*lhs.items(), *rhs.items()) if any(margin)}
    if any(n not in found.contracted or lhs[n] != rhs[n] for n in added):
        return Refusal("some zeros meet other numbers")
    return like(m.root, (m.x, m.v))[0]


def _dot_of_widened(m: Match) -> Replacement:
    """The dot of the narrow elements, whose products are exact in the wide type anyway."""
    narrow = [dtype(value) for value in (m.x, m.y)]
    wide = dtype(m.root.result)
    if narrow[0] != narrow[1] or narrow[0].name not in ("bfloat16", "float16"):
        return Refusal("the elements were not narrow floats of one type")
    if wide != np.float32 or dtype(m.first.result) != wide or dtype(m.second.result) != wide:
        return Refusal("they are not widened to f32")
    return like(m.root, (m.x, m.y), preferred_element_type=wide)[0]


RULES: Final = (
    Rule(
        name="dot-with-ones",
        law="ones @ B = repeat(sum(B, 0)), and A @ ones = sum(A, 1)",
        pattern=op.dot_general(num(1.0), number) | op.dot_general(number, num(1.0)),
        replace=_dot_with_ones,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda b: jnp.ones((9, b.shape[0]), b.dtype) @ b, "f32[k,n]"),
            example(lambda a: a @ jnp.ones(a.shape[1], a.dtype), "f32[m,k]"),
        ),
    ),
    Rule(
        name="dot-with-zeros",
        law="zeros @ B = zeros",
        pattern=op.dot_general(ZERO, y) | op.dot_general(y, ZERO),
        replace=_dot_with_zeros,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda b: jnp.zeros((9, b.shape[0]), b.dtype) @ b, "f32[k,n]"),),
        elsewhere="Enzyme-JAX: DotGeneralSimplify; XLA: algebraic simplifier, for some",
    ),
    Rule(
        name="dot-with-diagonal",
        law="identity @ A = A, diag(d) @ A = d[:, None] * A, and A @ diag(d) = A * d",
        pattern=op.dot_general(DIAGONAL, numbers) | op.dot_general(numbers, DIAGONAL),
        replace=_dot_with_diagonal,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda a: jnp.eye(a.shape[0], dtype=a.dtype) @ a, "f32[m,k]"),
            example(lambda d, a: a @ jnp.diag(d), "f32[k]", "f32[m,k]"),
        ),
        elsewhere="Enzyme-JAX: DiagonalTensorDotGeneralRewrite",
    ),
    Rule(
        name="dot-with-diagonal-and-more",
        law="(identity + A) @ X = X + A @ X, and so for any diagonal matrix",
        pattern=op.dot_general(SUM, numbers) | op.dot_general(numbers, SUM),
        replace=_dot_with_diagonal_sum,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(
                lambda a, x: (jnp.eye(a.shape[0], dtype=a.dtype) + a) @ x,
                "f32[m,m]",
                "f32[m,n]",
                m=32,
                n=2,
            ),
        ),
    ),
    Rule(
        name="dot-of-padded",
        law="pad(A) @ B = pad(A @ B), or A @ slice(B) where the zeros are added up",
        pattern=op.dot_general(PADDED, y) | op.dot_general(y, PADDED),
        replace=_dot_of_padded,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(lambda a, b: jnp.pad(a, ((1, 8), (0, 0))) @ b, "f32[m,k]", "f32[k,n]", k=16),
            example(lambda a, b: b @ jnp.pad(a, ((2, 8), (0, 0))), "f32[k,n]", "f32[m,14]", k=4),
        ),
        elsewhere="Enzyme-JAX: PadDotGeneral",
    ),
    Rule(
        name="dot-of-both-padded",
        law="pad(A, 1) @ pad(B, 0) = A @ B, where zeros only meet zeros",
        pattern=op.dot_general(PADDED, OTHER_PADDED),
        replace=_dot_of_both_padded,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda a, b: jnp.pad(a, ((0, 0), (2, 3))) @ jnp.pad(b, ((2, 3), (0, 0))),
                "f32[m,k]",
                "f32[k,n]",
            ),
        ),
        elsewhere="Enzyme-JAX: PadDotGeneral",
    ),
    Rule(
        name="dot-of-widened",
        law="f32(A) @ f32(B) = dot(A, B) added up in f32, for elements of two bytes",
        pattern=op.dot_general(WIDENED, OTHER_WIDENED),
        replace=_dot_of_widened,
        numerics=Numerics.ROUNDING,
        examples=(
            example(
                lambda a, b: a.astype(jnp.float32) @ b.astype(jnp.float32), "bf16[m,k]", "bf16[k,n]"
            ),
        ),
        elsewhere="XLA: on GPUs",
    ),
)
