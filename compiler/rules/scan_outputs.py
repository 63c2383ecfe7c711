"""Stacked outputs of which only a sum, an extreme or the last row is read: they are carried."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.constants import integer_value
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.ops.parameters import element_kind, integers
from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.rule import Refusal, Replacement, Rule, WithReaders, example
from compiler.rewrite.scans import Scan, ScanDraft
from compiler.rules.reduction_terms import highest, lowest
from compiler.rules.scan_stacking import filled

_SUMS: Final = {"reduce_sum": "add"}
_EXTREMES: Final = {"reduce_max": "max", "reduce_min": "min"}
_COMBINES: Final = {**_SUMS, **_EXTREMES}
SUMMED: Final = frozenset(np.dtype(name) for name in ("f4", "f8", "c8", "c16"))
"""Types in which a sum may be carried: in a narrower one it would be rounded in each run."""

MAX_SUMMED: Final = 4096
"""A sum is rounded once in each run: after 100,000 of them a float32 was wrong by 1e-5 to 5e-5."""


def _summed(m: Match) -> Replacement:
    """A stacked output is not stacked if its readers want one row's worth of it."""
    return _carried(Scan(m.root), _SUMS)


def _extremes(m: Match) -> Replacement:
    """The same where a reader wants an extreme; apart, because derivatives differ where two tie."""
    scan = Scan(m.root)
    outputs = m.root.results[len(scan.carries) :]
    if not any(reader.name in _EXTREMES for value in outputs for reader in value.readers):
        return Refusal("of no stacked output an extreme is read")
    return _carried(scan, _COMBINES)


def _carried(scan: Scan, kinds: Container[str]) -> Replacement:
    """Carries for the stacked outputs whose readers all take the last row, or reduce so."""
    if scan.length < 2:
        return Refusal("the body runs once at most")
    stacked = scan.op.results[len(scan.carries) :]
    read = [i for i, value in enumerate(stacked) if _is_condensed(scan, value, kinds)]
    readers = [reader for i in read for reader in stacked[i].readers]
    if not readers:
        return Refusal("each stacked output is read as a whole")
    sources = [scan.rows[reader.operands[0].index - len(scan.carries)] for reader in readers]
    first = [_first(reader) for reader in readers]
    draft = ScanDraft(scan, scan.body.parameters, carries=first)
    following = draft.copy(scan.following)
    rows = draft.copy([value for i, value in enumerate(scan.rows) if i not in read])
    for reader, carried, source in zip(readers, draft.carries, draft.copy(sources), strict=True):
        following += draft.put(_next(reader, carried, source))
    results = draft.scan(following, rows)
    condensed = zip(readers, results.carries[len(scan.carries) :], strict=True)
    rest = iter(results.stacked)
    kept = [None if i in read else next(rest) for i in range(len(stacked))]
    return WithReaders(
        [*results.carries[: len(scan.carries)], *kept],
        {reader: [_shaped(term, reader.result)] for reader, term in condensed},
    )


def _is_condensed(scan: Scan, value: Value, kinds: Container[str]) -> bool:
    """Whether all readers of a stacked output reduce it over the runs, or take the last run's."""
    if not is_numeric(value.type) or not value.has_uses:
        return False
    return all(
        reader.operands[0] is value and (_reduces(scan, reader, kinds) or _takes_last(scan, reader))
        for reader in value.readers
    )


def _reduces(scan: Scan, reader: Operation, kinds: Container[str]) -> bool:
    if reader.name not in kinds or 0 not in integers(reader, "axes"):
        return False
    type = dtype(reader.result)
    if element_kind(type) in "iu":
        return type.kind != "V"
    if reader.name == "reduce_sum":
        return type in SUMMED and scan.length <= MAX_SUMMED
    return element_kind(type) == "f"


def _takes_last(scan: Scan, reader: Operation) -> bool:
    """Whether it is the slice that holds what the last run has stacked."""
    if reader.name not in ("slice", "dynamic_slice"):
        return False
    row = 0 if scan.is_reversed else scan.length - 1
    whole = shape(reader.result) == (1, *shape(reader.operands[0])[1:])
    if reader.name == "dynamic_slice":
        start = integer_value(reader.operands[1])
        return whole and start is not None and min(max(start, 0), scan.length - 1) == row
    return reader.name == "slice" and whole and integers(reader, "start_indices")[0] == row


def _first(reader: Operation) -> Term:
    """What is carried into the first run: nothing yet."""
    kind, sizes = dtype(reader.result), shape(reader.result)
    neutral = _NEUTRAL.get(reader.name)
    start: Any = neutral(kind) if neutral else np.zeros((), kind)
    return filled(constant(start, like=reader.result), sizes if neutral else sizes[1:])


_NEUTRAL: Final = {
    "reduce_sum": lambda kind: np.zeros((), kind),
    "reduce_max": lowest,
    "reduce_min": highest,
}


def _next(reader: Operation, carried: Value, row: Value) -> Term:
    """What is carried on from a run that would stack this row."""
    if reader.name not in _COMBINES:
        return row
    axes = tuple(axis - 1 for axis in integers(reader, "axes") if axis)
    return new(_COMBINES[reader.name], carried, new(reader.name, row, axes=axes) if axes else row)


def _shaped(term: Term, wanted: Value) -> Term:
    if shape(term) == shape(wanted):
        return term
    return new("reshape", term, new_sizes=shape(wanted), dimensions=None, sharding=None)


ROW_BY_ROW: Final = "a loop stacks what is read row by row"

RULES: Final = (
    Rule(
        name="scan-condensed-output",
        law="sum or last of the stacked outputs of a scan = a carry of the scan",
        pattern=op.scan.any(),
        replace=_summed,
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form=ROW_BY_ROW,
        examples=(
            example(
                lambda x, c: [
                    f(y)
                    for y in lax.scan(lambda c, t: (jnp.sin(c + t), (c * t, c)), c, x)[1]
                    for f in (jnp.mean, lambda y: y.sum(0), lambda y: y[-1])
                ],
                "f32[n,k]",
                "f32[k]",
            ),
            example(
                lambda x, c: lax.scan(lambda c, t: (c + t, jnp.sin(c)), c, x, reverse=True)[1][0],
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda x, c: (lambda y: (y[0], y.sum(1)))(
                    lax.scan(lambda c, t: (jnp.sin(c + t), c), c, x)[1]
                ),
                "f32[n,k]",
                "f32[k]",
                reason="as a whole",
            ),
        ),
    ),
    Rule(
        name="scan-extreme-output",
        law="max or min of the stacked outputs of a scan = a carry of the scan",
        pattern=op.scan.any(),
        replace=_extremes,
        numerics=Numerics.ROUNDING,
        normal_form=ROW_BY_ROW,
        examples=(
            example(
                lambda x, c: (lambda y: (y.max(0), y.min(), y[-1]))(
                    lax.scan(lambda c, t: (jnp.sin(c + t), c * t), c, x)[1]
                ),
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda x, c: (lambda y: (y.max(0), y))(
                    lax.scan(lambda c, t: (jnp.sin(c + t), c), c, x)[1]
                ),
                "f32[n,k]",
                "f32[k]",
                reason="as a whole",
            ),
        ),
    ),
)
