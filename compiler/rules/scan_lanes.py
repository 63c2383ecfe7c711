"""Scans: carries and inputs that need not be there, and loops that are none."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.attributes import Array, Attribute, Dense, attribute_key
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.rewrite.expression import Term, constant, dtype, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Outside
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft, stacked_type
from compiler.rules.scan_counting import is_integer, known_number

ONE: Final = "a loop is something that repeats itself"


def _single(m: Match) -> Replacement:
    """A loop of one run is its body."""
    scan = Scan(m.root)
    if scan.length != 1:
        return Refusal(f"the body runs {scan.length} times")
    known = {value: scan.outer(value) for value in (*scan.constants, *scan.carries)}
    rows = {value: _reshaped(scan.outer(value), shape(value)) for value in scan.slices}
    outside = Outside({**known, **rows})
    stacked = [_reshaped(term, (1, *shape(term))) for term in outside.terms(scan.rows)]
    return [*outside.terms(scan.following), *stacked]


def _reshaped(term: Term, sizes: tuple[int, ...]) -> Term:
    return new("reshape", term, new_sizes=sizes, dimensions=None, sharding=None)


def _none(m: Match) -> Replacement:
    """A loop of no run hands on what it is given."""
    scan = Scan(m.root)
    if scan.length:
        return Refusal(f"the body runs {scan.length} times")
    stacked = [stacked_type(value.type, 0) for value in scan.rows]
    if not all(map(is_numeric, stacked)):
        return Refusal("a stacked output holds random keys or the like")
    empty = [
        constant(np.zeros(shape(value), dtype(value)))
        for value in m.root.results[len(scan.carries) :]
    ]
    return [*(scan.outer(value) for value in scan.carries), *empty]


def _equal(m: Match) -> Replacement:
    """Lanes of a loop that always hold the same are one lane."""
    scan = Scan(m.root)
    leaders = _leaders(scan)
    rows = list(dict.fromkeys(scan.rows))
    if all(leader is value for value, leader in leaders.items()) and len(rows) == len(scan.rows):
        return Refusal("no two lanes hold the same")
    draft = ScanDraft(scan, [value for value, leader in leaders.items() if leader is value])
    for value, leader in leaders.items():
        if leader is not value:
            draft.bind(value, draft.copy([leader])[0])
    pairs = zip(scan.carries, scan.following, strict=True)
    following = [found for value, found in pairs if leaders[value] is value]
    results = draft.scan(draft.copy(following), draft.copy(rows))
    kept = [value for value in scan.carries if leaders[value] is value]
    last = dict(zip(kept, results.carries, strict=True))
    stacked = dict(zip(rows, results.stacked, strict=True))
    return [*(last[leaders[v]] for v in scan.carries), *(stacked[v] for v in scan.rows)]


def _leaders(scan: Scan) -> dict[Value, Value]:
    """For each parameter of the body, the first one that always holds the same."""
    first: dict[Hashable, Value] = {}
    fixed = {
        value: first.setdefault((value.index < len(scan.constants), scan.outer(value)), value)
        for value in (*scan.constants, *scan.slices)
    }
    starts: dict[Hashable, Value] = {}
    carried = {value: starts.setdefault(_start(scan, value), value) for value in scan.carries}
    while any(leader is not value for value, leader in carried.items()):
        numbers = _numbered(scan, {**fixed, **carried})
        split: dict[Hashable, Value] = {}
        refined = {
            value: split.setdefault((carried[value], numbers[following]), value)
            for value, following in zip(scan.carries, scan.following, strict=True)
        }
        if refined == carried:
            break
        carried = refined
    return {value: {**fixed, **carried}[value] for value in scan.body.parameters}


def _start(scan: Scan, value: Value) -> Hashable:
    return (scan.outer(value), value.type)


def _numbered(scan: Scan, leaders: Mapping[Value, Value]) -> dict[Value, Hashable]:
    """Numbers for the body's values, equal for those that are the same if the leaders are right."""
    numbers: dict[Value, Hashable] = dict(leaders)
    known: dict[Hashable, Operation] = {}
    for inner in scan.body:
        key = _key(inner, [numbers[value] for value in inner.operands])
        like = known.setdefault(key, inner)
        numbers.update(zip(inner.results, like.results, strict=True))
    return numbers


def _key(inner: Operation, operands: Sequence[Hashable]) -> Hashable:
    if inner.regions:
        return inner
    attributes = tuple(
        (name, _attribute(inner.attributes[name])) for name in sorted(inner.attributes)
    )
    types = tuple(value.type for value in inner.results)
    return (inner.name, tuple(operands), attributes, types)


def _attribute(value: Attribute) -> Hashable:
    return (value.shape, value.digest) if isinstance(value, Dense) else attribute_key(value)


def _idle_counter(m: Match) -> Replacement:
    """A counter that only counts is known without counting."""
    scan = Scan(m.root)
    steps = {
        value: step
        for value, following in zip(scan.carries, scan.following, strict=True)
        if (step := _idle_step(scan, value, following)) is not None
    }
    if not steps:
        return Refusal("no carry only counts")
    draft = ScanDraft(scan, [value for value in scan.body.parameters if value not in steps])
    pairs = zip(scan.carries, scan.following, strict=True)
    following = [found for value, found in pairs if value not in steps]
    results = draft.scan(draft.copy(following), draft.copy(scan.rows))
    rest = iter(results.carries)
    carries = [
        new("add", scan.outer(value), _times(steps[value], scan.length))
        if value in steps
        else next(rest)
        for value in scan.carries
    ]
    return [*carries, *results.stacked]


def _idle_step(scan: Scan, value: Value, following: Value) -> Array | None:
    """What a carry grows by in each run, if it is a whole number that nothing else looks at."""
    producer = following.producer
    if producer is None or producer.name != "add" or shape(value) or not is_integer(value):
        return None
    if value not in producer.operands or value.use_count != 1 or following.use_count != 1:
        return None
    first, second = producer.operands
    return known_number(scan, second if first is value else first)


def _times(step: Array, length: int) -> Term:
    """The step that many times, modulo what the element type can hold."""
    total = int(step) * length
    bits = 8 * step.dtype.itemsize
    wrapped = np.array(total % (1 << bits), f"u{step.dtype.itemsize}").view(step.dtype)
    return constant(wrapped)


RULES: Final = (
    Rule(
        name="scan-of-length-zero",
        law="scan of no run = its first carries, and empty outputs",
        pattern=op.scan.any(),
        replace=_none,
        transparent=True,
        normal_form=ONE,
        examples=(
            example(lambda x, c: lax.scan(lambda c, t: (c + t, c * t), c, x), "f32[0,k]", "f32[k]"),
        ),
        elsewhere="Enzyme-JAX: WhileSimplify; XLA: while-loop simplifier",
    ),
    Rule(
        name="scan-of-length-one",
        law="scan of one run = its body",
        pattern=op.scan.any(),
        replace=_single,
        transparent=True,
        normal_form=ONE,
        examples=(
            example(
                lambda x, c, w: lax.scan(lambda c, t: (jnp.sin(c @ w + t), c * t), c, x),
                "f32[1,k]",
                "f32[k]",
                "f32[k,k]",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileSimplify; XLA: while-loop simplifier",
    ),
    Rule(
        name="scan-equal-lanes",
        law="scan of (a, a) = scan of a: for inputs, carries and outputs that always agree",
        pattern=op.scan.any(),
        replace=_equal,
        transparent=True,
        normal_form="a loop holds each value once",
        examples=(
            example(
                lambda x: lax.scan(
                    lambda c, t: ((jnp.sin(c[0] + t[0]), jnp.sin(c[1] + t[1])), (c[0], c[0], c[1])),
                    (jnp.zeros_like(x[0]), jnp.zeros_like(x[0])),
                    (x, x),
                ),
                "f32[n,k]",
            ),
            example(
                lambda x, c: lax.scan(lambda c, t: (c + t, (c, c)), c, x, reverse=True),
                "f32[n,k]",
                "f32[k]",
            ),
        ),
        rejects=(
            example(
                lambda x, c: lax.scan(
                    lambda c, t: ((c[0] + t, c[1] * t), (c[1] + t)), (c, c), x, reverse=True
                ),
                "f32[n,k]",
                "f32[k]",
                reason="no two lanes",
            ),
        ),
    ),
    Rule(
        name="scan-idle-counter",
        law="n runs of c + a from c = c + n a, for whole numbers",
        pattern=op.scan.any(),
        replace=_idle_counter,
        transparent=True,
        normal_form="a loop hands out what it computes",
        examples=(
            example(
                lambda x, i: lax.scan(
                    lambda c, t: ((c[0] * 0.5 + t, c[1] + 3), c[0]), (x[0], i), x
                ),
                "f32[n,k]",
                "i32",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileInductionReduction",
    ),
)
