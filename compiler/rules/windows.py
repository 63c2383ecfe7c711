"""Pooling windows: taken apart by dimension, two in a row made one, and of single elements."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer_table, integers
from compiler.rewrite.expression import Term, constant, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.reduction_terms import is_identity, reshaped, spread
from compiler.rules.slice_terms import full

x = var("x", FLOAT + INTEGER)
SUMS: Final = "reduce_window_sum"
EXTREMES: Final = ("reduce_window_max", "reduce_window_min")
LEAST_REPEATED: Final = 3
"""Of fewer elements along a dimension XLA's CPU backend adds zeros up as fast as it repeats."""
_NUMBERS: Final = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")


def _separate(m: Match) -> Replacement:
    """One window after the other, first where the stride leaves the fewest elements."""
    window, strides = (integers(m.root, name) for name in _NUMBERS[:2])
    wide = [axis for axis, size in enumerate(window) if size > 1]
    if len(wide) < 2:
        return Refusal("the window has one dimension only")
    wide.sort(key=lambda axis: -strides[axis])
    idle = [axis for axis in range(len(window)) if axis not in wide]
    term: Term = m.x
    for place, axis in enumerate(wide):
        term = _along(m.root, term, [axis, *idle] if place == 0 else [axis])
    return term


def _along(window: Operation, term: Term, axes: list[int]) -> Term:
    """The window along some axes only: neither window, stride nor padding along the others."""
    numbers = {
        name: tuple(n if axis in axes else 1 for axis, n in enumerate(integers(window, name)))
        for name in _NUMBERS
    }
    rows = enumerate(integer_table(window, "padding"))
    padding = tuple(tuple(row) if axis in axes else (0, 0) for axis, row in rows)
    return like(window, (term,), padding=padding, **numbers)[0]


def _joined(m: Match) -> Replacement:
    """One window that covers what the windows of a window cover."""
    if m.root.name != m.inner.name:
        return Refusal("the windows are of different kinds")
    inner, outer = m.inner, m.root
    if any(any(row) for one in (inner, outer) for row in integer_table(one, "padding")):
        return Refusal("there is padding")
    if any(n != 1 for one in (inner, outer) for name in _NUMBERS[2:] for n in integers(one, name)):
        return Refusal("there is a dilation")
    sizes, steps = integers(inner, "window_dimensions"), integers(inner, "window_strides")
    if any(step > size for size, step in zip(sizes, steps, strict=True)):
        return Refusal("the inner windows leave gaps")
    if outer.name == SUMS and sizes != steps:
        return Refusal("the inner windows overlap, and what they share would count once")
    counts = integers(outer, "window_dimensions")
    whole = [(n - 1) * step + size for n, step, size in zip(counts, steps, sizes, strict=True)]
    strides = [a * b for a, b in zip(steps, integers(outer, "window_strides"), strict=True)]
    return like(outer, (m.x,), window_dimensions=tuple(whole), window_strides=tuple(strides))[0]


def _repeated(m: Match) -> Replacement:
    """Each element as often as a window meets it, with zeros where no window meets one."""
    window, sizes = integers(m.root, "window_dimensions"), shape(m.x)
    if not is_identity("reduce_sum", m.c):
        return Refusal("the padding is not zero")
    if any(any(row) for row in integer_table(m.root, "padding")):
        return Refusal("the windows have a padding")
    if any(n != 1 for name in _NUMBERS[1:] for n in integers(m.root, name)):
        return Refusal("there is a stride or a dilation")
    rows = list(zip(window, m.config, sizes, strict=True))
    if max(window) < LEAST_REPEATED:
        return Refusal("the windows are small")
    is_met = all(between == n - 1 and size for n, (_, _, between), size in rows)
    if not is_met or 0 in shape(m.root.result):
        return Refusal("a window does not meet one element always")
    term = _each_repeated(_without_negative_zero(m.x), window)
    edges = tuple((low - n + 1, high - n + 1, 0) for n, (low, high, _), _ in rows)
    if not any(any(row) for row in edges):
        return term
    return new("pad", term, m.inner.operands[1], padding_config=edges)


def _pool(x: Any, size: int, stride: int, padding: str = "VALID") -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, -np.inf, lax.max, window, strides, padding)


def _sums(x: Any, size: int, stride: int) -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, 0.0, lax.add, window, strides, "VALID")


def _without_negative_zero(x: Value) -> Term:
    """What a sum of a number and zeros is; a zero that is added alone XLA leaves out."""
    zero = constant(0, like=x)
    return new("select_n", new("eq", x, zero), x, full(zero, shape(x)))


def _each_repeated(term: Term, times: Sequence[int]) -> Term:
    """Each element so many times along each dimension.

    Dimensions of which nothing is repeated are one with the next: XLA's loops over many are slow.
    """
    merged, sizes = [1], shape(term)
    for size, n in zip(sizes, times, strict=True):
        merged[-1] *= size
        merged += [1] if n > 1 else []
    counts = [n for n in times if n > 1]
    pairs = [n for pair in zip(merged, [*counts, 1], strict=True) for n in pair][:-1]
    repeated = spread(reshaped(term, merged), pairs, range(0, len(pairs), 2))
    return reshaped(repeated, [size * n for size, n in zip(sizes, times, strict=True)])


def _spread(x: Any, number: float) -> Any:
    """An image with a number between its elements, and around."""
    edges = (0, 0, 0), (2, 2, 2), (5, 1, 2), (0, 0, 0)
    return lax.pad(x, jnp.asarray(number, x.dtype), edges)


def _sum_gradient(x: Any, size: int, stride: int, length: int) -> Any:
    """The gradient by its image of a sum pool with one dimension of so many elements."""
    image = jnp.zeros((1, length, 1), x.dtype)
    windows = (1, size, 1), (1, stride, 1)

    def pooled(x: Any) -> Any:
        return lax.reduce_window(x, 0.0, lax.add, *windows, "VALID")

    gradient: Any = jax.vjp(pooled, image)[1](x)
    return gradient[0]


def _separating(name: str, law: str, ops: tuple[str, ...], **others: Any) -> Rule:
    return Rule(
        name=name,
        law=law,
        pattern=op[ops](x),
        replace=_separate,
        elsewhere="-",
        **others,
    )


def _joining(name: str, law: str, ops: tuple[str, ...], **others: Any) -> Rule:
    return Rule(
        name=name,
        law=law,
        pattern=op[ops](op[ops](x).named("inner")),
        replace=_joined,
        elsewhere="-",
        **others,
    )


RULES: Final = (
    _joining(
        "extreme-of-extremes-in-windows",
        "a max pool of a max pool is one max pool",
        EXTREMES,
        examples=(
            example(lambda x: _pool(_pool(x, 2, 2), 2, 2), "f32[1,8,8,c]"),
            example(lambda x: _pool(_pool(x, 3, 1), 3, 2), "f32[1,9,9,c]"),
        ),
        rejects=(
            example(lambda x: _pool(_pool(x, 2, 3), 2, 2), "f32[1,9,9,c]", reason="gaps"),
            example(
                lambda x: _pool(_pool(x, 3, 2, "SAME"), 2, 2), "f32[1,9,9,c]", reason="padding"
            ),
        ),
    ),
    _joining(
        "sum-of-sums-in-windows",
        "a sum pool of a sum pool without overlap is one sum pool",
        (SUMS,),
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(example(lambda x: _sums(_sums(x, 2, 2), 2, 2), "f32[1,8,8,c]"),),
        rejects=(example(lambda x: _sums(_sums(x, 3, 2), 2, 2), "f32[1,9,9,c]", reason="overlap"),),
    ),
    Rule(
        name="sum-of-single-elements",
        law="a sum over windows that meet one element each, and zeros, repeats the elements",
        pattern=op[SUMS](op.pad(x, num("c"), padding_config=var("config")).named("inner")),
        replace=_repeated,
        normal_form="no sums over one element and zeros",
        examples=(
            example(jax.grad(lambda x: (_sums(x, 3, 3) ** 2).sum()), "f32[1,9,9,c]"),
            example(lambda x: _sum_gradient(x, 3, 3, 11), "f32[1,3,1]"),
            example(lambda x: _sums(_spread(x, 0.0), 3, 1), "f32[1,4,5,2]"),
        ),
        rejects=(
            example(lambda x: _sum_gradient(x, 3, 2, 9), "f32[1,4,1]", reason="one element"),
            example(
                lambda x: lax.reduce_window(
                    lax.pad(x, np.float32(0), ((0, 0, 2),)), 0.0, lax.add, (3,), (1,), "VALID"
                ),
                "f32[1]",
                reason="one element",
            ),
            example(lambda x: _sums(_spread(x, 1.0), 3, 1), "f32[1,4,4,2]", reason="zero"),
            example(lambda x: _sums(_spread(x, 0.0), 3, 2), "f32[1,4,4,2]", reason="stride"),
            example(
                jax.grad(lambda x: (_sums(x, 2, 2) ** 2).sum()), "f32[1,8,8,c]", reason="small"
            ),
        ),
        elsewhere="-",
    ),
    _separating(
        "extreme-by-dimension",
        "a max pool of k*k is one of k*1 and one of 1*k",
        EXTREMES,
        examples=(example(lambda x: _pool(x, 9, 1, "SAME"), "f32[1,16,16,c]"),),
    ),
    _separating(
        "sum-by-dimension",
        "a sum pool of k*k is one of k*1 and one of 1*k",
        (SUMS,),
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(example(lambda x: _sums(x, 9, 1), "f32[1,40,40,c]"),),
    ),
)
