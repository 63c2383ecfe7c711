"""Slices and updates at places that the program computes: they read no more than they need."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Value
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, constant, dtype, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Cut, cut, reshape
from compiler.rules.index_terms import known_integers
from compiler.rules.scatter_terms import Window, window_of
from compiler.rules.slice_terms import cuts_of

Sizes = tuple[int, ...]
_ELEMENT_BY_ELEMENT: Final = (*sorted(ELEMENTWISE), "convert_element_type")


def _at_known_place(m: Match) -> Replacement:
    """A slice at known places is a slice."""
    found = [known_integers(start) for start in m.starts]
    places = [int(start) for start in found if start is not None]
    if len(places) < len(found):
        return Refusal("where it starts is not known")
    sizes = integers(m.root, "slice_sizes")
    cuts: dict[int, Cut] = {}
    for dim, (place, size, whole) in enumerate(zip(places, sizes, shape(m.x), strict=True)):
        start = min(max(place, 0), whole - size)
        if size != whole:
            cuts[dim] = Cut(start, start + size)
    return cut(m.x, cuts)


def _of_update(m: Match) -> Replacement:
    """A slice reads what was written if it lies inside, what was before if it lies outside."""
    window = window_of(m.write)
    if window is None:
        return Refusal("where it is written to is not known")
    whole = {dim: Cut(0, size) for dim, size in enumerate(window.whole)}
    cuts = {**whole, **cuts_of(m.root)}
    if any(_is_apart(window, dim, one) for dim, one in cuts.items()):
        return cut(m.write.operands[0], cuts_of(m.root))
    starts = window.starts
    if not all(_is_inside(window, dim, one) for dim, one in cuts.items()):
        return Refusal("it reads both what was written and what was there before")
    piece = reshape(window.update, window.sizes)
    return cut(
        piece,
        {d: Cut(c.start - starts[d], c.limit - starts[d], c.stride) for d, c in cuts.items()},
    )


def _is_apart(window: Window, dim: int, one: Cut) -> bool:
    start = window.starts[dim]
    return one.limit <= start or one.start >= start + window.sizes[dim]


def _is_inside(window: Window, dim: int, one: Cut) -> bool:
    start = window.starts[dim]
    return start <= one.start and one.limit <= start + window.sizes[dim]


def _sliced(value: Term, starts: Sequence[Term], sizes: Sizes) -> Term:
    """The slice of a value; the value itself where that is all of it."""
    if shape(value) == sizes:
        return value
    return new("dynamic_slice", value, *starts, slice_sizes=sizes)


def _of_elementwise(m: Match) -> Replacement:
    """Only the elements that are read are computed."""
    sizes, whole = integers(m.root, "slice_sizes"), shape(m.inner.result)
    return like(m.inner, [_met(value, m.starts, sizes, whole) for value in m.inner.operands])


def _met(value: Value, starts: Sequence[Value], sizes: Sizes, whole: Sizes) -> Term:
    """The part of an operand that meets the part of the result; what repeats stays whole."""
    own = shape(value)
    if not own:
        return value
    zero = constant(0, like=starts[0])
    places = [
        start if size == full else zero
        for start, size, full in zip(starts, own, whole, strict=True)
    ]
    wanted = tuple(
        part if size == full else size for part, size, full in zip(sizes, own, whole, strict=True)
    )
    return _sliced(value, places, wanted)


def _of_broadcast(m: Match) -> Replacement:
    """What is repeated is repeated as often as it is read."""
    sizes, whole = integers(m.root, "slice_sizes"), shape(m.inner.result)
    dims = integers(m.inner, "broadcast_dimensions")
    if not dims:
        return like(m.inner, (m.inner.operands[0],), shape=sizes)
    places = [m.starts[dim] for dim in dims]
    mapped = tuple(sizes[dim] for dim in dims), tuple(whole[dim] for dim in dims)
    return like(m.inner, (_met(m.inner.operands[0], places, *mapped),), shape=sizes)


def _of_reduction(m: Match) -> Replacement:
    """Only the sums that are read are added up."""
    axes, whole = integers(m.inner, "axes"), shape(m.inner.operands[0])
    starts, sizes = iter(m.starts), iter(integers(m.root, "slice_sizes"))
    zero = constant(0, like=m.starts[0])
    places = [zero if d in axes else next(starts) for d in range(len(whole))]
    wanted = tuple(size if d in axes else next(sizes) for d, size in enumerate(whole))
    return like(m.inner, (_sliced(m.inner.operands[0], places, wanted),))


def _of_slice(m: Match) -> Replacement:
    """Two slices in a row are one, at the sum of the places."""
    outer, inner = integers(m.root, "slice_sizes"), integers(m.inner, "slice_sizes")
    source, *before = m.inner.operands
    types = {dtype(start) for start in (*before, *m.starts)}
    if len(types) > 1 or max(shape(source)) > np.iinfo(*types).max:
        return Refusal("the places are of different types, or too narrow to be added")
    places = [
        _place(*slots) for slots in zip(before, m.starts, outer, inner, shape(source), strict=True)
    ]
    return new("dynamic_slice", source, *places, slice_sizes=outer)


def _place(before: Value, start: Value, size: int, middle: int, whole: int) -> Term:
    """Where a slice of a slice starts: both starts are moved until the slice fits."""
    if middle == whole:
        return start
    if size == middle:
        return before
    bounds = ((before, whole - middle), (start, middle - size))
    first, second = (new("clamp", _number(0, v), v, _number(most, v)) for v, most in bounds)
    return new("add", first, second)


def _number(number: int, like_value: Value) -> Term:
    return constant(number, like=like_value)


def _row(function: Any) -> Any:
    """A program that reads two rows from ``i`` on of the function's result."""

    def program(x: Any, i: Any) -> Any:
        return lax.dynamic_slice_in_dim(function(x), i, 2)

    return program


x = var("x")


def _through(
    name: str, law: str, inner: Any, replace: Any, program: Any, numerics: Numerics
) -> Rule:
    """A rule by which a slice at a computed place moves before the op that it reads."""
    return Rule(
        name=name,
        law=law,
        pattern=op.dynamic_slice(inner.named("inner"), rest("starts")),
        replace=replace,
        numerics=numerics,
        transparent=True,
        examples=(example(_row(program), "f32[16,3]", "i32"),),
        elsewhere="Enzyme-JAX: DynamicSliceElementwise, DynamicSliceTranspose and others",
    )


def _reduction(*names: str) -> Any:
    return op[names].any()


RULES: Final = (
    Rule(
        name="dynamic-slice-at-known-place",
        law="dynamic_slice(x, 3) = x[3:] for a known place",
        pattern=op.dynamic_slice(x, rest("starts")),
        replace=_at_known_place,
        transparent=True,
        normal_form="a slice at a known place is a slice",
        examples=(
            example(lambda x: lax.dynamic_slice(x, (2, 9), (3, 2)), "f32[n,4]", n=8),
            example(lambda x: lax.dynamic_slice(x, (-1,), (3,)), "i32[8]"),
        ),
        rejects=(
            example(
                lambda x, i: lax.dynamic_slice(x, (i,), (2,)), "f32[4]", "i32", reason="not known"
            ),
        ),
        elsewhere="Enzyme-JAX: DynamicSliceToStatic; XLA: algebraic simplifier",
    ),
    Rule(
        name="slice-of-update",
        law="x.at[a:b].set(u)[c:d] = x[c:d] outside of a:b, and part of u inside",
        pattern=op.slice(op["dynamic_update_slice", "scatter"].any().named("write")),
        replace=_of_update,
        transparent=True,
        examples=(
            example(lambda x, u: jnp.sin(x).at[:3].set(u)[4:7], "f32[8,k]", "f32[3,k]"),
            example(lambda x, u: x.at[2].set(u)[2, 1:], "i32[8,4]", "i32[4]"),
        ),
        rejects=(
            example(lambda x, u: x.at[:3].set(u)[2:7], "f32[8]", "f32[3]", reason="reads both"),
        ),
        elsewhere="Enzyme-JAX: SliceOfDynamicUpdate",
    ),
    _through(
        "dynamic-slice-of-elementwise",
        "dynamic_slice(f(x)) = f(dynamic_slice(x)), element by element",
        op[_ELEMENT_BY_ELEMENT].any(),
        _of_elementwise,
        lambda x: jnp.sin(x) * x[:, :1],
        Numerics.EXACT,
    ),
    _through(
        "dynamic-slice-of-broadcast",
        "dynamic_slice(broadcast(x)) = broadcast(dynamic_slice(x))",
        op.broadcast_in_dim.any(),
        _of_broadcast,
        lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], 5, 3)),
        Numerics.EXACT,
    ),
    _through(
        "dynamic-slice-of-extreme",
        "dynamic_slice(max(x, axis)) = max(dynamic_slice(x), axis)",
        _reduction("reduce_max", "reduce_min", "reduce_and", "reduce_or", "argmax", "argmin"),
        _of_reduction,
        lambda x: jnp.max(jnp.real(x), 1),
        Numerics.EXACT,
    ),
    _through(
        "dynamic-slice-of-sum",
        "dynamic_slice(sum(x, axis)) = sum(dynamic_slice(x), axis)",
        _reduction("reduce_sum", "reduce_prod"),
        _of_reduction,
        lambda x: x.sum(1),
        Numerics.ROUNDING,
    ),
    Rule(
        name="dynamic-slice-of-dynamic-slice",
        law="dynamic_slice(dynamic_slice(x, i), j) = dynamic_slice(x, i + j)",
        pattern=op.dynamic_slice(op.dynamic_slice.any().named("inner"), rest("starts")),
        replace=_of_slice,
        transparent=True,
        examples=(
            example(
                lambda x, i, j: lax.dynamic_slice(
                    lax.dynamic_slice(x, (i, 0), (12, 8)), (j, i), (2, 3)
                ),
                "f32[n,8]",
                "i32",
                "i32",
                n=16,
            ),
        ),
        elsewhere="Enzyme-JAX: DynamicSliceDynamicSlice; XLA: algebraic simplifier",
    ),
)
