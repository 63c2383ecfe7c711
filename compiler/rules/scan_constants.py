"""Scans: what is the same in every run is a constant of the loop, or no part of it."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.constants import constant_value, uniform
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, constant, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Outside
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft

CONSTANTS: Final = "what no run of a loop changes is one of its constants"


def _broadcast_slices(m: Match) -> Replacement:
    """A stacked input that holds one row over and over is a constant."""
    scan = Scan(m.root)
    rows = {value: row for value in scan.slices if (row := _one_row(scan.outer(value)))}
    if not rows or not scan.length:
        return Refusal("no stacked input is a broadcast of one row")
    kept = [value for value in scan.body.parameters if value not in rows]
    draft = ScanDraft(scan, kept, constants=[row.term for row in rows.values()])
    for (old, row), value in zip(rows.items(), draft.constants, strict=True):
        draft.bind(old, draft.put(_broadcast(value, shape(old), row.dims))[0])
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


class _Row(NamedTuple):
    """What a row is broadcast from, inside the loop, where it costs nothing to hold."""

    term: Term
    dims: tuple[int, ...]


def _one_row(value: Value) -> _Row | None:
    """The row that a value repeats along its first dimension."""
    producer = value.producer
    if producer is None or not is_numeric(value.type):
        return None
    if producer.name == "broadcast_in_dim" and len(producer.operands) == 1:
        return _broadcast_row(producer)
    array = constant_value(value)
    if array is None or not _repeats(array):
        return None
    return _Row(constant(array[0], like=value), tuple(range(array.ndim - 1)))


def _broadcast_row(producer: Operation) -> _Row | None:
    dims, operand = integers(producer, "broadcast_dimensions"), producer.operands[0]
    if 0 not in dims:
        return _Row(operand, tuple(place - 1 for place in dims))
    sizes = shape(operand)
    if sizes[0] != 1 or shape(producer.result)[0] == 1:
        return None
    row = new("reshape", operand, new_sizes=sizes[1:], dimensions=None, sharding=None)
    return _Row(row, tuple(place - 1 for place in dims[1:]))


def _broadcast(term: Term, sizes: tuple[int, ...], dims: tuple[int, ...]) -> Term:
    if shape(term) == sizes:
        return term
    return new("broadcast_in_dim", term, shape=sizes, broadcast_dimensions=dims, sharding=None)


def _repeats(array: Array) -> bool:
    if not array.size:
        return False
    first = np.ascontiguousarray(array[:1]).tobytes()
    return np.ascontiguousarray(array).tobytes() == first * array.shape[0]


def _unchanged_carries(m: Match) -> Replacement:
    """A carry that no run changes is a constant."""
    scan = Scan(m.root)
    same = [
        value
        for value, following in zip(scan.carries, scan.following, strict=True)
        if _is_unchanged(scan, value, following)
    ]
    if not same:
        return Refusal("each carry changes")
    kept = [value for value in scan.body.parameters if value not in same]
    draft = ScanDraft(scan, kept, constants=[scan.outer(value) for value in same])
    for old, value in zip(same, draft.constants, strict=True):
        draft.bind(old, value)
    pairs = zip(scan.carries, scan.following, strict=True)
    changing = [following for value, following in pairs if value not in same]
    results = draft.scan(draft.copy(changing), draft.copy(scan.rows))
    rest = iter(results.carries)
    carries = [scan.outer(value) if value in same else next(rest) for value in scan.carries]
    return [*carries, *results.stacked]


def _is_unchanged(scan: Scan, value: Value, following: Value) -> bool:
    if scan.outer(value).type != value.type:
        return False
    if following is value:
        return True
    return following in scan.constants and scan.outer(following) is scan.outer(value)


def _handed_through(m: Match) -> Replacement:
    """A stacked output whose rows are no work of the loop is made without it."""
    scan = Scan(m.root)
    varying = scan.varying()
    found = {
        i: value
        for i, value in enumerate(scan.rows)
        if is_numeric(value.type) and (value not in varying or value in scan.slices)
    }
    if not found or not scan.length:
        return Refusal("each stacked output is computed by the loop")
    outside = Outside(scan.known())
    draft = ScanDraft(scan, scan.body.parameters)
    rows = [value for i, value in enumerate(scan.rows) if i not in found]
    results = draft.scan(draft.copy(scan.following), draft.copy(rows))
    rest = iter(results.stacked)
    stacked = [
        _unrolled(scan, outside, value) if i in found else next(rest)
        for i, value in enumerate(scan.rows)
    ]
    return [*results.carries, *stacked]


def _unrolled(scan: Scan, outside: Outside, value: Value) -> Term:
    """A stacked input as it is, or as many copies of a constant as the loop has runs."""
    if value in scan.slices:
        return scan.outer(value)
    (term,) = outside.terms([value])
    sizes = (scan.length, *shape(term))
    return _broadcast(term, sizes, tuple(range(1, len(sizes))))


def _known(m: Match) -> Replacement:
    """A number that is known outside of the loop is known inside."""
    scan = Scan(m.root)
    numbers = {
        value: number
        for value in scan.constants
        if scan.outer(value).type == value.type
        and (number := uniform(scan.outer(value))) is not None
    }
    if not numbers:
        return Refusal("no constant of the loop is a known number")
    draft = ScanDraft(scan, [value for value in scan.body.parameters if value not in numbers])
    for value, number in numbers.items():
        draft.bind(value, draft.put(_filled(value, constant(number, like=value)))[0])
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


def _filled(value: Value, number: Term) -> Term:
    sizes = shape(value)
    if not sizes:
        return number
    return new("broadcast_in_dim", number, shape=sizes, broadcast_dimensions=(), sharding=None)


def _loop(body: Any) -> Any:
    """A program that scans ``body(carry, slice, constant)`` over x, from zeros like a row."""

    def program(x: Any, *constants: Any) -> Any:
        first = jnp.zeros_like(x, shape=x.shape[1:])
        return lax.scan(lambda c, t: body(c, t, *constants), first, x)

    return program


def _loop_with(number: Any, x: Any, c: Any) -> Any:
    return lax.scan(lambda c, t: (c * number + t, c), c, x)


RULES: Final = (
    Rule(
        name="scan-unchanged-carry",
        law="a carry that each run hands on as it is = a constant of the loop",
        pattern=op.scan.any(),
        replace=_unchanged_carries,
        transparent=True,
        normal_form=CONSTANTS,
        examples=(
            example(
                lambda x, w: lax.scan(
                    lambda c, t: ((c[0] @ c[1] + t, jnp.transpose(c[1].T)), c[1]), (x[0], w), x
                ),
                "f32[n,k]",
                "f32[k,k]",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileSimplify; XLA: while-loop simplifier",
    ),
    Rule(
        name="scan-broadcast-input",
        law="scan over broadcast(row) = scan with the constant row",
        pattern=op.scan.any(),
        replace=_broadcast_slices,
        transparent=True,
        normal_form=CONSTANTS,
        examples=(
            example(
                lambda x, w: lax.scan(
                    lambda c, t: (jnp.sin(c + t[0] * t[1]), None),
                    jnp.zeros_like(w),
                    (x, jnp.broadcast_to(w, x.shape)),
                )[0],
                "f32[n,k]",
                "f32[k]",
            ),
            example(
                lambda x, w: lax.scan(
                    lambda c, t: (c + t[0] * t[1], c * t[2]),
                    jnp.zeros_like(w[0]),
                    (x, jnp.broadcast_to(w, x.shape), jnp.ones_like(x)),
                    reverse=True,
                ),
                "f32[n,k]",
                "f32[1,k]",
            ),
        ),
        elsewhere="Enzyme-JAX: SliceLICM",
    ),
    Rule(
        name="scan-idle-output",
        law="rows that no run computes are stacked without the loop",
        pattern=op.scan.any(),
        replace=_handed_through,
        transparent=True,
        normal_form="a loop hands out what it computes",
        examples=(
            example(_loop(lambda c, t, w: (c * 0.5 + t, (jnp.exp(w), t, c))), "f32[n,k]", "f32[k]"),
        ),
        elsewhere="Enzyme-JAX: WhileIsCopySimplify",
    ),
    Rule(
        name="scan-known-constant",
        law="scan with a constant that is the number a = scan whose body holds a",
        pattern=op.scan.any(),
        replace=_known,
        transparent=True,
        normal_form="numbers stand where they are read",
        examples=(
            example(
                lambda x, c: _loop_with(jnp.full(c.shape, 0.5), x, c),
                "f32[n,2,k]",
                "f32[2,k]",
            ),
        ),
        elsewhere="XLA: while-loop constant sinking",
    ),
)
