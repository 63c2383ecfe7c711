"""Scans whose runs do not wait for each other: all are done at once."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.rewrite.expression import Term, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import depending, ops_behind
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan
from compiler.rules.scan_counting import counter_step
from compiler.rules.scan_stacking import (
    MAX_BATCH_BYTES,
    arithmetic,
    can_batch,
    counted,
    held_bytes,
    number,
    rows_of,
)

MIN_ARITHMETIC: Final = 1 << 18
"""Fewer FLOPs than this in all runs together are done faster by the loop, without any threads."""

_SUMS: Final = {"add": "reduce_sum", "add_any": "reduce_sum"}
_EXTREMES: Final = {"max": "reduce_max", "min": "reduce_min"}


class _Total(NamedTuple):
    """A scalar carry that is combined with something new in each run.

    Attributes:
        by: the op that combines them.
        term: what is new.
    """

    by: Operation
    term: Value


def _independent(m: Match) -> Replacement:
    """A loop in which no run needs the results of another is done on stacked arrays."""
    return _at_once(Scan(m.root), _SUMS)


def _extremes(m: Match) -> Replacement:
    """The same where runs share a maximum or a minimum; apart, because derivatives differ."""
    scan = Scan(m.root)
    if not any(_total(scan, value, _EXTREMES) for value in scan.carries):
        return Refusal("no carry is the largest or the smallest of something")
    return _at_once(scan, {**_SUMS, **_EXTREMES})


def _at_once(scan: Scan, kinds: Mapping[str, str]) -> Replacement:
    """All runs at once, where carries count, or are totals of these kinds."""
    steps = {v: step for v in scan.carries if (step := _count(scan, v)) is not None}
    others = [value for value in scan.carries if value not in steps]
    totals = {value: total for value in others if (total := _total(scan, value, kinds))}
    values = [*(total.term for total in totals.values()), *scan.rows]
    waiting = depending(scan.body, others)
    if len(steps) + len(totals) < len(scan.carries) or any(v in waiting for v in values):
        return Refusal("a run needs what another has computed")
    reason = _objection(scan, values)
    if reason:
        return Refusal(reason)
    counters = {value: counted(scan, value, step) for value, step in steps.items()}
    found = rows_of(scan, values, counters)
    terms = dict(zip(totals, found, strict=False))
    carries = [
        _last(scan, value, steps[value]) if value in steps else _reduced(scan, value, totals, terms)
        for value in scan.carries
    ]
    return [*carries, *found[len(totals) :]]


def _count(scan: Scan, value: Value) -> int | None:
    """The step of a counter that is wide enough to count the runs."""
    if shape(value) or not is_numeric(value.type) or dtype(value).itemsize < 4:
        return None
    return counter_step(scan, value)


def _last(scan: Scan, value: Value, step: int) -> Term:
    return new("add", scan.outer(value), number(value, step * scan.length))


def _total(scan: Scan, value: Value, kinds: Mapping[str, str]) -> _Total | None:
    following = scan.following[value.index - len(scan.constants)]
    producer = following.producer
    if producer is None or producer.name not in kinds or shape(value):
        return None
    if value not in producer.operands or value.use_count != 1 or following.use_count != 1:
        return None
    if producer.name in _EXTREMES and dtype(value).kind not in "iu":
        return None  # a maximum keeps a nan, and XLA's CPU reduction of many numbers may lose it
    first, second = producer.operands
    return _Total(producer, second if first is value else first)


def _reduced(
    scan: Scan, value: Value, totals: dict[Value, _Total], terms: dict[Value, Term]
) -> Term:
    by = totals[value].by.name
    return new(by, scan.outer(value), new({**_SUMS, **_EXTREMES}[by], terms[value], axes=(0,)))


def _objection(scan: Scan, values: Sequence[Value]) -> str | None:
    """The reason why the loop stays a loop."""
    if scan.length < 2:
        return "the body runs once at most"
    ops = ops_behind(values, frozenset(scan.body.parameters))
    reason = can_batch(ops, depending(scan.body, (*scan.carries, *scan.slices)))
    if reason:
        return reason
    if arithmetic(ops) * scan.length < MIN_ARITHMETIC:
        return f"all runs together are under {MIN_ARITHMETIC} FLOPs"
    given = {value.producer for value in scan.rows}
    if held_bytes(inner for inner in ops if inner not in given) * scan.length > MAX_BATCH_BYTES:
        return f"the values between would take more than {MAX_BATCH_BYTES} bytes"
    return None


AT_ONCE: Final = "what can be done at once is no loop"


def _whole_sum(row: Any) -> Any:
    return jnp.sin(row).sum().astype(jnp.int32)


RULES: Final = (
    Rule(
        name="scan-of-independent-runs",
        law="map(f, x) = batched f(x); a scalar carry that adds up f(row) = sum(batched f(x))",
        pattern=op.scan.any(),
        replace=_independent,
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form=AT_ONCE,
        examples=(
            example(
                lambda x, w: lax.map(lambda t: jnp.tanh(t @ w) * 2, x),
                "f32[n,k]",
                "f32[k,k]",
                n=4,
                k=192,
            ),
            example(
                lambda x, c: lax.scan(lambda c, t: (c + jnp.sum(t * t), t.max()), c, x),
                "f32[n,k]",
                "f32[]",
                n=4,
                k=1 << 15,
            ),
            example(
                lambda x: lax.scan(lambda i, t: (i + 3, jnp.sin(t) * i), 5, x, reverse=True),
                "f32[n,k]",
                n=4,
                k=8192,
            ),
        ),
        rejects=(
            example(lambda x: lax.map(jnp.sin, x), "f32[n,k]", reason="FLOPs"),
            example(
                lambda x: lax.map(lambda t: jnp.sin(t[:, None] * t).sum(0), x),
                "f32[n,k]",
                n=32,
                k=1024,
                reason="bytes",
            ),
            example(
                lambda x: lax.map(lambda t: t[jnp.argsort(t)[0]] * x, x),
                "f32[n,k]",
                n=64,
                k=64,
                reason="several runs",
            ),
        ),
        elsewhere="Enzyme-JAX: GreedyWhileLoopBatchFission, WhileElementwiseReductionToReduce",
    ),
    Rule(
        name="scan-of-extremes",
        law="a scalar carry that is the largest whole f(row) so far = max(batched f(x))",
        pattern=op.scan.any(),
        replace=_extremes,
        numerics=Numerics.ROUNDING,
        normal_form=AT_ONCE,
        examples=(
            example(
                lambda x, c: lax.scan(lambda c, t: (jnp.maximum(c, _whole_sum(t)), None), c, x)[0],
                "f32[n,k]",
                "i32[]",
                n=4,
                k=1 << 13,
            ),
        ),
        rejects=(
            example(
                lambda x, c: lax.scan(lambda c, t: (c * t.max(), c), c, x),
                "f32[n,k]",
                "f32[]",
                reason="largest or the smallest",
            ),
            example(
                lambda x, c: lax.scan(lambda c, t: (jnp.maximum(c, t.sum()), None), c, x)[0],
                "f32[n,k]",
                "f32[]",
                reason="largest or the smallest",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileElementwiseReductionToReduce",
    ),
)
