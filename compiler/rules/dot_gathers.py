"""Dots and gathers of whole rows change places, to where there are fewer rows.

These rules are not transparent: the derivative of a gather drops the rows that are out of range,
and that of a dot with such a row does not.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Final

import jax.numpy as jnp

from compiler.ir.attributes import EnumValue, Record
from compiler.ir.graph import Operation
from compiler.ops.parameters import element_kind, field, integers
from compiler.rewrite.expression import Term, dtype, like, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Dot, Labels, dot, dot_of, is_complex, is_plain_dot

GATHER: Final = op.gather.any().named("gather")
ANY_DOT: Final = op.dot_general.any().named("dot")


def _takes_rows(gather: Operation) -> int | None:
    """The dimension along which a gather takes whole rows; None if it does something else."""
    collapsed = field(gather, "dimension_numbers", "collapsed_slice_dims")
    if len(collapsed) != 1 or collapsed != field(gather, "dimension_numbers", "start_index_map"):
        return None
    if field(gather, "dimension_numbers", "operand_batching_dims"):
        return None
    sizes = list(shape(gather.operands[0]))
    sizes[collapsed[0]] = 1
    return collapsed[0] if tuple(sizes) == integers(gather, "slice_sizes") else None


def _fills_with_nan(gather: Operation) -> str | None:
    """Rows out of range must stay what a dot makes of them: nan, where they are filled with it."""
    mode, fill = gather.attributes.get("mode"), gather.attributes.get("fill_value")
    if isinstance(mode, EnumValue) and mode.member in ("CLIP", "PROMISE_IN_BOUNDS"):
        return None
    is_nan = fill is None or (isinstance(fill, float) and fill != fill)
    is_float = element_kind(dtype(gather.result)) == "f"
    return None if is_nan and is_float else "rows out of range are filled with numbers"


def _filled_alike(m: Match) -> str | None:
    return _fills_with_nan(m.gather)


def _is_steady(op: Operation) -> bool:
    return is_plain_dot(op) and not is_complex(op)


def _depth(found: Dot) -> int:
    value, labels = found.sides[0]
    return prod(shape(value)[labels.index(label)] for label in found.contracted)


def _gather_like(gather: Operation, table: Term, axis: int, rows_at: int) -> Term:
    """The gather of whole rows of another table: along its axis, the rows' dimensions at a place.

    Args:
        gather: the gather of whole rows to follow.
        table: what is taken from.
        axis: the dimension of the table along which rows are taken.
        rows_at: the dimension of the result from which on the indices' dimensions stand.
    """
    indices = gather.operands[1]
    rows = len(shape(indices)) - 1
    rank = len(shape(table)) - 1 + rows
    sizes = list(shape(table))
    sizes[axis] = 1
    changed = {
        "offset_dims": tuple(d for d in range(rank) if not rows_at <= d < rows_at + rows),
        "collapsed_slice_dims": (axis,),
        "start_index_map": (axis,),
    }
    numbers = gather.attributes["dimension_numbers"]
    if not isinstance(numbers, Record):
        raise TypeError(f"{numbers!r} is no record")
    fields = tuple((key, changed.get(key, value)) for key, value in numbers.fields)
    return like(
        gather,
        (table, indices),
        dimension_numbers=replace(numbers, fields=fields, handle=None),
        slice_sizes=tuple(sizes),
    )[0]


def _gather_of_dot(m: Match) -> Replacement:
    """Rows of the one operand that has them, in the place of rows of the dot."""
    axis, found = _takes_rows(m.gather), dot_of(m.dot)
    if axis is None or not _depth(found) or not _is_steady(m.dot):
        return Refusal("it does not take whole rows of a plain dot")
    row = found.out[axis]
    side = next((i for i in (0, 1) if row in found.sides[i][1]), 0)
    if row in found.sides[1 - side][1]:
        return Refusal("the rows are of both operands")
    value, labels = found.sides[side]
    place = labels.index(row)
    offsets = field(m.gather, "dimension_numbers", "offset_dims")
    kept = iter(label for label in found.out if label != row)
    new_rows = iter(range(found.fresh, found.fresh + len(shape(m.gather.result))))
    out = tuple(
        next(kept if d in offsets else new_rows) for d in range(len(shape(m.gather.result)))
    )
    rows = tuple(label for label in out if label >= found.fresh)
    taken = (
        _gather_like(m.gather, value, place, place),
        (*labels[:place], *rows, *labels[place + 1 :]),
    )
    other = found.sides[1 - side]
    return _dot_of_sides(taken, other, side, out, m.dot)


def _dot_of_sides(
    one: tuple[Term, Labels], other: tuple[Term, Labels], side: int, out: Labels, root: Operation
) -> Term:
    first, second = (other, one) if side else (one, other)
    return dot(*first, *second, out, root)


def _dot_of_gather(m: Match) -> Replacement:
    """Rows of the whole table's dot: worth it where more rows are taken than there are."""
    axis, found = _takes_rows(m.gather), dot_of(m.root)
    if axis is None or not _depth(found) or not _is_steady(m.root):
        return Refusal("it does not take whole rows for a plain dot")
    side = 0 if m.root.operands[0] is m.gather.result else 1
    labels = found.sides[side][1]
    offsets = field(m.gather, "dimension_numbers", "offset_dims")
    rows = [label for d, label in enumerate(labels) if d not in offsets]
    if not rows or any(row in found.sides[1 - side][1] for row in rows):
        return Refusal("the rows are not the dot's own")
    kept = [labels[d] for d in offsets]
    table = (*kept[:axis], rows[0], *kept[axis:])
    out = tuple(label for label in found.out if label not in rows[1:])
    whole = (m.gather.operands[0], table)
    projected = _dot_of_sides(whole, found.sides[1 - side], side, out, m.root)
    place = out.index(rows[0])
    return _gather_like(m.gather, projected, place, place)


RULES: Final = (
    Rule(
        name="gather-of-dot",
        law="(A @ B)[rows] = A[rows] @ B",
        pattern=op.gather(ANY_DOT, var("indices")).named("gather"),
        replace=_gather_of_dot,
        numerics=Numerics.ROUNDING,
        guards=(_filled_alike,),
        examples=(
            example(lambda a, b, i: (a @ b)[i], "f32[m,k]", "f32[k,n]", "i32[r]", m=32, r=2),
            example(
                lambda a, b, i: jnp.take(a @ b, i, axis=1), "f32[m,k]", "f32[k,n]", "i32[r]", n=64
            ),
        ),
        rejects=(
            example(
                lambda a, b, i: jnp.take(a @ b, i, axis=0, mode="fill", fill_value=0),
                "f32[m,k]",
                "f32[k,n]",
                "i32[r]",
                m=32,
                reason="filled with numbers",
            ),
        ),
    ),
    Rule(
        name="dot-of-gather",
        law="table[rows] @ B = (table @ B)[rows]",
        pattern=op.dot_general(GATHER, var("x")) | op.dot_general(var("x"), GATHER),
        replace=_dot_of_gather,
        numerics=Numerics.ROUNDING,
        guards=(_filled_alike,),
        examples=(
            example(lambda t, b, i: t[i] @ b, "f32[v,k]", "f32[k,4]", "i32[r]", r=64),
            example(
                lambda t, b, i: jnp.take(t, i, axis=0) @ b,
                "f32[3,k]",
                "f32[k,5]",
                "i32[16,s]",
                s=9,
            ),
            example(
                lambda t, b, i: jnp.einsum("rk,kn->nr", t[i], b),
                "f32[3,8]",
                "f32[8,1]",
                "i32[r]",
                r=128,
            ),
        ),
        rejects=(
            example(
                lambda t, b, i: jnp.take(t, i, axis=0, mode="fill", fill_value=0) @ b,
                "f32[v,k]",
                "f32[k,n]",
                "i32[r]",
                r=64,
                reason="filled with numbers",
            ),
        ),
        elsewhere="Relax: ReorderTakeAfterMatmul",
    ),
)
