"""Scatters at known places: pads, selects, gathers and joins, which XLA fuses and vectorises."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
import numpy as np

from compiler.analysis.constants import uniform
from compiler.ir.graph import Value
from compiler.ops.parameters import field
from compiler.rewrite.expression import Term, constant, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, broadcast, cut, reshape
from compiler.rules.gather_terms import gathered_rows, rows_of
from compiler.rules.index_terms import (
    Steps,
    index_source,
    is_permutation,
    known_integers,
    steps_of,
)
from compiler.rules.scatter_terms import Window, Writes, window_of, writes_of

MAX_STEP: Final = 4
"""Writes farther apart than this are left: a select would read the whole array for their sake."""

MAX_PIECES: Final = 256
"""An array is put together from at most so many pieces."""

SET_OR_ADD: Final = op["scatter", "scatter-add", "scatter_add"].any()
NOT_KNOWN: Final = Refusal("the places are not known, not all in range or not all different")


def _in_steps(m: Match) -> Replacement:
    """Writes at even distances: a pad of the updates, selected or written as one piece."""
    writes = writes_of(m.root)
    if writes is None:
        return NOT_KNOWN
    steps = steps_of(writes.places)
    if steps is None or steps.step < 0:
        return Refusal("the places are not evenly spaced")
    if steps.step == 1:
        return _one_piece(writes, steps)
    base = uniform(writes.operand)
    if base is not None:
        number = constant(base, like=writes.operand)
        value = _added(writes, broadcast(number, shape(writes.update), ()))
        return _padded(writes, steps, value, number)
    if steps.step > MAX_STEP or 2 * steps.number * steps.step < writes.size:
        return Refusal("the places are far apart")
    return _interleaved(writes, steps)


def _added(writes: Writes, base: Term) -> Term:
    """What a place holds after the write."""
    return new("add", base, writes.update) if writes.adds else writes.update


def _padded(writes: Writes, steps: Steps, value: Term, number: Term) -> Term:
    around = (steps.start, writes.size - steps.last - 1, steps.step - 1)
    config = tuple(
        around if dim == writes.dim else (0, 0, 0) for dim in range(len(shape(writes.operand)))
    )
    return new("pad", value, number, padding_config=config)


def _one_piece(writes: Writes, steps: Steps) -> Replacement:
    if steps.number < 2:
        return Refusal("it is one piece already")
    before = cut(writes.operand, {writes.dim: Cut(steps.start, steps.last + 1)})
    starts = [
        constant(np.int32(steps.start if dim == writes.dim else 0))
        for dim in range(len(shape(writes.operand)))
    ]
    return new("dynamic_update_slice", writes.operand, _added(writes, before), *starts)


def _interleaved(writes: Writes, steps: Steps) -> Term:
    sizes = shape(writes.operand)
    mask = np.zeros(writes.size, np.bool_)
    mask[steps.start : steps.last + 1 : steps.step] = True
    which = broadcast(constant(mask), sizes, (writes.dim,))
    padded = _padded(writes, steps, writes.update, constant(0, like=writes.operand))
    value = new("add", writes.operand, padded) if writes.adds else padded
    return new("select_n", which, writes.operand, value)


def _everywhere(m: Match) -> Replacement:
    """Writes at every place, in some order: a gather in the reverse order."""
    writes = writes_of(m.root)
    if writes is None:
        return NOT_KNOWN
    if len(writes.places) != writes.size or not writes.size:
        return Refusal("some places are not written to")
    order = constant(np.argsort(writes.places).astype(np.int32)[:, None])
    rows = gathered_rows(writes.update, order, writes.dim, "PROMISE_IN_BOUNDS")
    return new("add", writes.operand, rows) if writes.adds else rows


def _put_together(m: Match) -> Replacement:
    """Pieces that are written side by side until nothing else is left are joined."""
    pieces = _pieces(m.root.result)
    if len(pieces) < 2:
        return Refusal("it does not write over all of an array, piece by piece")
    dim = next((d for d, size in enumerate(pieces[0].whole) if size != pieces[0].sizes[d]), None)
    if dim is None:
        return Refusal("one piece is all there is")
    pieces.sort(key=lambda piece: piece.starts[dim])
    if not _are_side_by_side(pieces, dim):
        return Refusal("the pieces overlap, or leave something out")
    terms = [reshape(piece.update, piece.sizes) for piece in pieces]
    return new("concatenate", *terms, dimension=dim)


def _pieces(value: Value) -> list[Window]:
    """The pieces that were written into an array one after the other, the last first."""
    found: list[Window] = []
    while value.producer is not None and len(found) < MAX_PIECES:
        window = window_of(value.producer)
        if window is None:
            break
        found.append(window)
        value = value.producer.operands[0]
    return found


def _are_side_by_side(pieces: list[Window], dim: int) -> bool:
    """Whether pieces in order cover the array, each all of it but for one dimension."""
    whole = pieces[0].whole
    end = 0
    for piece in pieces:
        others = [size for d, size in enumerate(piece.sizes) if d != dim]
        if piece.starts[dim] != end or others != [s for d, s in enumerate(whole) if d != dim]:
            return False
        end += piece.sizes[dim]
    return end == whole[dim]


def _read_back(m: Match) -> Replacement:
    """What was written at different places is read back from there."""
    rows = rows_of(m.root)
    windows = field(m.write, "dimension_numbers", "update_window_dims")
    inserted = field(m.write, "dimension_numbers", "inserted_window_dims")
    if rows is None or rows.op.operands[1] is not m.write.operands[1]:
        return Refusal("it does not read where it was written")
    same = windows == field(m.root, "dimension_numbers", "offset_dims")
    if not same or inserted != (rows.dim,) or shape(m.u) != shape(m.root.result):
        return Refusal("it does not read the rows that were written")
    if not rows.is_inside or not _are_different(rows.indices):
        return Refusal("the places are not known to be different, and in range")
    return m.u


def _are_different(indices: Value) -> bool:
    """Whether each row of a column of indices is another one."""
    known = known_integers(indices)
    if known is not None:
        return len(set(known.reshape(-1).tolist())) == known.size
    return is_permutation(index_source(indices))


def _in_order(*pieces: Any) -> Any:
    out = jnp.zeros((len(pieces), *pieces[0].shape), pieces[0].dtype)
    for place, piece in enumerate(pieces):
        out = out.at[place].set(piece)
    return out


RULES: Final = (
    Rule(
        name="scatter-in-steps",
        law="x.at[a::s].set(u) = select(at a::s, pad(u), x), and a pad alone if x is one number",
        pattern=SET_OR_ADD,
        replace=_in_steps,
        transparent=True,
        normal_form="writes at even distances are pads, selects or writes of one piece",
        examples=(
            example(lambda u: jnp.zeros((3, 8), u.dtype).at[:, ::2].add(u), "f32[3,4]"),
            example(lambda x, u: x.at[1::2].set(u), "f32[6,2]", "f32[3,2]"),
            example(lambda x, u: x.at[:, ::2].add(u), "i32[3,5]", "i32[3,3]"),
            example(lambda x, u: x.at[np.arange(2, 5)].add(u), "i32[8]", "i32[3]"),
        ),
        rejects=(
            example(lambda x, u: x.at[::8].set(u), "f32[64,3]", "f32[8,3]", reason="are far apart"),
            example(lambda x, i, u: x.at[i].set(u), "f32[8]", "i32[3]", "f32[3]", reason="known"),
        ),
        elsewhere="Enzyme-JAX: ScatterToDynamicUpdateSlice, DUSToConcat",
    ),
    Rule(
        name="scatter-everywhere",
        law="x.at[p].set(u) = u[p^-1] for a known permutation p",
        pattern=SET_OR_ADD,
        replace=_everywhere,
        transparent=True,
        normal_form="writes everywhere are gathers",
        examples=(
            example(lambda u: jnp.zeros_like(u).at[np.array([2, 0, 3, 1])].set(u), "f32[4,k]"),
            example(lambda x, u: x.at[:, np.array([1, 2, 0])].add(u), "i32[2,3]", "i32[2,3]"),
        ),
        rejects=(
            example(
                lambda x, u: x.at[np.array([2, 0])].set(u),
                "f32[4]",
                "f32[2]",
                reason="not written to",
            ),
        ),
    ),
    Rule(
        name="writes-side-by-side",
        law="x.at[0].set(a).at[1].set(b) ... = stack([a, b, ...]) if nothing is left of x",
        pattern=op["dynamic_update_slice", "scatter"].any(),
        replace=_put_together,
        transparent=True,
        examples=(
            example(_in_order, "f32[k]", "f32[k]", "f32[k]"),
            example(
                lambda x, u: jnp.empty_like(x, shape=(3, 5)).at[:, :2].set(x).at[:, 2:].set(u),
                "i32[3,2]",
                "i32[3,3]",
            ),
        ),
        rejects=(
            example(
                lambda x, u: x.at[:2].set(u).at[1:3].set(u), "f32[3]", "f32[2]", reason="write over"
            ),
        ),
        elsewhere="Enzyme-JAX: DynamicUpdateToConcat, DUSDUSConcat",
    ),
    Rule(
        name="gather-of-scatter",
        law="x.at[p].set(u)[p] = u, if the places p are all different and in range",
        pattern=op.gather(
            op.scatter(var("x"), var("p"), var("u"), update_jaxpr=None).shared().named("write"),
            var("p"),
        ),
        replace=_read_back,
        transparent=True,
        examples=(
            example(
                lambda x, u, y: (lambda p: x.at[p].set(u)[p])(jnp.argsort(y)),
                "f32[4,k]",
                "f32[4,k]",
                "i32[4]",
            ),
        ),
        rejects=(
            example(
                lambda x, u, p: x.at[p].set(u)[p],
                "f32[4]",
                "f32[4]",
                "i32[4]",
                reason="not known to be different",
            ),
        ),
        elsewhere="Enzyme-JAX: GatherOfScatterSimplify",
    ),
)
