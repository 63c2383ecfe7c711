"""One-hot arrays that multiply, mask or are searched: lookups instead."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from math import prod
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integers
from compiler.rewrite.expression import Term, constant, dtype, new, shape, traced
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, num, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import Labels, arrange, dot_of, is_plain_dot, reshape, transpose
from compiler.rules.gather_terms import gathered_rows
from compiler.rules.one_hot_terms import OneHot, one_hot_of

FILL: Final = "FILL_OR_DROP"
NOT_ONE_HOT: Final = Refusal("neither operand compares an index with its place")


def _looked_up(m: Match) -> Replacement:
    """A product with a one-hot array takes rows, or adds rows up at the places of the ones."""
    found = dot_of(m.root)
    if not is_plain_dot(m.root) or found.out != tuple(dict.fromkeys(found.out)):
        return Refusal("it is no plain dot")
    (lhs, lhs_labels), (rhs, rhs_labels) = found.sides
    sides = ((lhs, lhs_labels, rhs, rhs_labels), (rhs, rhs_labels, lhs, lhs_labels))
    for value, labels, table, table_labels in sides:
        hot = one_hot_of(value)
        if hot is None:
            continue
        if labels[hot.dim] in found.contracted:
            return _rows(m.root, hot, labels, table, table_labels)
        return _added_up(m.root, hot, labels, table, table_labels)
    return NOT_ONE_HOT


def _rows(
    root: Operation, hot: OneHot, labels: Labels, table: Value, table_labels: Labels
) -> Replacement:
    """one_hot(i) @ table = table[i], zeros where i is out of range."""
    out = dot_of(root).out
    rest = tuple(label for d, label in enumerate(labels) if d != hot.dim)
    if set(rest) & set(table_labels):
        return Refusal("the two have more in common than the places")
    place = table_labels.index(labels[hot.dim])
    index = reshape(hot.choice, (*shape(hot.choice), 1))
    rows = gathered_rows(table, index, place, FILL, 0)
    found = (*table_labels[:place], *rest, *table_labels[place + 1 :])
    return arrange(_of_type(rows, root), found, out)


def _added_up(
    root: Operation, hot: OneHot, labels: Labels, rows: Value, row_labels: Labels
) -> Replacement:
    """one_hot(i)^T @ rows = zeros with each row added at i."""
    out = dot_of(root).out
    rest = tuple(label for d, label in enumerate(labels) if d != hot.dim)
    if not rest or set(rest) - dot_of(root).contracted:
        return Refusal("it multiplies, but does not add up over the places")
    left = tuple(label for label in row_labels if label not in rest)
    order = [row_labels.index(label) for label in (*rest, *left)]
    sizes = [shape(rows)[row_labels.index(label)] for label in left]
    number = prod(shape(hot.choice))
    moved = rows if order == sorted(order) else transpose(rows, order)
    updates = _of_type(reshape(moved, (number, *sizes)), root)
    places = reshape(hot.choice, (number, 1))
    total = traced(lambda u, i: _scattered(u, i, hot.size), updates, places)
    return arrange(total, (labels[hot.dim], *left), out)


def _scattered(updates: jax.Array, places: jax.Array, size: int) -> jax.Array:
    windows = tuple(range(1, updates.ndim))
    numbers = lax.ScatterDimensionNumbers(windows, (0,), (0,))
    out = jnp.zeros((size, *updates.shape[1:]), updates.dtype)
    mode = lax.GatherScatterMode.FILL_OR_DROP
    return lax.scatter_add(out, places, updates, numbers, mode=mode)


def _of_type(term: Term, root: Operation) -> Any:
    if dtype(term) == dtype(root.result):
        return term
    return new("convert_element_type", term, new_dtype=dtype(root.result), weak_type=False)


def _picked(m: Match) -> Replacement:
    """A sum of which only one term is not masked is that term."""
    hot = one_hot_of(m.mask)
    if hot is None or integers(m.root, "axes") != (hot.dim,):
        return Refusal("the mask does not compare an index with its place along the sum")
    if shape(m.x) != shape(m.mask) or 0 in shape(m.x):
        return Refusal("the mask is of another shape, or there are no elements")
    element = traced(lambda x, i: _element(x, i, hot.dim), m.x, hot.choice)
    return new("add", element, constant(0, like=element))


def _element(x: jax.Array, index: jax.Array, dim: int) -> jax.Array:
    """x at the index along a dimension, the index running along with the others; 0 out of range."""
    others = tuple(d for d in range(x.ndim) if d != dim)
    places = tuple(range(len(others)))
    numbers = lax.GatherDimensionNumbers((), (dim,), (dim,), others, places)
    mode = lax.GatherScatterMode.FILL_OR_DROP
    ones = (1,) * x.ndim
    return lax.gather(x, index[..., None], numbers, ones, mode=mode, fill_value=0)


def _searched(m: Match) -> Replacement:
    """The place of the one is the index."""
    hot = one_hot_of(m.root.operands[0])
    if hot is None or integers(m.root, "axes") != (hot.dim,):
        return Refusal("it does not search where an index is compared with its place")
    index = hot.choice
    low, high = (constant(bound, like=index) for bound in (0, hot.size - 1))
    inside = new("eq", new("clamp", low, index, high), index)
    place = new("select_n", inside, constant(np.zeros(shape(index)), like=index), index)
    target = dtype(m.root.result)
    return new("convert_element_type", place, new_dtype=target, weak_type=False)


x, mask = var("x"), var("mask")


def _product(name: str, kinds: str, numerics: Numerics, dtype_name: str) -> Rule:
    """The rule for tables of floating-point numbers, or for those of integers."""
    table, index = f"{dtype_name}[8,k]", "i32[n]"
    return Rule(
        name=name,
        law="one_hot(i) @ w = w[i], and one_hot(i)^T @ u = zeros.at[i].add(u)",
        pattern=op.dot_general(var("x", kinds), var("y", kinds)),
        replace=_looked_up,
        numerics=numerics,
        transparent=True,
        examples=(
            example(lambda i, w: jax.nn.one_hot(i, 8, dtype=w.dtype) @ w, index, table, n=16, k=16),
            example(
                lambda i, u: jnp.einsum("nk,nd->kd", jax.nn.one_hot(i, 64, dtype=u.dtype), u),
                "i32[64]",
                f"{dtype_name}[64,16]",
            ),
        ),
        rejects=(
            example(
                lambda x, w: x @ w,
                f"{dtype_name}[3,8]",
                f"{dtype_name}[8,3]",
                reason="neither operand",
            ),
        ),
        elsewhere="Grappler: SimplifyEmbeddingLookup, for lookups that are sparse already",
    )


RULES: Final = (
    _product("one-hot-dot", FLOAT, Numerics.FINITE, "f32"),
    _product("one-hot-dot-of-integers", INTEGER, Numerics.EXACT, "i32"),
    Rule(
        name="masked-sum",
        law="sum(where(iota == i, x, 0)) = x[i] + 0",
        pattern=op.reduce_sum(op.select_n(mask, num(0.0), x)),
        replace=_picked,
        transparent=True,
        examples=(
            example(
                lambda x, i: jnp.where(jnp.arange(x.shape[0])[:, None] == i, x, 0).sum(0),
                "f32[n,k]",
                "i32",
                n=16,
                k=16,
            ),
            example(
                lambda x, i: jnp.where(jnp.arange(16) == i[:, None], x, 0).sum(1),
                "i32[4,16]",
                "i32[4]",
            ),
        ),
        rejects=(
            example(
                lambda x, i: jnp.where(jnp.arange(16) == i[:, None], x, 0).sum(0),
                "i32[4,16]",
                "i32[4]",
                reason="along the sum",
            ),
        ),
    ),
    Rule(
        name="one-hot-sum",
        law="sum(one_hot(i) * x) = x[i]",
        pattern=op.reduce_sum(op.mul(op.convert_element_type(mask), var("x", FLOAT))),
        replace=_picked,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(
            example(
                lambda x, i: (jax.nn.one_hot(i, 16, dtype=x.dtype) * x).sum(-1),
                "f32[n,16]",
                "i32[n]",
                n=16,
            ),
        ),
    ),
    Rule(
        name="argmax-of-one-hot",
        law="argmax(one_hot(i)) = i where i is in range, else 0",
        pattern=op.argmax.any(),
        replace=_searched,
        transparent=True,
        examples=(
            example(lambda i: jnp.argmax(jax.nn.one_hot(i, 8), -1), "i32[n]"),
            example(lambda i: jnp.argmax(jax.nn.one_hot(i, 8, axis=0), 0), "u8[4]"),
        ),
        rejects=(
            example(
                lambda i: jnp.argmax(jax.nn.one_hot(i, 8), 0), "i32[4]", reason="with its place"
            ),
        ),
    ),
)
