"""Gathers: of known rows, and of what was gathered, repeated or counted before."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
import numpy as np

from compiler.ir.attributes import Array
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, broadcast, cut, reshape
from compiler.rules.gather_terms import Rows, gathered_rows, rows_of, take_rows
from compiler.rules.index_terms import Steps, known_integers, steps_of

GATHER: Final = op.gather.any()
NO_ROWS: Final = Refusal("it does not take whole rows of one dimension")


def _known(m: Match) -> Replacement:
    """Rows at even distances are a slice; in reverse order, a slice reversed."""
    rows = rows_of(m.root)
    if rows is None:
        return NO_ROWS
    places = _places(rows)
    steps = None if places is None else steps_of(places)
    if steps is None or not (steps.step > 0 or steps.step == -1):
        return Refusal("the rows are not known, not all in range or not evenly spaced")
    sizes = shape(m.root.result)
    return reshape(_steps(rows.operand, rows.dim, steps), sizes)


def _places(rows: Rows) -> Array | None:
    """Which rows are taken, if that is known, and known to be in range."""
    places = known_integers(rows.indices)
    if places is None or not places.size:
        return None
    if rows.mode == "CLIP":
        places = np.clip(places.astype(np.int64), 0, rows.size - 1)
    inside = int(places.min()) >= 0 and int(places.max()) < rows.size
    return places if inside else None


def _steps(operand: Term, dim: int, steps: Steps) -> Term:
    if steps.step > 0:
        return _cut(operand, dim, Cut(steps.start, steps.last + 1, steps.step))
    rows = _cut(operand, dim, Cut(steps.last, steps.start + 1))
    return new("rev", rows, dimensions=(dim,))


def _cut(operand: Term, dim: int, one: Cut) -> Term:
    whole = Cut(0, shape(operand)[dim])
    return cut(operand, {} if one == whole else {dim: one})


def _gathered(m: Match) -> Replacement:
    """Rows of gathered rows are taken from where those came from."""
    outer, inner = rows_of(m.root), rows_of(m.inner)
    if outer is None or inner is None or len(inner.batch) != 1 or inner.dim != outer.dim:
        return Refusal("they do not both take whole rows of one dimension")
    mode = outer.mode
    if not outer.clips:
        same = _fill(outer) == _fill(inner)
        if inner.mode != "FILL_OR_DROP" or not same or dtype(inner.indices).kind != "i":
            return Refusal("rows out of range of the second are not what the first makes of them")
    indices = gathered_rows(inner.indices, outer.indices, 0, mode)
    return take_rows(inner, inner.operand, indices, inner.dim)


def _fill(rows: Rows) -> str:
    return repr(rows.op.attributes.get("fill_value"))


def _repeated(m: Match) -> Replacement:
    """Rows of what is repeated are repeated rows, and of one row repeated they are that row."""
    rows = rows_of(m.root)
    if rows is None:
        return NO_ROWS
    dims, width = integers(m.inner, "broadcast_dimensions"), len(rows.batch)
    sizes, row = shape(m.x), m.x
    place = dims.index(rows.dim) if rows.dim in dims else None
    if place is not None and sizes[place] == rows.size:
        row = take_rows(rows, m.x, rows.indices, place)
        kept = range(rows.dim, rows.dim + width)
    elif rows.clips and rows.size > 0:
        row = reshape(m.x, [size for i, size in enumerate(sizes) if i != place])
        kept = range(0)
    else:
        return Refusal("rows out of range are others")
    before = [d for d in dims if d < rows.dim]
    after = [d + width - 1 for d in dims if d > rows.dim]
    return broadcast(row, shape(m.root.result), [*before, *kept, *after])


def _counted(m: Match) -> Replacement:
    """An element of 0, 1, 2 ... is its place."""
    rows = rows_of(m.root)
    if rows is None or rows.dim != integer(m.inner, "dimension") or len(shape(rows.operand)) != 1:
        return Refusal("it does not count along the rows")
    if not rows.clips or rows.size == 0 or rows.size > np.iinfo(dtype(rows.indices)).max:
        return Refusal("places out of range are others")
    index = reshape(rows.indices, rows.batch)
    if not rows.is_inside:
        bounds = [constant(bound, like=index) for bound in (0, rows.size - 1)]
        index = new("clamp", bounds[0], index, bounds[1])
    target = dtype(m.root.result)
    return new("convert_element_type", index, new_dtype=target, weak_type=False)


RULES: Final = (
    Rule(
        name="gather-of-known-rows",
        law="x[[a, a + s, a + 2s, ...]] = x[a::s], reversed for s = -1",
        pattern=GATHER,
        replace=_known,
        transparent=True,
        examples=(
            example(lambda x: x[np.arange(2, 6)], "f32[9,k]"),
            example(lambda x: x[..., np.array([2, 1, 0])], "i32[4,2,3]"),
            example(lambda x: jnp.take(x, np.array([[1, 4], [7, 10]]), axis=1), "i32[2,12,3]"),
        ),
        rejects=(
            example(lambda x: x[np.array([2, 0, 1])], "f32[3]", reason="not evenly spaced"),
            example(lambda x, i: x[i], "f32[3]", "i32[n]", reason="not known"),
        ),
        elsewhere="ONNX Runtime: GatherToSliceFusion; Enzyme-JAX: GatherSimplify",
    ),
    Rule(
        name="gather-of-gather",
        law="x[i][j] = x[i[j]]",
        pattern=op.gather(op.gather.any().named("inner"), var("j")),
        replace=_gathered,
        transparent=True,
        examples=(
            example(lambda x, i, j: x[i][j], "f32[5,4]", "i32[8]", "i32[3]"),
            example(
                lambda x, i, j: jnp.take(jnp.take(x, i, axis=1), j, axis=1),
                "f32[3,5]",
                "i32[64]",
                "i32[2,4]",
            ),
        ),
        rejects=(
            example(
                lambda x, i, j: jnp.take(x[i], j, axis=0, mode="fill", fill_value=1.0),
                "f32[m,k]",
                "i32[n]",
                "i32[b]",
                reason="out of range",
            ),
        ),
    ),
    Rule(
        name="gather-of-broadcast",
        law="broadcast(x)[i] = broadcast(x[i]), and broadcast(x) if the rows are all the same",
        pattern=op.gather(op.broadcast_in_dim(var("x")).named("inner"), var("i")),
        replace=_repeated,
        transparent=True,
        examples=(
            example(lambda x, i: jnp.broadcast_to(x, (64, x.size))[i], "f32[k]", "i32[3]"),
            example(
                lambda x, i: jnp.broadcast_to(x[:, None], (x.size, 64))[:, i], "i32[4]", "i32[2,n]"
            ),
            example(
                lambda x, i: jnp.take(jnp.broadcast_to(x[:, None], (16, 3)), i, axis=0),
                "i32[16]",
                "i32[2,2]",
            ),
        ),
        rejects=(
            example(
                lambda x, i: jnp.take(jnp.broadcast_to(x, (64, x.size)), i, axis=0),
                "f32[4]",
                "i32[2]",
                reason="others",
            ),
        ),
        elsewhere="Enzyme-JAX: GatherSimplify, for numbers",
    ),
    Rule(
        name="gather-of-iota",
        law="arange(n)[i] = clamp(i)",
        pattern=op.gather(op.iota.any().named("inner"), var("i")),
        replace=_counted,
        transparent=True,
        examples=(
            example(lambda i: jnp.arange(64)[i], "i32[n]"),
            example(lambda x: jnp.arange(12.0)[jnp.argmax(x, 0)], "i32[12,3]"),
        ),
        elsewhere="Enzyme-JAX: GatherSimplify",
    ),
)
