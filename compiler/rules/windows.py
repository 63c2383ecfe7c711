"""Pooling windows: taken apart by dimension, and two in a row made one."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jax import lax

from compiler.ir.graph import Operation
from compiler.ops.parameters import integer_table, integers
from compiler.rewrite.expression import Term, like
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example

x = var("x", FLOAT + INTEGER)
SUMS: Final = "reduce_window_sum"
EXTREMES: Final = ("reduce_window_max", "reduce_window_min")
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


def _pool(x: Any, size: int, stride: int, padding: str = "VALID") -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, -np.inf, lax.max, window, strides, padding)


def _sums(x: Any, size: int, stride: int) -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, 0.0, lax.add, window, strides, "VALID")


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
