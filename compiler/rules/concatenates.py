"""Joins: flat, of neighbours that were one value, and of pieces that were all treated alike."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp

from compiler.ir.graph import Value
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.joins import ALL_JOINS, EXACT_JOINS, Join, neighbours
from compiler.rules.xla_merges import MERGED, is_merged

pieces = rest("pieces")
MAX_PIECES: Final = 512
"""Joins of more pieces are left alone."""


def _flat(m: Match) -> Replacement:
    """The pieces of inner joins, those that were neighbours in one value taken together."""
    axis = integer(m.root, "dimension")
    found = [piece for piece in _flattened(m.pieces, axis) if shape(piece)[axis]]
    if len(found) > MAX_PIECES:
        return Refusal("there are too many pieces")
    runs: list[list[Value]] = []
    for piece in found:
        if runs and neighbours([runs[-1][-1], piece], axis) is not None:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    if not runs or (found == list(m.pieces) and len(runs) == len(found)):
        return Refusal("no two pieces belong together")
    terms = [_together(run, axis) for run in runs]
    return terms[0] if len(terms) == 1 else new("concatenate", *terms, dimension=axis)


def _together(run: Sequence[Value], axis: int) -> Term:
    term = neighbours(run, axis) if len(run) > 1 else run[0]
    return run[0] if term is None else term


def _flattened(values: Sequence[Value], axis: int) -> list[Value]:
    found: list[Value] = []
    for value in values:
        op = value.producer
        inner = op is not None and op.name == "concatenate" and value.use_count == 1
        if op is None or not inner or integer(op, "dimension") != axis:
            found.append(value)
        else:
            found += _flattened(op.operands, axis)
    return found


def _mapped(names: frozenset[str], m: Match) -> Replacement:
    """The op once, of all pieces together."""
    if not 1 < len(m.pieces) <= MAX_PIECES:
        return Refusal("there is nothing to join, or there are too many pieces")
    first = m.pieces[0].producer
    if first is not None and is_merged(first, m.root.result):
        return Refusal(MERGED)
    join = Join(names)
    stacks = m.root.name == "stack"
    axis = integer(m.root, "axis" if stacks else "dimension")
    term = join.stacked(m.pieces, axis) if stacks else join.joined(m.pieces, axis)
    return Refusal("the pieces were not one value, or not treated alike") if term is None else term


RULES: Final = (
    Rule(
        name="concat-flat",
        law="concat(concat(x, y), z) = concat(x, y, z); concat(x[a:b], x[b:c]) = x[a:c]",
        pattern=op.concatenate(pieces),
        replace=_flat,
        transparent=True,
        examples=(
            example(
                lambda x, y: jnp.hstack([x[:, :2], jnp.hstack([x[:, 2:], y])]),
                "f32[m,k]",
                "f32[m,n]",
            ),
            example(lambda x, y: jnp.hstack([jnp.hstack([x, y]), x]), "f32[m,k]", "f32[m,n]"),
        ),
        rejects=(
            example(lambda x: jnp.concatenate([x[:2], x[1:]]), "f32[m]", reason="belong together"),
        ),
        elsewhere="Enzyme-JAX: ConcatFuse, ConcatSlice; Grappler: SimplifyPack; Relax: "
        "CombineParallel; ONNX Runtime: ConcatSliceElimination; XLA: algebraic simplifier",
    ),
    Rule(
        name="join-of-pieces",
        law="concat(f(x[:i]), f(x[i:])) = f(x); stack([f(x[0]), f(x[1]), ...]) = f(x)",
        pattern=op["concatenate", "stack"](pieces),
        replace=lambda m: _mapped(EXACT_JOINS, m),
        transparent=True,
        examples=(
            example(lambda x: jnp.stack([x[0] * 2, x[1] * 2]), "f32[2,k]"),
            example(
                lambda x, v: jnp.hstack([x[:, :2] * 2 + v, x[:, 2:] * 2 + v]),
                "f32[m,5]",
                "f32",
            ),
        ),
        rejects=(
            example(lambda x: jnp.stack([x[1], x[0]]) * 2, "f32[2,k]", reason="not one value"),
        ),
        elsewhere="Enzyme-JAX: SliceToBatchElementwise, ConcatElementwise",
    ),
    Rule(
        name="join-of-rounded-pieces",
        law="stack([f(x[0]), f(x[1]), ...]) = f(x), f a sum over other axes, exp, tanh...",
        pattern=op["concatenate", "stack"](pieces),
        replace=lambda m: _mapped(ALL_JOINS, m),
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(example(lambda x: jnp.stack([x[0].sum(-1), x[1].sum(-1)]), "f32[2,m,k]"),),
        elsewhere="Enzyme-JAX: SliceToBatchReduceLike, ConcatInsertDimToBatchReduceLike",
    ),
)
