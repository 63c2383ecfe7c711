"""Transposes meet other ops: cancelled, composed, or moved to where they cost nothing."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp

from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import reshape, transpose
from compiler.rules.transpose_pulls import ALL_PULLS, EXACT_PULLS, Pull

x, p, axes = var("x"), var("p"), var("axes")
PICKING: Final = ("reduce_max", "reduce_min", "reduce_and", "reduce_or", "argmax", "argmin")


def _reduce_first(m: Match) -> Term:
    """Reduces before transposing; what is left is put into its order after that."""
    before = tuple(m.p[i] for i in m.axes)
    kept = [dim for dim in range(len(m.p)) if dim not in before]
    order = tuple(kept.index(dim) for dim in m.p if dim in kept)
    (term,) = like(m.root, [m.x], axes=tuple(sorted(before)))
    return term if order == tuple(sorted(order)) else transpose(term, order)


def _pulled(names: frozenset[str], m: Match) -> Replacement:
    found = Pull(m.root, names).result()
    return Refusal("no other transpose meets it") if found is None else found


def _reshaped(m: Match) -> Replacement:
    moving = [dim for dim in m.p if shape(m.x)[dim] != 1]
    if moving != sorted(moving):
        return Refusal("axes of more than one element change places")
    return reshape(m.x, shape(m.root.result))


def _join_first(m: Match) -> Replacement:
    first, *others = [value.producer for value in m.pieces]
    if first is None or first.name != "transpose" or not others:
        return Refusal("not all pieces are transposed")
    order = integers(first, "permutation")
    for value, other in zip(m.pieces, (first, *others), strict=True):
        if other is None or other.name != "transpose" or integers(other, "permutation") != order:
            return Refusal("not all pieces are transposed alike")
        if value.use_count != 1:
            return Refusal("others read a piece")
    sources = [value.producer.operands[0] for value in m.pieces]
    joined = new("concatenate", *sources, dimension=order[integer(m.root, "dimension")])
    return transpose(joined, order)


RULES: Final = (
    Rule(
        name="transpose-of-unit-axes",
        law="transpose(x, p) = reshape(x) where only axes of one element change places",
        pattern=op.transpose(x, permutation=p),
        replace=_reshaped,
        transparent=True,
        examples=(example(lambda x: jnp.tanh(x.transpose(1, 0, 2)), "f32[1,m,k]"),),
        rejects=(example(lambda x: x.transpose(1, 0, 2), "f32[m,k,1]", reason="change places"),),
        elsewhere="Enzyme-JAX: TransposeIsReshape; ONNX Runtime: TransposeOptimizer; XLA: as a "
        "bitcast, at the end only",
    ),
    Rule(
        name="reduce-of-transpose",
        law="reduce(transpose(x, p), axes) = transpose(reduce(x, p[axes])), reduce picks elements",
        pattern=op[PICKING](op.transpose(x, permutation=p), axes=axes),
        replace=_reduce_first,
        transparent=True,
        examples=(
            example(lambda x: jnp.max(jnp.transpose(x, (0, 2, 1)), 2), "f32[a,b,c]"),
            example(lambda x: jnp.argmin(jnp.transpose(x, (2, 1, 0)), 2), "i32[a,b,c]"),
        ),
        elsewhere="Enzyme-JAX: ReduceTransposeSimplify",
    ),
    Rule(
        name="sum-of-transpose",
        law="sum(transpose(x, p), axes) = transpose(sum(x, p[axes])), and so for products",
        pattern=op["reduce_sum", "reduce_prod"](op.transpose(x, permutation=p), axes=axes),
        replace=_reduce_first,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.sum(jnp.transpose(x, (2, 0, 1)), 0), "f32[a,b,c]"),
            example(lambda x: jnp.prod(jnp.transpose(x, (2, 1, 0)), 2), "f32[a,b,c]"),
        ),
        elsewhere="Enzyme-JAX: ReduceTransposeSimplify, FullReduceReshapeOrTranspose; XLA",
    ),
    Rule(
        name="transpose-pulled",
        law="T(f(T(x), y)) = f(x, T(y)): through elementwise ops, maxima, windows, joins, pads, "
        "sorts and what repeats, to the transposes that it cancels",
        pattern=op.transpose(x, permutation=p),
        replace=lambda m: _pulled(EXACT_PULLS, m),
        transparent=True,
        examples=(
            example(lambda x, v: (x.T * 2 + v).T, "f32[m,k]", "f32[m]"),
            example(
                lambda x: (x.T - jnp.max(x.T, 0)).T * jnp.broadcast_to(x[:, 0], (5, 3)).T,
                "f32[3,5]",
            ),
        ),
        rejects=(example(lambda x: (x.T * 2, (x.T * 2).T), "f32[m,k]", reason="no other"),),
        elsewhere="Grappler: HoistCWiseUnaryChains, GenericLayoutOptimizer; ONNX Runtime: "
        "TransposeOptimizer; Enzyme-JAX: TransposeElementwiseTranspose, TransposeReduceWindow, "
        "TransposePad, TransposeConcat, TransposeBroadcastInDimToBroadcastInDim; Relax: "
        "OptimizeLayoutTransform",
    ),
    Rule(
        name="transpose-pulled-through-rounding",
        law="T(f(T(x))) = f(x): through exp, tanh..., sums, running sums and transforms too",
        pattern=op.transpose(x, permutation=p),
        replace=lambda m: _pulled(ALL_PULLS, m),
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: (jnp.exp(x.T) / jnp.exp(x.T).sum(0)).T, "f32[m,k]"),
            example(lambda x: jnp.cumsum(x.T, 0).T, "f32[m,k]"),
        ),
        elsewhere="ONNX Runtime: TransposeOptimizer; Enzyme-JAX: TransposeReduce, TransposeFFT",
    ),
    Rule(
        name="concat-of-transposes",
        law="concat(T(x), T(y)) = T(concat(x, y))",
        pattern=op.concatenate(rest("pieces")),
        replace=_join_first,
        transparent=True,
        normal_form="transposes stand behind joins",
        examples=(example(lambda x, y: jnp.concatenate([x.T, y.T], 0), "f32[m,k]", "f32[m,n]"),),
        rejects=(
            example(
                lambda x, y: jnp.concatenate([x.T, y], 0), "f32[m,k]", "f32[n,m]", reason="not all"
            ),
        ),
        elsewhere="Relax: ReorderPermuteDimsAfterConcat; Enzyme-JAX: ConcatTranspose; ONNX "
        "Runtime: TransposeOptimizer",
    ),
)
