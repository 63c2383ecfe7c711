"""Parts of dots: slices of a result are taken of the operands instead."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Final

from jax import lax

from compiler.rewrite.expression import Term, constant, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import (
    UNSTEADY,
    Cut,
    Dot,
    Group,
    cut,
    dot_of,
    is_complex,
    reshape,
    reshape_groups,
)

starts, limits, strides = var("starts"), var("limits"), var("strides")
ANY_DOT: Final = op.dot_general.any().named("dot")
ENZYME_SLICE: Final = "Enzyme-JAX: SliceDotGeneral, SliceReshapeDotGeneral"


def _cuts(m: Match, sizes: Sequence[int]) -> dict[int, Cut]:
    """What the matched slice cuts off, by dimension."""
    steps = m.strides or (1,) * len(sizes)
    every = [Cut(*numbers) for numbers in zip(m.starts, m.limits, steps, strict=True)]
    return {d: every[d] for d, size in enumerate(sizes) if every[d] != Cut(0, size)}


def _sliced(found: Dot, cuts: Mapping[int, Cut]) -> Term:
    """The dot of operands that are sliced where its result was to be."""
    by_label = {found.out[d]: one for d, one in cuts.items()}
    operands = [
        cut(value, {d: by_label[label] for d, label in enumerate(labels) if label in by_label})
        for value, labels in found.sides
    ]
    return like(found.op, operands)[0]


def _slice_of_dot(m: Match) -> Replacement:
    if is_complex(m.dot):
        return Refusal(UNSTEADY)
    before, after = shape(m.dot.result), shape(m.root.operands[0])
    cuts = _cuts(m, after)
    groups = reshape_groups(before, after)
    if groups is None:
        return Refusal("there are no elements")
    moved: dict[int, Cut] = {}
    for group in groups:
        inner = _through(group, cuts, after)
        if inner is None:
            return Refusal("the slice is not a range of one dimension of the dot")
        moved |= inner
    return reshape(_sliced(dot_of(m.dot), moved), shape(m.root.result))


def _through(group: Group, cuts: Mapping[int, Cut], sizes: Sequence[int]) -> dict[int, Cut] | None:
    """The cut of the one dimension that a group was before it was reshaped; None if it is none."""
    touched = [d for d in group.after if d in cuts]
    if not touched:
        return {}
    if len(group.before) != 1 or len(touched) != 1:
        return None
    place = touched[0]
    if any(sizes[d] != 1 for d in group.after if d < place):
        return None
    inner = prod(sizes[d] for d in group.after if d > place)
    start, limit, stride = cuts[place]
    if stride != 1 and inner != 1:
        return None
    return {group.before[0]: Cut(start * inner, limit * inner, stride)}


def _dynamic_slice_of_dot(m: Match) -> Replacement:
    if is_complex(m.dot):
        return Refusal(UNSTEADY)
    found = dot_of(m.dot)
    wanted = dict(zip(found.out, zip(m.places, m.sizes, strict=True), strict=True))
    zero = constant(0, like=m.places[0]) if m.places else None
    operands: list[Term] = []
    for value, labels in found.sides:
        whole = zip([zero] * len(labels), shape(value), strict=True)
        pairs = [wanted.get(label, pair) for label, pair in zip(labels, whole, strict=True)]
        sizes = tuple(size for _, size in pairs)
        places = [place for place, _ in pairs]
        moves = sizes != shape(value)
        operands.append(new("dynamic_slice", value, *places, slice_sizes=sizes) if moves else value)
    return like(m.dot, operands)[0]


RULES: Final = (
    Rule(
        name="slice-of-dot",
        law="(A @ B)[i:j:s] = A[i:j:s] @ B, and so for columns, batches and through a reshape",
        pattern=op.slice(
            ANY_DOT | op.reshape(ANY_DOT) | op.squeeze(ANY_DOT),
            start_indices=starts,
            limit_indices=limits,
            strides=strides,
        ),
        replace=_slice_of_dot,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda a, b: (a @ b)[:, 7:], "f32[2,8,k]", "f32[k,n]"),
            example(
                lambda a, b: lax.slice(a @ b, (1, 0, 2), (2, 9, 5), (1, 4, 2)),
                "f32[3,9,k]",
                "f32[3,k,7]",
            ),
            example(
                lambda a, b: (a @ b).reshape(a.shape[0], 3, 4)[:, 1:2], "f32[m,8]", "f32[8,12]"
            ),
        ),
        rejects=(
            example(
                lambda a, b: (a @ b).reshape(-1)[3:6],
                "f32[m,k]",
                "f32[k,n]",
                reason="not a range of one dimension",
            ),
        ),
        elsewhere=ENZYME_SLICE,
    ),
    Rule(
        name="dynamic-slice-of-dot",
        law="dynamic_slice(A @ B, i) = dynamic_slice(A, i) @ B, and so for columns and batches",
        pattern=op.dynamic_slice(ANY_DOT, rest("places"), slice_sizes=var("sizes")),
        replace=_dynamic_slice_of_dot,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda a, b, i: (a @ b)[i], "f32[16,k]", "f32[k,n]", "i32"),
            example(
                lambda a, b, i: lax.dynamic_slice(a @ b, (i, 0, i), (1, a.shape[1], 2)),
                "f32[8,m,3]",
                "f32[8,3,16]",
                "i32",
            ),
        ),
    ),
)
