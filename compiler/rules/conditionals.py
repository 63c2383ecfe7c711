"""Conds: what does not depend on the branch taken leaves them, and what a branch knows goes in."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.attributes import Array
from compiler.ir.graph import CONSTANT, Region, Value
from compiler.ir.types import ArrayType
from compiler.rewrite.branches import Branches
from compiler.rewrite.expression import Term, constant, like, with_regions
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import BOOL, op, rest, var
from compiler.rewrite.regions import Draft, Outside
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.twins import is_same_constant, twins

MAX_CONSTANT: Final = 1024
"""Constants of more elements are handed to the branches: each would hold a copy of its own."""

ANY_COND: Final = op.cond.any()


def _swapped(m: Match) -> Replacement:
    """The branches of a cond on ``not p`` change places."""
    cond = Branches(m.root)
    if len(cond.regions) != 2:
        return Refusal("there are not two branches")
    (producer,) = (cond.index.producer,)
    if producer is None:
        return Refusal("the index is a parameter")
    names = [region.name for region in cond.regions]
    regions = [
        _renamed(region, name) for region, name in zip(cond.regions[::-1], names, strict=True)
    ]
    (index,) = like(producer, (m.p,))
    return with_regions(m.root, (index, *cond.arguments), cond.types, regions)


def _renamed(region: Region, name: str) -> Region:
    draft = Draft(region, [value.type for value in region.parameters], name)
    for old, value in zip(region.parameters, draft.parameters, strict=True):
        draft.bind(old, value)
    return draft.finish(draft.copy(region.outputs))


def _known_arguments(m: Match) -> Replacement:
    """What a branch knows of its arguments is a constant inside it."""
    cond = Branches(m.root)
    finders = {slot: _knowledge(cond, value) for slot, value in enumerate(cond.arguments)}
    known = {slot: find for slot, find in finders.items() if find is not None}
    if not known:
        return Refusal("no branch knows what one of its arguments is")

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        del extra
        branch = cond.regions.index(region)
        for slot, find in known.items():
            old = region.parameters[slot]
            draft.bind(old, draft.put(constant(find(branch), like=old))[0])
        return draft.copy(region.outputs)

    keep = [slot for slot in range(len(cond.arguments)) if slot not in known]
    return cond.remade(keep, (), fill, cond.types)


def _knowledge(cond: Branches, value: Value) -> Callable[[int], Array] | None:
    """What a value is in each branch, where that is known: a constant, or what picks the branch."""
    producer = value.producer
    if producer is not None and producer.name == CONSTANT:
        array: Any = producer.attributes["value"]
        return (lambda _: array.array) if array.size <= MAX_CONSTANT else None
    predicate = cond.predicate
    steps: list[Callable[[Array], Array]] = []
    while predicate is not None and value is not predicate:
        producer = value.producer
        if producer is None or producer.name not in ("convert_element_type", "not"):
            return None
        steps.append(_step(producer.name, value))
        (value,) = producer.operands
    return None if predicate is None else lambda branch: _after(np.asarray(branch == 1), steps)


def _step(name: str, value: Value) -> Callable[[Array], Array]:
    if name == "not":
        return np.invert
    dtype: Any = value.type.dtype if isinstance(value.type, ArrayType) else None
    return lambda array: array.astype(dtype)


def _after(array: Array, steps: Sequence[Callable[[Array], Array]]) -> Array:
    for step in reversed(steps):
        array = step(array)
    return array


def _repeated_arguments(m: Match) -> Replacement:
    """An argument that is handed over twice is handed over once."""
    cond = Branches(m.root)
    first = {value: slot for slot, value in reversed(list(enumerate(cond.arguments)))}
    keep = sorted(first.values())
    if len(keep) == len(cond.arguments):
        return Refusal("each argument is another value")

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        del extra
        for slot, value in enumerate(cond.arguments):
            if slot not in keep:
                (bound,) = draft.copy([region.parameters[first[value]]])
                draft.bind(region.parameters[slot], bound)
        return draft.copy(region.outputs)

    return cond.remade(keep, (), fill, cond.types)


def _repeated_results(m: Match) -> Replacement:
    """A result that every branch yields twice is yielded once."""
    cond = Branches(m.root)
    yielded = list(zip(*(region.outputs for region in cond.regions), strict=True))
    first = {values: slot for slot, values in reversed(list(enumerate(yielded)))}
    kept = sorted(first.values())
    if len(kept) == len(yielded):
        return Refusal("each result is another value in some branch")
    results = _with_results(cond, kept)
    return [results[kept.index(first[values])] for values in yielded]


def _with_results(cond: Branches, kept: Sequence[int]) -> Sequence[Term]:
    """The cond with some of its results only."""

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        del extra
        return draft.copy([region.outputs[slot] for slot in kept])

    types = [cond.types[slot] for slot in kept]
    return cond.remade(range(len(cond.arguments)), (), fill, types)


def _equal_results(m: Match) -> Replacement:
    """A result that is the same in all branches is computed without them."""
    cond = Branches(m.root)
    lead = cond.regions[0]
    equal = set(range(len(m.root.results)))
    for region in cond.regions[1:]:
        same = twins(lead, region, dict(zip(region.parameters, lead.parameters, strict=True)))
        pairs = list(zip(region.outputs, lead.outputs, strict=True))
        equal &= {
            slot for slot, (a, b) in enumerate(pairs) if same.get(a) is b or is_same_constant(a, b)
        }
    if not equal:
        return Refusal("each result is another one in some branch")
    kept = [slot for slot in range(len(lead.outputs)) if slot not in equal]
    rest_of_results = dict(zip(kept, _with_results(cond, kept) if kept else (), strict=True))
    order = sorted(equal)
    outside = Outside(cond.known(lead)).terms([lead.outputs[slot] for slot in order])
    found = {**rest_of_results, **dict(zip(order, outside, strict=True))}
    return [found[slot] for slot in range(len(lead.outputs))]


def _nested(p: Any, x: Any) -> Any:
    inner = lambda v: lax.cond(p, jnp.tanh, lambda u: u @ u, v)  # noqa: E731
    return lax.cond(p, inner, lambda v: v * 2.0, x)


def _product(a: Any, b: Any, c: Any) -> Any:
    return a[:, None] * b * c


RULES: Final = (
    Rule(
        name="cond-of-not",
        law="cond(not p, f, g) = cond(p, g, f)",
        pattern=op.cond(
            op.convert_element_type(op.not_(var("p", BOOL)).shared()).shared(), rest("arguments")
        ),
        replace=_swapped,
        transparent=True,
        normal_form="a cond asks without a negation",
        examples=(
            example(
                lambda p, x: lax.cond(jnp.logical_not(p), jnp.tanh, lambda v: v * 2.0, x),
                "bool",
                "f32[n]",
            ),
        ),
        elsewhere="ONNX Runtime: NotWhereFusion, for select",
    ),
    Rule(
        name="cond-known-argument",
        law="cond(p, f, g)(p, c) = cond(p, f(true, c), g(false, c)) for a constant c",
        pattern=ANY_COND,
        replace=_known_arguments,
        transparent=True,
        normal_form="a branch is handed nothing that it knows",
        examples=(
            example(_nested, "bool", "f32[n,n]"),
            example(
                lambda p, x: lax.cond(
                    p, lambda v: jnp.where(p, v, v @ v), lambda v: v * (1.0 - p), x
                ),
                "bool",
                "f32[n,n]",
            ),
            example(
                lambda i, x: lax.switch(i, [lambda v, c: v * c, lambda v, c: v + c], x, 2.0),
                "i32",
                "f32[n]",
            ),
        ),
        rejects=(
            example(
                lambda p, q, x: lax.cond(p, lambda v: jnp.where(q, v, -v), jnp.tanh, x),
                "bool",
                "bool",
                "f32[n]",
                reason="no branch knows",
            ),
        ),
        elsewhere="Enzyme-JAX: IfPredPropagation, SelectOpUsedWithinIf",
    ),
    Rule(
        name="cond-argument-twice",
        law="cond(p, f, g)(x, x) = cond(p, f', g')(x)",
        pattern=ANY_COND,
        replace=_repeated_arguments,
        transparent=True,
        normal_form="a branch is handed each value once",
        examples=(
            example(
                lambda p, x: lax.cond(p, lambda a, b: a * b, lambda a, b: jnp.sin(a) - b, x, x),
                "bool",
                "f32[n]",
            ),
        ),
    ),
    Rule(
        name="cond-result-twice",
        law="a result that every branch yields twice is yielded once",
        pattern=ANY_COND,
        replace=_repeated_results,
        transparent=True,
        normal_form="a branch yields each value once",
        examples=(
            example(
                lambda p, x: lax.cond(
                    p, lambda v: (y := jnp.sin(v), v, y), lambda v: (v, jnp.exp(v), v), x
                ),
                "bool",
                "f32[n]",
            ),
        ),
    ),
    Rule(
        name="cond-equal-results",
        law="cond(p, f, f) = f, result by result",
        pattern=ANY_COND,
        replace=_equal_results,
        transparent=True,
        normal_form="what does not depend on the branch is outside of it",
        examples=(
            example(
                lambda p, x: lax.cond(
                    p, lambda v: jnp.tanh(v * 2.0) @ v, lambda v: jnp.tanh(v * 2.0) @ v, x
                ),
                "bool",
                "f32[n,n]",
            ),
            example(
                lambda p, x, y: _product(
                    *lax.cond(
                        p, lambda a, b: (a, b * 2.0, 3.0), lambda a, b: (a, b + 1.0, 3.0), x, y
                    )
                ),
                "bool",
                "f32[n]",
                "f32[k]",
            ),
        ),
        elsewhere="Enzyme-JAX: IfRemoveUnused, IfInline",
    ),
)
