"""Scans that index by a counter: what they read becomes an input, what they write an output."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final, NamedTuple

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.ops.parameters import field, integers
from compiler.rewrite.expression import Term, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft
from compiler.rules.scan_counting import Counting, Line

EACH_ROW: Final = Line(0, 1)
"""The line of an index that picks, in each run, the row that a stacked input would give."""

_ADDS: Final = frozenset({"scatter-add", "scatter_add"})


def _indexed_inputs(m: Match) -> Replacement:
    """A constant of which each run reads its own row is a stacked input."""
    scan = Scan(m.root)
    reads = _reads(scan)
    if not reads:
        return Refusal("no constant is read row by row, from the first to the last")
    sources = list(dict.fromkeys(read.operands[0] for read in reads))
    draft = ScanDraft(scan, scan.body.parameters, slices=[scan.outer(value) for value in sources])
    rows = dict(zip(sources, draft.slices, strict=True))
    for read in reads:
        _bind_read(draft, read, rows[read.operands[0]])
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


def _reads(scan: Scan) -> list[Operation]:
    """The ops that read the rows of a constant one after the other."""
    found = [inner for inner in scan.body if _picks_a_row(scan, inner)]
    if not found or not scan.length:
        return []
    counting = Counting(scan)
    return [read for read in found if counting.line(read.operands[1]) == EACH_ROW]


def _picks_a_row(scan: Scan, inner: Operation) -> bool:
    if inner.name != "dynamic_slice" or inner.operands[0] not in scan.constants:
        return False
    sizes = shape(inner.operands[0])
    return sizes[0] == scan.length and integers(inner, "slice_sizes") == (1, *sizes[1:])


def _bind_read(draft: ScanDraft, read: Operation, row: Value) -> None:
    """Puts the row in the place of what was read, and of what only dropped its first dimension."""
    (whole,) = draft.put(_reshaped(row, shape(read.result)))
    draft.bind(read.result, whole)
    for reader in read.result.readers:
        if reader.name == "squeeze" and integers(reader, "dimensions") == (0,):
            draft.bind(reader.result, row)


class _Write(NamedTuple):
    """An op that writes a row of a carry.

    Attributes:
        op: the op.
        place: which row.
        update: the row's new value, perhaps under a first dimension of one.
    """

    op: Operation
    place: Value
    update: Value


def _written_carries(m: Match) -> Replacement:
    """A carry of which each run writes its own row is a stacked output."""
    scan = Scan(m.root)
    writes = _writes(scan)
    if not writes:
        return Refusal("no carry is written row by row, from the first to the last")
    draft = ScanDraft(scan, [value for value in scan.body.parameters if value not in writes])
    pairs = zip(scan.carries, scan.following, strict=True)
    following = draft.copy([found for value, found in pairs if value not in writes])
    rows = draft.copy(scan.rows)
    for value, write in writes.items():
        (update,) = draft.copy([write.update])
        rows += draft.put(_reshaped(update, shape(value)[1:]))
    results = draft.scan(following, rows)
    written = dict(zip(writes, results.stacked[len(scan.rows) :], strict=True))
    rest = iter(results.carries)
    carries = [
        _whole(scan, value, writes[value], written[value]) if value in writes else next(rest)
        for value in scan.carries
    ]
    return [*carries, *results.stacked[: len(scan.rows)]]


def _whole(scan: Scan, value: Value, write: _Write, rows: Term) -> Term:
    """The carry after the last run."""
    return new("add", scan.outer(value), rows) if write.op.name in _ADDS else rows


def _writes(scan: Scan) -> dict[Value, _Write]:
    """The writes by the carries that they go to, where each run writes the next row."""
    found = {
        value: write
        for value, following in zip(scan.carries, scan.following, strict=True)
        if (write := _write_of(scan, value, following)) is not None
    }
    if not found or not scan.length:
        return {}
    counting = Counting(scan)
    return {value: w for value, w in found.items() if counting.line(w.place) == EACH_ROW}


def _write_of(scan: Scan, value: Value, following: Value) -> _Write | None:
    """The op that writes a whole row of a carry, if nothing else reads the carry."""
    producer = following.producer
    if producer is None or value.use_count != 1 or following.use_count != 1:
        return None
    sizes = shape(value)
    if value not in producer.operands[:1] or not is_numeric(value.type) or not sizes:
        return None
    if sizes[0] != scan.length:
        return None
    if producer.name == "dynamic_update_slice":
        update, index = producer.operands[1:3]
        return _Write(producer, index, update) if shape(update) == (1, *sizes[1:]) else None
    sets = producer.name == "scatter" and producer.attributes.get("update_jaxpr") is None
    if sets or producer.name in _ADDS:
        index, update = producer.operands[1:]
        return _Write(producer, index, update) if _sets_a_row(producer, sizes) else None
    return None


def _sets_a_row(scatter: Operation, sizes: tuple[int, ...]) -> bool:
    """Whether it writes one row, at the index that is its second operand."""
    places = {
        "update_window_dims": tuple(range(len(sizes) - 1)),
        "inserted_window_dims": (0,),
        "scatter_dims_to_operand_dims": (0,),
        "operand_batching_dims": (),
        "scatter_indices_batching_dims": (),
    }
    dims = {name: field(scatter, "dimension_numbers", name) for name in places}
    _, index, update = scatter.operands
    return dims == places and shape(index) == (1,) and shape(update) == sizes[1:]


def _reshaped(term: Term, sizes: tuple[int, ...]) -> Term:
    if shape(term) == sizes:
        return term
    return new("reshape", term, new_sizes=sizes, dimensions=None, sharding=None)


def _fill(x: Any) -> Any:
    """Writes a row in each run, as users do who come from loops over arrays."""

    def body(i: Any, state: Any) -> Any:
        carry, out = state
        carry = jnp.sin(carry + x[i])
        return carry, out.at[i].set(carry)

    return lax.fori_loop(0, x.shape[0], body, (x[0], jnp.zeros_like(x)))


RULES: Final = (
    Rule(
        name="scan-row-of-constant",
        law="scan reading row i of x in its run i = scan over x",
        pattern=op.scan.any(),
        replace=_indexed_inputs,
        transparent=True,
        normal_form="what a loop reads row by row is scanned",
        examples=(
            example(_fill, "f32[n,k]"),
            example(
                lambda x, c: lax.scan(
                    lambda c, i: (c + lax.dynamic_index_in_dim(x, i, keepdims=False), x[i]),
                    c,
                    jnp.arange(x.shape[0]),
                    reverse=True,
                ),
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda x, c: lax.fori_loop(1, x.shape[0], lambda i, c: c + x[i], c),
                "f32[n,k]",
                "f32[k]",
                reason="row by row",
            ),
        ),
        elsewhere="Enzyme-JAX: HoistSlice",
    ),
    Rule(
        name="scan-rows-of-carry",
        law="scan writing row i of a carry in its run i = scan that stacks the rows",
        pattern=op.scan.any(),
        replace=_written_carries,
        transparent=True,
        normal_form="what a loop writes row by row is stacked",
        examples=(
            example(_fill, "f32[n,k]"),
            example(
                lambda x: lax.fori_loop(
                    0, x.shape[0], lambda i, o: o.at[i].add(jnp.tanh(x[i])), x * x
                ),
                "f32[n,k]",
            ),
            example(
                lambda x: lax.fori_loop(
                    0,
                    x.shape[0],
                    lambda i, o: lax.dynamic_update_index_in_dim(o, x[i] * 2, i, 0),
                    x,
                ),
                "f32[n]",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileDUS",
    ),
)
