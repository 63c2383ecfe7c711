"""Sorts of which only the ends are read: a maximum, or the best few.

Sorts put nan last and take zeros of both signs for equal; maxima and ``top_k`` have orders of their
own. So for floating-point numbers these laws assume that neither occurs.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import element_kind, integer, integers
from compiler.rewrite.expression import Term, dtype, new, shape, traced
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, Pattern, Var, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, reshape
from compiler.rules.gather_terms import picks_along
from compiler.rules.index_terms import index_range, index_source, sorting
from compiler.rules.slice_terms import cuts_of

SMALL_SHARE: Final = 4
"""The best few are at most this part of all: finding more of them costs as much as sorting."""

NOT_AN_END: Final = Refusal("what it reads is no end of what was sorted")


def _values(m: Match) -> Replacement:
    """The first of what is sorted is the smallest, the last the largest; the ends are the best."""
    axis = integer(m.sort, "dimension")
    found = _end(m.root, axis)
    if found is None:
        return NOT_AN_END
    if found.limit - found.start == 1:
        name = "reduce_max" if found.start else "reduce_min"
        return reshape(new(name, m.x, axes=(axis,)), shape(m.root.result))
    if not _are_few(m.x, axis, found):
        return Refusal("it reads too many, or not along the last axis")
    return _best(m.x, found, 0)


def _places(m: Match) -> Replacement:
    """The first places in the order of what is sorted are those of the best few."""
    sort, axis = m.sort, integer(m.sort, "dimension")
    found = _end(m.root, axis)
    if found is None or not sort.attributes.get("is_stable") or integer(sort, "num_keys") != 1:
        return NOT_AN_END
    key = m.y if found.start == 0 and sorting(sort.results[1]) is sort else None
    if found.start:
        key = _behind_rev(m.y, axis) if _counts_down(m.order, axis) else None
    if key is None or not _are_few(key, axis, found):
        return Refusal("it reads too many, or not the places along the last axis")
    if found.limit - found.start == 1:
        name = "argmax" if found.start else "argmin"
        best = new(name, key, axes=(axis,), index_dtype=dtype(m.root.result))
        return reshape(best, shape(m.root.result))
    places = _best(key, found, 1)
    return new("convert_element_type", places, new_dtype=dtype(m.root.result), weak_type=False)


def _end(part: Operation, axis: int) -> Cut | None:
    """What a slice reads of an end along the axis, if it reads all of the others."""
    cuts = cuts_of(part)
    one = cuts.get(axis)
    if one is None or len(cuts) != 1 or one.stride != 1 or one.limit == one.start:
        return None
    return one if one.start == 0 or one.limit == shape(part.operands[0])[axis] else None


def _are_few(x: Value, axis: int, found: Cut) -> bool:
    """Whether finding them is cheaper than sorting; for integers ``top_k`` itself sorts."""
    number = found.limit - found.start
    if axis != len(shape(x)) - 1 or (number > 1 and element_kind(dtype(x)) != "f"):
        return False
    return number * SMALL_SHARE <= shape(x)[axis]


def _best(x: Term, found: Cut, result: int) -> Any:
    """The values or places of the largest, largest last; of the smallest, smallest first."""
    number = found.limit - found.start
    smallest = found.start == 0
    key = new("neg", x) if smallest else x
    best = traced(lambda v: lax.top_k(v, number)[result], key)
    if not smallest:
        return new("rev", best, dimensions=(len(shape(x)) - 1,))
    return best if result else new("neg", best)


def _behind_rev(value: Value, axis: int) -> Value | None:
    producer = value.producer
    if producer is None or producer.name != "rev" or integers(producer, "dimensions") != (axis,):
        return None
    return producer.operands[0]


def _counts_down(value: Value, axis: int) -> bool:
    inner = _behind_rev(value, axis)
    producer = None if inner is None else inner.producer
    return (
        producer is not None and producer.name == "iota" and integer(producer, "dimension") == axis
    )


def _picked(m: Match) -> Replacement:
    """What is at the place of the largest is the largest."""
    found = index_source(m.order).producer
    if found is None or found.name not in ("argmax", "argmin") or found.operands[0] is not m.x:
        return Refusal("it does not pick the largest or the smallest")
    if index_range(found.result) is None:
        return Refusal("the axis is longer than its type of index can count")
    axes = integers(found, "axes")
    if axes != (_picking(m.root),):
        return Refusal("it picks along another axis")
    name = "reduce_max" if found.name == "argmax" else "reduce_min"
    return reshape(new(name, m.x, axes=axes), shape(m.root.result))


def _picking(op: Operation) -> int | None:
    """The axis along which a gather, or a slice of one element, picks."""
    if op.name == "dynamic_slice":
        return 0 if integers(op, "slice_sizes") == (1,) else None
    return picks_along(op)


def _descending(x: Any) -> Any:
    """The places of the elements, that of the first of the largest last."""
    places = jnp.arange(x.size, dtype=jnp.int32)
    return lax.sort((jnp.flip(x), jnp.flip(places)), num_keys=1)[1]


def _pair(
    name: str,
    law: str,
    pattern: Callable[[Var], Pattern],
    replace: Callable[[Match], Replacement],
    variable: str,
    programs: Sequence[Callable[[Any], Any]],
    of_floats: Sequence[Callable[[Any], Any]],
) -> tuple[Rule, Rule]:
    """A law for integers, which is exact, and for floating-point numbers without nan.

    Args:
        name: the name of the first rule.
        law: what both say.
        pattern: from the variable that stands for what is sorted or searched.
        replace: what both replace it by.
        variable: the variable's name.
        programs: of a vector, for both.
        of_floats: of a vector, for the second.
    """
    normal_form = "the best few are found without sorting"
    return (
        Rule(
            name=name,
            law=f"{law}, for integers",
            pattern=pattern(var(variable, INTEGER)),
            replace=replace,
            normal_form=normal_form,
            examples=tuple(example(program, "i32[16]") for program in programs),
        ),
        Rule(
            name=f"{name}-of-floats",
            law=f"{law}, without nan and zeros of both signs",
            pattern=pattern(var(variable, FLOAT)),
            replace=replace,
            numerics=Numerics.FINITE,
            normal_form=normal_form,
            examples=tuple(example(f, "f32[16]") for f in (*programs, *of_floats)),
        ),
    )


RULES: Final = (
    *_pair(
        "end-of-sort",
        "sort(x)[-1] = max(x), and sort(x)[-k:] = top_k(x)",
        lambda x: op.slice(op.sort(x).named("sort")),
        _values,
        "x",
        (lambda x: jnp.sort(x)[-1:], lambda x: jnp.sort(x)[:1]),
        (lambda x: jnp.sort(x)[-3:], lambda x: jnp.sort(x)[:3]),
    ),
    *_pair(
        "end-of-argsort",
        "argsort(x)[:k] = top_k(-x), the places",
        lambda y: op.slice(op.sort(y, var("order")).result(1).named("sort")),
        _places,
        "y",
        (lambda x: jnp.argsort(x)[:1], lambda x: _descending(x)[-1:]),
        (lambda x: jnp.argsort(-x)[:4], lambda x: _descending(x)[-4:]),
    ),
    *_pair(
        "pick-of-argmax",
        "x[argmax(x)] = max(x), along any axis",
        lambda x: op["gather", "dynamic_slice"](x, var("order")),
        _picked,
        "x",
        (
            lambda x: jnp.take_along_axis(x, jnp.argmax(x, -1, keepdims=True), -1),
            lambda x: x[jnp.argmin(x)],
        ),
        (),
    ),
)
