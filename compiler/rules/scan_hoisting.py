"""Scans: what is the same in every run leaves the loop."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.constants import constant_value
from compiler.analysis.cost import VIEWS, nbytes
from compiler.ir.attributes import Array
from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ops.definition import lookup
from compiler.ops.elementwise import TRANSCENDENTAL
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, constant, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Outside, ops_behind
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft, is_plain

MAX_GROWN_BYTES: Final = 1 << 26
"""A value that is larger than all it is made from is held through a loop up to this size."""

_DOTS: Final = frozenset({"dot_general", "conv_general_dilated"})
_LIGHT_FAMILIES: Final = frozenset({"elementwise", "shape"})


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
    be dear to compute.
    """
    producer, leaves = chain[-1].name, _leaves(chain)
    grows = nbytes(value) > sum(map(nbytes, leaves))
    if not leaves or (grows and nbytes(value) > MAX_GROWN_BYTES):
        return False
    if reader.name in _DOTS and any(op.name == "broadcast_in_dim" for op in chain):
        return True
    if producer in VIEWS or producer in ("broadcast_in_dim", "iota"):
        return False
    return not grows or any(map(_is_heavy, chain))


def _leaves(chain: Iterable[Operation]) -> dict[Value, None]:
    return {value: None for op in chain for value in op.operands if value.producer is None}


def _is_heavy(op: Operation) -> bool:
    if op.name in TRANSCENDENTAL:
        return True
    return op.name != CONSTANT and lookup(op.name).family not in _LIGHT_FAMILIES


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
    if producer is None or not is_plain(value.type):
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
        if is_plain(value.type) and (value not in varying or value in scan.slices)
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


def _loop(body: Any) -> Any:
    """A program that scans ``body(carry, slice, constant)`` over x, from zeros like a row."""

    def program(x: Any, *constants: Any) -> Any:
        first = jnp.zeros_like(x, shape=x.shape[1:])
        return lax.scan(lambda c, t: body(c, t, *constants), first, x)

    return program


RULES: Final = (
    Rule(
        name="scan-unchanged-carry",
        law="a carry that each run hands on as it is = a constant of the loop",
        pattern=op.scan.any(),
        replace=_unchanged_carries,
        transparent=True,
        normal_form="what no run of a loop changes is one of its constants",
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
        normal_form="what no run of a loop changes is one of its constants",
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
        ),
        elsewhere="Enzyme-JAX: TransposeLICM, DotGeneralLICM, ElementwiseLICM, "
        "BroadcastInDimLICM; Grappler: LoopInvariantNodeMotion; XLA: invariant code motion, "
        "which leaves cheap ops such as transposes inside",
    ),
)
