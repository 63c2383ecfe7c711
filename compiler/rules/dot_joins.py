"""Dots laid side by side become one: stacks and concatenations of dots of one kind.

Where the operands are slices of one array the array itself is taken, and nothing is copied.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp

from compiler.ir.attributes import attribute_key
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import (
    Dot,
    Labels,
    dot,
    dot_of,
    is_complex,
    is_plain_dot,
    is_static,
    reshape,
)

SMALL: Final = 16
"""Rows up to which copying the operands of a dot costs less than reading the other once more."""

ALIKE: Final = "not all parts are dots of one kind"
UNSHARED: Final = "what the dots have in common is too little"


def _dots_alike(values: Sequence[Value]) -> list[Dot] | None:
    """The dots that make some values, if they differ in nothing but their operands."""
    found = [value.producer for value in values]
    ops = [one for one in found if one is not None and is_plain_dot(one) and not is_complex(one)]
    if len(ops) != len(values) or len(ops) < 2:
        return None
    if any(_signature(one) != _signature(ops[0]) for one in ops[1:]):
        return None
    return [dot_of(one) for one in ops]


def _signature(op: Operation) -> tuple[object, ...]:
    types = [str(value.type) for value in op.operands]
    known = all(is_static(value) for value in op.operands)
    said = [(key, attribute_key(value)) for key, value in sorted(op.attributes.items())]
    return (known or op, types, said)


def _stacked(values: Sequence[Value]) -> tuple[Term, int | None]:
    """The values along a new axis, and which it is; None for one value that needs no axis."""
    if all(value is values[0] for value in values):
        return values[0], None
    found = _slices_of_one(values)
    if found is not None:
        return found
    rows = [reshape(value, (1, *shape(value))) for value in values]
    return new("concatenate", *rows, dimension=0), 0


def _slices_of_one(values: Sequence[Value]) -> tuple[Value, int] | None:
    """The array of which some values are x[0], x[1], ... and no more, and the axis of the index."""
    whole: Value | None = None
    axis = -1
    for place, value in enumerate(values):
        part = _slice_at(value)
        if part is None or part[2] != place or (whole is not None and part[:2] != (whole, axis)):
            return None
        whole, axis = part[:2]
    if whole is None or shape(whole)[axis] != len(values):
        return None
    return whole, axis


def _slice_at(value: Value) -> tuple[Value, int, int] | None:
    """The array, axis and place of which a value is the slice, without that axis."""
    squeeze = value.producer
    if squeeze is None or squeeze.name != "squeeze":
        return None
    taken, axes = squeeze.operands[0].producer, integers(squeeze, "dimensions")
    if taken is None or taken.name != "slice" or len(axes) != 1 or not is_static(taken.operands[0]):
        return None
    starts = integers(taken, "start_indices")
    sizes = list(shape(taken.operands[0]))
    sizes[axes[0]] = 1
    whole = tuple(sizes) == shape(taken.result)
    return (taken.operands[0], axes[0], starts[axes[0]]) if whole else None


def _parts_and_axis(m: Match) -> tuple[list[Value], int] | None:
    """The values that are stacked, and the axis; a stack may be a concatenation of unit slices."""
    if m.root.name == "stack":
        return list(m.parts), integer(m.root, "axis")
    axis = integer(m.root, "dimension")
    inner = [_without_unit(part, axis) for part in m.parts]
    known = [value for value in inner if value is not None]
    return (known, axis) if len(known) == len(inner) else None


def _without_unit(value: Value, axis: int) -> Value | None:
    """The value that was given a dimension of size one at this axis."""
    made = value.producer
    if made is None or made.name not in ("broadcast_in_dim", "reshape") or shape(value)[axis] != 1:
        return None
    inner = made.operands[0]
    sizes = shape(value)
    return inner if shape(inner) == (*sizes[:axis], *sizes[axis + 1 :]) else None


def _stack_of_dots(m: Match) -> Replacement:
    found = _parts_and_axis(m)
    if found is None:
        return Refusal("it is no stack")
    values, axis = found
    dots = _dots_alike(values)
    if dots is None:
        return Refusal(ALIKE)
    first = dots[0]
    batch = first.fresh
    sides: list[tuple[Term, Labels]] = []
    for side in (0, 1):
        term, place = _stacked([one.op.operands[side] for one in dots])
        labels = first.sides[side][1]
        sides.append((term, labels if place is None else (*labels[:place], batch, *labels[place:])))
    if not any(batch in labels for _, labels in sides):
        return Refusal("the dots are all the same")
    out = (*first.out[:axis], batch, *first.out[axis:])
    return dot(*sides[0], *sides[1], out, first.op)


def _concat_of_dots(m: Match) -> Replacement:
    dots = _dots_alike(m.parts)
    if dots is None:
        return Refusal(ALIKE)
    first, axis = dots[0], integer(m.root, "dimension")
    if shape(m.parts[0])[axis] > SMALL:
        return Refusal(f"dots of more than {SMALL} rows gain nothing")
    operands: list[Term] = []
    for side in (0, 1):
        values = [one.op.operands[side] for one in dots]
        labels = first.sides[side][1]
        if first.out[axis] in labels:
            place = labels.index(first.out[axis])
            operands.append(new("concatenate", *values, dimension=place))
        elif any(value is not values[0] for value in values):
            return Refusal(UNSHARED)
        else:
            operands.append(values[0])
    return like(first.op, operands)[0]


RULES: Final = (
    Rule(
        name="stack-of-dots",
        law="stack([A[0] @ B[0], A[1] @ B[1], ...]) = A @ B",
        pattern=op["stack", "concatenate"](rest("parts")),
        replace=_stack_of_dots,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda a, b: jnp.stack([a[i] @ b[i] for i in range(5)]),
                "f32[5,m,k]",
                "f32[5,k,2]",
            ),
            example(
                lambda a, v: jnp.stack([a[:, i] @ v for i in range(4)], 1),
                "f32[6,4,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda a, b: jnp.stack([a[0] @ b, jnp.sin(b)]),
                "f32[1,k,k]",
                "f32[k]",
                reason=ALIKE,
            ),
        ),
        elsewhere="Enzyme-JAX: SliceToBatch<DotGeneral>, ConcatInsertDimToBatch<DotGeneral>",
    ),
    Rule(
        name="concat-of-dots",
        law="concat([A @ W, B @ W]) = concat([A, B]) @ W, where A and B have few rows",
        pattern=op.concatenate(rest("parts")),
        replace=_concat_of_dots,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda w, a, b, c: jnp.concatenate([a @ w, b @ w, c @ w]),
                "f32[k,n]",
                "f32[m,k]",
                "f32[m,k]",
                "f32[m,k]",
                k=16,
                n=16,
                m=2,
            ),
        ),
        rejects=(
            example(
                lambda w, a, b: jnp.concatenate([a @ w, b @ w]),
                "f32[k,n]",
                "f32[m,k]",
                "f32[m,k]",
                m=64,
                reason="gain nothing",
            ),
        ),
        elsewhere="Enzyme-JAX: ConcatInsertDimToBatch<DotGeneral>",
    ),
)
