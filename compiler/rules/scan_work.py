"""Scans: work that does not wait for the carry is done before the loop, or after it."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.analysis.cost import nbytes
from compiler.ir.graph import Operation, Value
from compiler.ops.elementwise import TRANSCENDENTAL
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import depending, ops_behind
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft
from compiler.rules.scan_products import serves_gates, stacks_much, waits_for_memory
from compiler.rules.scan_stacking import MAX_STACKED_BYTES, can_batch, is_draw, rows_of

MAX_BEFORE: Final = 4 * MAX_STACKED_BYTES
"""All that is computed before a loop may take up to this size."""

NARROW: Final = 32
"""Transcendental functions of so few elements are done faster for all runs at once (2 to 5 times);
from 64 elements on they are not (0.7 to 1.0)."""

MANY_DRAWN: Final = 128
MANY_DRAWN_IN_ALL: Final = 1024
"""Random numbers of one run, or of all, that are drawn faster at once (1.1 to 4 times); with fewer
the call takes up to twice as long."""


def _before(m: Match) -> Replacement:
    """Work on slices and constants is done for all runs before the loop, where that pays."""
    scan = Scan(m.root)
    if scan.length < 2 or not scan.slices:
        return Refusal("there are no slices of several runs")
    early = _early(scan)
    if not early:
        return Refusal("no work on slices and constants is worth it")
    if sum(map(nbytes, early)) * scan.length > MAX_BEFORE:
        return Refusal(f"it takes more than {MAX_BEFORE} bytes")
    draft = ScanDraft(scan, scan.body.parameters, slices=rows_of(scan, early))
    for old, value in zip(early, draft.slices, strict=True):
        draft.bind(old, value)
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


def _early(scan: Scan) -> list[Value]:
    """The values that are to be computed before the loop."""
    history, varying = scan.history(), scan.varying()
    parameters = frozenset(scan.body.parameters)
    pending = [
        value
        for reader in scan.body
        if reader.is_terminator or any(v in history for v in reader.operands)
        for value in reader.operands
    ]
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    while pending:
        value = pending.pop()
        if value in seen or value in history or value not in varying or value.producer is None:
            continue
        seen.add(value)
        chain = ops_behind([value], parameters)
        pays = _fits(chain, varying, scan.length) and _pays(chain, varying, scan.length)
        if pays and serves_gates(scan, value, chain, varying):
            found[value] = None
        else:
            pending += value.producer.operands
    return list(found)


def _fits(ops: Sequence[Operation], varying: set[Value], runs: int) -> bool:
    """Whether all that some ops compute for all runs is small enough."""
    largest = max(nbytes(v) for inner in ops for v in inner.results if v in varying)
    return largest * runs <= MAX_STACKED_BYTES


def _after(m: Match) -> Replacement:
    """Work that only stacked outputs need is done for all runs after the loop, where that pays."""
    scan = Scan(m.root)
    if scan.length < 2:
        return Refusal("the body runs once at most")
    late = _late(scan)
    moved = [i for i, value in enumerate(scan.rows) if value in late]
    if not moved:
        return Refusal("no work for stacked outputs only is worth it")
    rows = [value for i, value in enumerate(scan.rows) if i not in moved]
    handed = [value for value in _handed_out(scan, late) if value not in scan.slices]
    new = [value for value in handed if value not in rows]
    if sum(map(nbytes, new)) * scan.length > MAX_STACKED_BYTES:
        return Refusal(f"what it needs of the loop takes more than {MAX_STACKED_BYTES} bytes")
    draft = ScanDraft(scan, scan.body.parameters)
    results = draft.scan(draft.copy(scan.following), draft.copy([*rows, *new]))
    stacked = dict(zip([*rows, *new], results.stacked, strict=True))
    terms = rows_of(
        scan, [scan.rows[i] for i in moved], {value: stacked[value] for value in handed}
    )
    finished = dict(zip(moved, terms, strict=True))
    rest = iter(results.stacked)
    return [
        *results.carries,
        *(finished[i] if i in finished else next(rest) for i in range(len(scan.rows))),
    ]


def _late(scan: Scan) -> set[Value]:
    """The values that are to be computed after the loop; with each all that depend on it."""
    varying, tail = scan.varying(), _tail(scan)
    dear = [
        inner
        for inner in scan.body
        if inner in tail
        and _is_dear(inner, varying, scan.length)
        and not stacks_much(inner, varying)
    ]
    late = depending(scan.body, [value for inner in dear for value in inner.results])
    ops = [inner for inner in scan.body if inner in tail and inner.results[0] in late]
    if not ops or not _pays(ops, varying, scan.length):
        return set()
    largest = max(nbytes(value) for inner in ops for value in inner.results)
    outputs = sum(nbytes(value) for value in scan.rows if value in late)
    is_small = largest <= outputs or largest * scan.length <= MAX_STACKED_BYTES
    return late if is_small else set()


def _tail(scan: Scan) -> set[Operation]:
    """The ops that only stacked outputs need."""
    end = scan.body.terminator
    tail: set[Operation] = set()
    for inner in reversed(scan.body):
        uses = [use for value in inner.results for use in value.uses]
        if inner is not end and all(
            use.slot >= len(scan.carries) if use.operation is end else use.operation in tail
            for use in uses
        ):
            tail.add(inner)
    return tail


def _handed_out(scan: Scan, late: set[Value]) -> list[Value]:
    """The values that vary from run to run and that the late ones are made from."""
    varying = scan.varying()
    ops = [inner for inner in scan.body if inner.results and inner.results[0] in late]
    reads = dict.fromkeys(value for inner in ops for value in inner.operands)
    return [value for value in reads if value in varying and value not in late]


def _pays(ops: Sequence[Operation], varying: set[Value], runs: int) -> bool:
    """Whether some ops are faster done for all runs at once."""
    asked = [inner for inner in ops if inner.name == "dot_general" or is_draw(inner)]
    return (
        any(_is_dear(inner, varying, runs) for inner in ops)
        and all(_is_dear(inner, varying, runs) for inner in asked)
        and can_batch(ops, varying) is None
    )


def _is_dear(inner: Operation, varying: set[Value], runs: int) -> bool:
    """Whether the op itself is faster done for all runs at once."""
    if is_draw(inner):
        drawn = prod(shape(inner.results[0]))
        return drawn >= MANY_DRAWN or drawn * runs >= MANY_DRAWN_IN_ALL
    if inner.name == "dot_general":
        return waits_for_memory(inner, varying)
    return inner.name in TRANSCENDENTAL and prod(shape(inner.result)) <= NARROW


def _cell(x: Any, w: Any, u: Any) -> Any:
    """A recurrent network: its inputs wait for no carry."""
    first = jnp.zeros_like(x, shape=(*x.shape[1:-1], u.shape[0]))
    return lax.scan(lambda c, t: (jnp.tanh(t @ w + c @ u), c), first, x)


OUTSIDE: Final = "work that waits for no carry is done for all runs at once, where that pays"

RULES: Final = (
    Rule(
        name="scan-work-before",
        law="scan of f(g(row, constant), carry) over x = scan of f(row, carry) over batched g(x)",
        pattern=op.scan.any(),
        replace=_before,
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form=OUTSIDE,
        examples=(
            example(_cell, "f32[n,k]", "f32[k,m]", "f32[m,m]", k=256, m=32),
            example(
                lambda x, c: lax.scan(
                    lambda c, t: (c * 0.5 + jnp.exp(t), None), c, x, reverse=True
                ),
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                _cell,
                "f32[n,b,k]",
                "f32[k,m]",
                "f32[m,m]",
                n=2,
                b=65,
                k=128,
                m=64,
                reason="worth it",
            ),
        ),
        elsewhere="Enzyme-JAX: GreedyWhileLoopBatchFission",
    ),
    Rule(
        name="scan-work-after",
        law="stacked g(row, constant) of a scan = batched g(stacked rows, constant)",
        pattern=op.scan.any(),
        replace=_after,
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form=OUTSIDE,
        examples=(
            example(
                lambda x, c, v: lax.scan(
                    lambda c, t: (c * 0.5 + t, (c, (c * 2 - t) @ v + 1)), c, x
                ),
                "f32[n,k]",
                "f32[k]",
                "f32[k,m]",
                k=64,
                m=160,
            ),
            example(
                lambda x, c: lax.scan(lambda c, t: (c * 0.5 + t, jnp.exp(c) * t), c, x),
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda x, c: lax.scan(lambda c, t: (jnp.sin(c) + t, jnp.sin(c)), c, x),
                "f32[n,k]",
                "f32[k]",
                reason="worth it",
            ),
            example(
                lambda x, c, v: lax.scan(lambda c, t: (c * 0.5 + t, c @ v), c, x),
                "f32[n,b,k]",
                "f32[b,k]",
                "f32[k,m]",
                n=2,
                b=17,
                k=256,
                m=127,
                reason="worth it",
            ),
        ),
    ),
)
