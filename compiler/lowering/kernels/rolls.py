"""Elementwise ops of rolled arrays: finite differences and other stencils on periodic grids.

A roll is a join of two slices. XLA's CPU backend computes joins within the loop that reads them,
and asks for each element on which side of the seam it is; along the last axis such a loop does not
vectorise. Here the array is stored once with its ends continued, and every rolled copy is a plain
slice of that. Rolls along the other axes stay, as their seams lie between whole rows.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.analysis.constants import is_constant
from compiler.ir.graph import Operation, Value
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.kernels.kernel import Evidence, Kernel, is_emulated, product
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import integer
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import graph_between
from compiler.rewrite.rule import example
from compiler.rules.dot_terms import Cut
from compiler.rules.slice_terms import cuts_of

MIN_SIZE: Final = 1 << 14
"""Smaller arrays are rolled before the difference can be measured."""

MAX_SINGLE: Final = 1 << 19
"""A larger array that is rolled once is stored for as long as that saves."""

MIN_AXIS: Final = 64
"""Along a shorter last axis the storing takes as long as it saves."""

MAX_SHARE: Final = 4
"""The ends that are stored twice are at most so small a part of the last axis."""

MAX_OPS: Final = 128
"""So many ops are looked at behind one."""


@dataclass(frozen=True, slots=True)
class Roll:
    """A value that is another, rolled.

    Attributes:
        source: the other value.
        shifts: by how much along each axis, to higher indices; as near to zero as can be.
    """

    source: Value
    shifts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Elementwise ops that are computed in one loop, and what they read.

    Attributes:
        leaves: what they read that is no roll and no constant, each once.
        rolls: the rolled values that they read.
    """

    leaves: Sequence[Value]
    rolls: Mapping[Value, Roll]

    @property
    def inputs(self) -> list[Value]:
        """What the ops and the rolls read, each once."""
        return list(dict.fromkeys([*(roll.source for roll in self.rolls.values()), *self.leaves]))


def roll_of(value: Value) -> Roll | None:
    """What a value is a roll of, through rolls along several axes; None if it is none."""
    source, shifts = value, [0] * len(shape(value))
    while True:
        found = _seam(source)
        if found is None:
            break
        source, axis, shift = found
        shifts[axis] += shift
    near = [_nearest(shift, size) for shift, size in zip(shifts, shape(value), strict=True)]
    return None if source is value else Roll(source, tuple(near))


def _nearest(shift: int, size: int) -> int:
    return (shift + size // 2) % size - size // 2 if size else 0


def _seam(value: Value) -> tuple[Value, int, int] | None:
    """What is joined anew from its end and its beginning: the value, the axis and the shift."""
    op = value.producer
    if op is None or op.name != "concatenate" or len(op.operands) != 2:
        return None
    end, beginning = (operand.producer for operand in op.operands)
    if end is None or beginning is None or end.name != "slice" or beginning.name != "slice":
        return None
    source, axis = end.operands[0], integer(op, "dimension")
    if beginning.operands[0] is not source or shape(source) != shape(value):
        return None
    size, shift = shape(value)[axis], shape(end.result)[axis]
    is_roll = cuts_of(end) == {axis: Cut(size - shift, size)}
    is_roll = is_roll and cuts_of(beginning) == {axis: Cut(0, size - shift)}
    return (source, axis, shift) if is_roll else None


def cluster_of(root: Operation) -> Cluster:
    """The elementwise ops that only lead to the root, as far as they have its shape."""
    ops, pending = {root}, list(root.operands)
    leaves, rolls = dict[Value, None](), dict[Value, Roll]()
    while pending:
        value = pending.pop()
        producer = value.producer
        is_join = producer is not None and producer.name == "concatenate"
        roll = roll_of(value) if is_join else None
        if roll is not None:
            rolls[value] = roll
        elif producer is None or not _joins(producer, ops):
            leaves[value] = None
        elif producer not in ops:
            ops.add(producer)
            pending += producer.operands
    inner = {result for op in ops for result in op.results}
    outer = [value for value in leaves if value not in inner and not is_constant(value)]
    return Cluster(outer, rolls)


def _joins(op: Operation, ops: set[Operation]) -> bool:
    if op.name not in ELEMENTWISE or len(ops) >= MAX_OPS:
        return False
    return all(reader in ops for reader in op.result.readers)


def _reads(m: Match) -> list[Value]:
    return cluster_of(m.root).inputs


def _continued(m: Match) -> Callable[..., Any]:
    """The ops, of slices of arrays that are stored with their ends continued."""
    cluster = cluster_of(m.root)
    inputs, rolled = cluster.inputs, list(cluster.rolls)
    part = graph_between([*inputs, *rolled], m.root.results)
    combine = jax_compat.jaxpr_function(export_jaxpr(part))
    by_source = sorted(rolled, key=lambda value: inputs.index(cluster.rolls[value].source))

    def kernel(*operands: Any) -> Any:
        known = dict(zip(inputs, operands, strict=True))
        found = dict[Value, Any]()
        for source, values in groupby(by_source, lambda value: cluster.rolls[value].source):
            several = list(values)
            shifts = [cluster.rolls[value].shifts for value in several]
            found.update(zip(several, rolls(known[source], shifts), strict=True))
        return combine(*operands, *(found[value] for value in rolled))[0]

    return kernel


def rolls(x: Any, shifts: Sequence[Sequence[int]]) -> list[Any]:
    """The array rolled by each of the shifts."""
    last = x.ndim - 1
    if not any(shift[last] for shift in shifts):
        return [jnp.roll(x, shift, range(x.ndim)) for shift in shifts]
    is_diagonal = any(shift[last] and any(shift[:last]) for shift in shifts)
    axes = range(x.ndim) if is_diagonal else (last,)
    before = [max(0, *(s[a] for s in shifts)) if a in axes else 0 for a in range(x.ndim)]
    behind = [max(0, *(-s[a] for s in shifts)) if a in axes else 0 for a in range(x.ndim)]
    stored = lax.optimization_barrier(_with_ends(x, before, behind))
    return [_cut(stored, x.shape, before, shift, axes) for shift in shifts]


def _with_ends(x: Any, before: Sequence[int], behind: Sequence[int]) -> Any:
    """The array with some of its last elements before the first, and the other way round."""
    for axis, (first, last) in enumerate(zip(before, behind, strict=True)):
        size = x.shape[axis]
        end = lax.slice_in_dim(x, size - first, size, axis=axis)
        parts = [end, x, lax.slice_in_dim(x, 0, last, axis=axis)]
        kept = [part for part in parts if part.shape[axis]]
        x = lax.concatenate(kept, axis) if len(kept) > 1 else x
    return x


def _cut(
    stored: Any, sizes: Sequence[int], before: Sequence[int], shift: Sequence[int], axes: Any
) -> Any:
    """One rolled copy; rolls along axes whose ends are not stored are joins as before."""
    starts = [b - s if a in axes else 0 for a, (b, s) in enumerate(zip(before, shift, strict=True))]
    found = lax.slice(stored, starts, [a + size for a, size in zip(starts, sizes, strict=True)])
    others = [axis for axis in range(len(sizes)) if axis not in axes and shift[axis]]
    return jnp.roll(found, [shift[axis] for axis in others], others) if others else found


def _leads_out(m: Match) -> str | None:
    """Whether it is the last of the ops that are computed in one loop."""
    reader = m.root.result.only_reader
    if reader is None or reader.name not in ELEMENTWISE:
        return None
    return "another elementwise op reads it"


def _rolls_along_the_last_axis(m: Match) -> str | None:
    cluster = cluster_of(m.root)
    if any(roll.shifts and roll.shifts[-1] for roll in cluster.rolls.values()):
        return None
    return "nothing is rolled along the last axis"


def _is_large(m: Match) -> str | None:
    found = [*cluster_of(m.root).rolls.values()]
    for source in {roll.source for roll in found}:
        reason = _objection(source, [roll.shifts for roll in found if roll.source is source])
        if reason is not None:
            return reason
    return None


def _objection(source: Value, shifts: Sequence[Sequence[int]]) -> str | None:
    sizes = shape(source)
    size, axis, furthest = product(sizes), sizes[-1], max(abs(shift[-1]) for shift in shifts)
    if is_emulated(source):
        return "XLA computes such short numbers in 32 bits, and stores and reads them one by one"
    if size < MIN_SIZE or axis < MIN_AXIS:
        return "the array is small"
    if 2 * MAX_SHARE * furthest > axis:
        return "it is rolled far"
    return "it is rolled once" if len(shifts) == 1 and size > MAX_SINGLE else None


def _heat(x: Any) -> Any:
    sides = sum(jnp.roll(x, shift, axis) for shift in (1, -1) for axis in range(x.ndim))
    return x + 0.1 * (sides - 4.0 * x)


def _around(x: Any) -> Any:
    places = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    return sum(jnp.roll(x, place, (0, 1)) for place in places) - 8.0 * x


def _steps(x: Any) -> Any:
    return lax.scan(lambda x, _: (_heat(x), None), x, None, length=10)[0]


KERNELS: Final = (
    Kernel(
        name="rolls-of-continued",
        law="f(roll(x, i), roll(x, j)) = f(y[n-i:2n-i], y[n-j:2n-j]), where y = concat(x, x)",
        pattern=op[tuple(sorted(ELEMENTWISE))].any(),
        form=_continued,
        reads=_reads,
        needs=("concatenate",),
        guards=(_leads_out, _rolls_along_the_last_axis),
        pays=_is_large,
        examples=(
            example(_heat, "f32[a,b]"),
            example(_around, "f32[a,b]"),
            example(lambda x, y: jnp.roll(x, 2) * y - jnp.roll(y, -1), "f32[a]", "f32[a]"),
            example(lambda x: jnp.roll(x, -1, 2) - x.sum(0), "f32[a,b,c]"),
        ),
        rejects=(
            example(lambda x: jnp.roll(x, 1, 0) - x, "f32[a,b]"),
            example(lambda x: jnp.exp(x - 1.0).sum(), "f32[a,b]"),
        ),
        evidence=(
            Evidence(example(_heat, "f32[512,512]"), 1.8),
            Evidence(example(_steps, "f32[512,512]"), 2.6),
            Evidence(example(_steps, "f32[64,64,64]"), 1.8),
            Evidence(example(_around, "f32[512,512]"), 3.0),
        ),
    ),
)
