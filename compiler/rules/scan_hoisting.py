"""Scans: what is the same in every run leaves the loop."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.analysis.cost import VIEWS, nbytes
from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Outside, ops_behind
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft
from compiler.rules.work import MAX_GROWN_BYTES, is_work

_DOTS: Final = frozenset({"dot_general", "conv_general_dilated"})


def _invariants(m: Match) -> Replacement:
    """Ops that depend on constants only are computed once, before the loop."""
    scan = Scan(m.root)
    if scan.length < 2:
        return Refusal("the body runs once at most")
    frontier = _frontier(scan)
    if not frontier:
        return Refusal("nothing in the body that is worth it depends on constants only")
    terms = Outside(scan.known()).terms(frontier)
    draft = ScanDraft(scan, scan.body.parameters, constants=terms)
    for old, value in zip(frontier, draft.constants, strict=True):
        draft.bind(old, value)
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


def _frontier(scan: Scan) -> list[Value]:
    """The values of the body that are to come from outside, instead of all that is behind them."""
    varying = scan.varying()
    known = frozenset(scan.constants)
    pending = [
        (value, reader)
        for reader in scan.body
        if reader.is_terminator or any(v in varying for v in reader.operands)
        for value in reader.operands
    ]
    found: dict[Value, None] = {}
    seen: set[tuple[Value, bool]] = set()
    while pending:
        value, reader = pending.pop()
        producer = value.producer
        place = (value, reader.name in _DOTS)
        if producer is None or value in varying or place in seen or producer.name == CONSTANT:
            continue
        seen.add(place)
        if _is_worth_it(value, reader, ops_behind([value], known)):
            found[value] = None
        else:
            pending += [(operand, producer) for operand in producer.operands]
    return list(found)


def _is_worth_it(value: Value, reader: Operation, chain: Sequence[Operation]) -> bool:
    """Whether holding the value costs less than computing it in each run.

    What depends on nothing is folded by XLA. A view costs nothing to make. A broadcast is made
    where it is read, except by a dot, which has to hold it in memory. What grows on the way must
    be dear to compute, and so must a single number: each that the loop holds is one more to pass
    (two of them made a step of Runge and Kutta over 303 numbers take 1.2 times as long).
    """
    producer, leaves = chain[-1].name, _leaves(chain)
    grows = nbytes(value) > sum(map(nbytes, leaves))
    if not leaves or (grows and nbytes(value) > MAX_GROWN_BYTES):
        return False
    if reader.name in _DOTS and any(op.name == "broadcast_in_dim" for op in chain):
        return True
    if producer in VIEWS or producer in ("broadcast_in_dim", "iota"):
        return False
    is_light = not any(map(is_work, chain))
    return not (is_light and (grows or not shape(value)))


def _leaves(chain: Iterable[Operation]) -> dict[Value, None]:
    return {value: None for op in chain for value in op.operands if value.producer is None}


def _loop(body: Any) -> Any:
    """A program that scans ``body(carry, slice, constant)`` over x, from zeros like a row."""

    def program(x: Any, *constants: Any) -> Any:
        first = jnp.zeros_like(x, shape=x.shape[1:])
        return lax.scan(lambda c, t: body(c, t, *constants), first, x)

    return program


RULES: Final = (
    Rule(
        name="scan-invariants-out",
        law="scan of f(g(constant), carry, slice) = scan of f(h, carry, slice), h = g(constant)",
        pattern=op.scan.any(),
        replace=_invariants,
        transparent=True,
        examples=(
            example(_loop(lambda c, t, w: (jnp.sin(w.T @ c + t), None)), "f32[n,k]", "f32[k,k]"),
            example(
                _loop(lambda c, t, w: (c * 0.5 + t * (w @ jnp.exp(w)), c)), "f32[n,k,k]", "f32[k,k]"
            ),
            example(
                _loop(lambda c, t, v: (c @ jnp.broadcast_to(v[:, None], (v.size, v.size)) + t, c)),
                "f32[n,2,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                _loop(lambda c, t, v: (c * 0.5 + v[:, None] * t, None)),
                "f32[n,k,k]",
                "f32[k]",
                reason="worth it",
            ),
            example(
                _loop(lambda c, t, s: (c + 0.5 * s * t, None)),
                "f32[n,k]",
                "f32[]",
                reason="worth it",
            ),
        ),
        elsewhere="Enzyme-JAX: TransposeLICM, DotGeneralLICM, ElementwiseLICM, "
        "BroadcastInDimLICM; Grappler: LoopInvariantNodeMotion; XLA: invariant code motion, "
        "which leaves cheap ops such as transposes inside",
    ),
)
