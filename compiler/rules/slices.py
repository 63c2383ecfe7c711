"""Slices read through ops that only move, and ops that compute no more than is read of them."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp

from compiler.ir.graph import Operation, Value
from compiler.rewrite.expression import Term
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, WithReaders, example
from compiler.rules.slice_sinks import EXACT_SINKS, ROUNDING_SINKS, sunk
from compiler.rules.slice_terms import Cuts, is_plain_part, part, pieces_of
from compiler.rules.xla_merges import MERGED, is_merged

x = var("x")
PARTS: Final = ("slice", "split")
MAX_READERS: Final = 64
"""More slices of one value than this are left alone."""


def _moved(m: Match) -> Replacement:
    """Each piece read from where it came from; all pieces, or none."""
    found = [part(m.x, cuts) for cuts in pieces_of(m.root) or ()]
    if any(is_plain_part(term, m.x) for term in found):
        return Refusal("it reads from what was not only moved")
    return found


def _computed(m: Match) -> Replacement:
    """The op once for each different piece that is read of its result."""
    readers = _pieces_read(m.root.result) if len(m.root.results) == 1 else None
    if readers is None:
        return Refusal("something reads the whole result")
    if any(is_merged(m.root, taken) for reader in readers for taken in reader.results):
        return Refusal(MERGED)
    made: dict[object, Term | None] = {}
    for pieces in readers.values():
        for cuts in pieces:
            key = tuple(sorted(cuts.items()))
            if key not in made:
                made[key] = sunk(m.root, cuts)
    terms = {
        reader: [made[tuple(sorted(cuts.items()))] for cuts in pieces]
        for reader, pieces in readers.items()
    }
    kept = {reader: [t for t in found if t is not None] for reader, found in terms.items()}
    if any(len(kept[reader]) != len(found) for reader, found in terms.items()):
        return Refusal("a piece needs more of the operands than a slice of them")
    return WithReaders([None], kept)


def _pieces_read(value: Value) -> dict[Operation, list[Cuts]] | None:
    """What slices and splits take of a value; None if something else reads it, or nothing."""
    readers = value.readers
    if not 0 < len(readers) <= MAX_READERS:
        return None
    found: dict[Operation, list[Cuts]] = {}
    for reader in readers:
        pieces = pieces_of(reader)
        if pieces is None:
            return None
        found[reader] = pieces
    return found


RULES: Final = (
    Rule(
        name="slice-of-moved",
        law="slice(move(x)) = move(slice(x)): of slices, splits, joins, pads, reshapes, broadcasts",
        pattern=op[PARTS](x),
        replace=_moved,
        transparent=True,
        normal_form="slices read from before the ops that only move",
        examples=(
            example(lambda x, y: jnp.concatenate([x, y], 1)[:, :2], "f32[m,2]", "f32[m,k]"),
            example(lambda x: jnp.pad(x, 2)[2:-2, 3:-2], "f32[m,k]"),
        ),
        rejects=(
            example(
                lambda x, y: jnp.concatenate([x, y])[1:-1], "f32[m,k]", "f32[m,k]", reason="moved"
            ),
        ),
        elsewhere="Enzyme-JAX: SliceSimplify, SliceConcat, SlicePad, SliceReshape, SliceBroadcast; "
        "Grappler: RemoveStackSliceSameAxis; ONNX Runtime: slice and split eliminations",
    ),
    Rule(
        name="computed-where-read",
        law="f(x)[i:j] = f(x[i:j]) if no more of f(x) is read: elementwise ops, joins, lookups, "
        "maxima and the like",
        pattern=op[tuple(EXACT_SINKS)].any().read_by(*PARTS),
        replace=_computed,
        transparent=True,
        examples=(
            example(lambda x: ((x * 2)[:2], (x * 2)[3:5]), "f32[m,k]", m=9),
            example(lambda x, y: jnp.concatenate([x, y])[2:-1], "f32[m,k]", "f32[m,k]", m=4),
            example(lambda x: jnp.max(x, 1)[:2], "f32[m,k]", m=8),
        ),
        rejects=(
            example(lambda x: jnp.sort(x, 0)[:2], "f32[m,k]", reason="needs more"),
            example(lambda x, y: (x / y)[:2] / y[:2], "f32[m]", "f32[m]", reason="as one"),
            example(lambda x: (x * 1e30)[:2] * 1e-30, "f32[m]", reason="as one"),
        ),
        elsewhere="Enzyme-JAX: SliceElementwise, SliceReduce, SliceTranspose, SliceSelect, "
        "SliceReduceWindow, ReverseSlice; XLA: through elementwise ops with one reader, by fusion",
    ),
    Rule(
        name="rounded-where-read",
        law="f(x)[i:j] = f(x[i:j]) if no more of f(x) is read: sums, exp, tanh, convolutions...",
        pattern=op[tuple(ROUNDING_SINKS)].any().read_by(*PARTS),
        replace=_computed,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x: jnp.tanh(x).sum(1)[:2], "f32[m,k]", m=8),
            example(lambda x: jnp.cumsum(x, 1)[:2, 1:3], "f32[m,k]", m=6, k=8),
        ),
        rejects=(
            example(lambda x: (x.sum(1)[:2], x.sum(1)[2:]), "f32[4,k]", reason="saves nothing"),
        ),
        elsewhere="Enzyme-JAX: SliceReduce, SliceReduceWindow, SliceConvolution, SliceFFT",
    ),
)
