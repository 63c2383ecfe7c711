"""What rules need to do the work of all runs of a scan at once, on stacked arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from compiler.analysis.cost import VIEWS, cost_of, nbytes
from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ir.types import ArrayType, ExtendedDType
from compiler.ops.definition import lookup
from compiler.ops.host import host
from compiler.rewrite.driver import TRANSCENDENTAL_SCORE
from compiler.rewrite.expression import Term, constant, dtype, new, shape, spliced
from compiler.rewrite.regions import graph_between, ops_behind
from compiler.rewrite.scans import Scan

MAX_BATCH_BYTES: Final = 1 << 24
"""The intermediate values of a loop that is done at once may take up to this size together.

A loop that holds less at a time than the caches do is no slower than the batch, and needs less
memory; attention over 4 MiB of scores at a time is twice as fast in the loop on the CPU.
"""

MAX_STACKED_BYTES: Final = 1 << 22
"""A value that is computed for all runs beside the loop may take up to this size.

Larger ones cost more to write and to read again than is won: measured on the CPU, draws of random
numbers for all runs at once take half the time up to here, and twice the time from 16 MiB on.
"""

_FAMILIES: Final = frozenset({"elementwise", "shape", "reduction"})
_NAMES: Final = frozenset({CONSTANT, "dot_general", "conv_general_dilated"})
_INDEXING: Final = frozenset({"dynamic_slice", "gather"})
_DRAWS: Final = frozenset(
    {"random_bits", "random_fold_in", "random_split", "random_unwrap", "random_wrap"}
)
_BATCHED_KEYS: Final = "key<fry>"
"""The keys whose draws are the same bits alone and in a batch."""


def rows_of(
    scan: Scan, values: Sequence[Value], further: Mapping[Value, Term] | None = None
) -> list[Term]:
    """Values of the body for all runs, stacked in the order of the stacked inputs.

    Args:
        scan: the scan.
        values: what is asked for; depends on constants, slices and the further values only.
        further: other values of the body that are known for all runs, stacked.

    Raises:
        TracegraphError: an op cannot be batched.
    """
    stacked: dict[Value, Term] = {value: scan.outer(value) for value in scan.slices}
    stacked |= further or {}
    known: dict[Value, Term] = {**scan.known(), **stacked}
    ops = ops_behind(values, known)
    reads = [value for inner in ops for value in inner.operands] + list(values)
    inputs = [value for value in dict.fromkeys(reads) if value in known]
    graph = graph_between(inputs, values)
    many = host().batch(graph, [value in stacked for value in inputs], scan.length)
    return list(spliced(many, *(known[value] for value in inputs)))


def can_batch(ops: Iterable[Operation], varying: set[Value]) -> str | None:
    """The reason why some ops cannot be done for all runs at once as well; None if they can.

    Args:
        ops: the ops.
        varying: the values that differ from run to run.
    """
    for inner in ops:
        if inner.regions:
            bodies = [op for region in inner.regions for op in region if not op.is_terminator]
            reason = can_batch(bodies, {value for op in bodies for value in op.operands})
            if inner.name != "scan" or reason:
                return reason or f"{inner.name} is not done for several runs at once"
        elif not _is_batchable(inner, varying):
            return f"{inner.name} is not done for several runs at once"
    return None


def _is_batchable(inner: Operation, varying: set[Value]) -> bool:
    if inner.name in _INDEXING:
        return not any(value in varying for value in inner.operands[1:])
    if inner.name == "conv_general_dilated":
        return inner.operands[1] not in varying
    if inner.name in _DRAWS:
        return all(map(_draws_alike, (*inner.operands, *inner.results)))
    if inner.name == "threefry2x32" or inner.name in _NAMES:
        return True
    return lookup(inner.name).family in _FAMILIES


def _draws_alike(value: Value) -> bool:
    found = value.type.dtype if isinstance(value.type, ArrayType) else None
    return not isinstance(found, ExtendedDType) or found.name == _BATCHED_KEYS


def is_draw(inner: Operation) -> bool:
    """Whether the op draws random numbers from a key."""
    return inner.name in ("random_bits", "threefry2x32")


def arithmetic(ops: Iterable[Operation]) -> int:
    """The arithmetic of some ops in FLOPs, transcendentals converted into them."""
    costs = [cost_of(inner) for inner in ops]
    return sum(c.flops + TRANSCENDENTAL_SCORE * c.transcendentals for c in costs)


def held_bytes(ops: Iterable[Operation]) -> int:
    """The bytes of all results of some ops, views left out."""
    return sum(nbytes(v) for inner in ops if inner.name not in VIEWS for v in inner.results)


def counted(scan: Scan, value: Value, step: int) -> Term:
    """What a carry that grows by a step is in each run, stacked."""
    runs = new("iota", dtype=dtype(value), shape=(scan.length,), dimension=0)
    if scan.is_reversed:
        runs = new("sub", filled(number(value, scan.length - 1), (scan.length,)), runs)
    steps = new("mul", runs, filled(number(value, step), (scan.length,)))
    return new("add", filled(scan.outer(value), (scan.length,)), steps)


def number(value: Value, whole: int) -> Term:
    """A whole number as a scalar of a value's integer type, modulo what that can hold."""
    kind = dtype(value)
    wrapped = np.array(whole % (1 << 8 * kind.itemsize), f"u{kind.itemsize}").view(kind)
    return constant(wrapped)


def filled(term: Term, sizes: tuple[int, ...]) -> Term:
    """A scalar everywhere."""
    if shape(term) == sizes:
        return term
    return new("broadcast_in_dim", term, shape=sizes, broadcast_dimensions=(), sharding=None)
