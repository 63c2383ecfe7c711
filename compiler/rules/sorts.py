"""Sorts and the orders that they give: what is sorted already, and what a sort has put in order."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, dtype, like, new, shape, traced
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, var
from compiler.rewrite.regions import copied
from compiler.rewrite.rule import Refusal, Replacement, Rule, WithReaders, example
from compiler.rewrite.twins import comes_before
from compiler.rules.dot_terms import reshape
from compiler.rules.gather_terms import picks_along, rows_of
from compiler.rules.index_terms import index_source, inverse_of, is_permutation, sorting

SORT: Final = op.sort.any()


def _sorted_already(m: Match) -> Replacement:
    """Sorting by what is sorted changes nothing."""
    inner = m.root.operands[0].producer
    if inner is None or inner.name != "sort" or m.root.operands[0].index != 0:
        return Refusal("what it sorts by is not known to be sorted")
    if _axis(inner) != _axis(m.root) or integer(m.root, "num_keys") != 1:
        return Refusal("it sorts along another axis, or by more")
    if len(m.root.operands) > 1 and not m.root.attributes.get("is_stable"):
        return Refusal("it may change the order of equals")
    return list(m.root.operands)


def _axis(sort: Operation) -> int:
    return integer(sort, "dimension")


def _put_in_order(m: Match) -> Replacement:
    """What is read in the order that a sort gave is what the sort has put in order."""
    axis = picks_along(m.root)
    source = index_source(m.order)
    sort = sorting(source)
    if sort is None or axis != _axis(sort) or shape(source) != shape(m.x):
        return Refusal("it does not read in an order that a sort gave")
    if m.x not in sort.operands:
        return Refusal("the sort has ordered something else")
    return sort.results[sort.operands.index(m.x)]


def _order_of_order(m: Match) -> Replacement:
    """The order of a permutation is its inverse."""
    if len(m.root.operands) != 2 or integer(m.root, "num_keys") != 1:
        return Refusal("it orders more than a vector")
    order, places = m.root.operands
    if not is_permutation(order) or sorting(m.root.results[1]) is not m.root:
        return Refusal("what it orders is not known to be a permutation")
    count = shape(order)[0]
    return [
        new("iota", dtype=dtype(order), shape=(count,), dimension=0),
        traced(_inverse, order, places),
    ]


def _inverse(order: jax.Array, places: jax.Array) -> jax.Array:
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    out = jnp.zeros_like(places)
    return lax.scatter(out, order[:, None], places, numbers, unique_indices=True, mode=mode)


def _undone(m: Match) -> Replacement:
    """A permutation in the order of its inverse is 0, 1, 2 ..."""
    rows = rows_of(m.root)
    source = index_source(m.p)
    if rows is None or rows.dim != 0 or inverse_of(index_source(m.order)) is not source:
        return Refusal("it does not read a permutation in the order of its inverse")
    sizes = shape(m.root.result)
    counts = new("iota", dtype=dtype(m.p), shape=shape(source), dimension=0)
    return reshape(counts, sizes)


def _in_company(m: Match) -> Replacement:
    """A sort that another one repeats, with more operands in its train, is that one's."""
    if len(m.root.operands) != 1:
        return Refusal("it sorts several arrays")
    others = [sort for sort in m.root.operands[0].readers if _repeats(sort, m.root)]
    earlier = next((sort for sort in others if comes_before(sort, m.root)), None)
    if earlier is not None:
        return earlier.results[0]
    later = next((sort for sort in others if all(map(_is_ready, sort.operands[1:]))), None)
    if later is None:
        return Refusal("no other sort orders the same array")
    train = [_again(value) for value in later.operands[1:]]
    results = like(later, (later.operands[0], *train))
    return WithReaders([results[0]], {later: results})


def _repeats(sort: Operation, root: Operation) -> bool:
    """Whether a sort puts the root's operand in the same order, and others with it."""
    return (
        sort.name == "sort"
        and sort.parent is root.parent
        and len(sort.operands) > 1
        and sort.operands[0] is root.operands[0]
        and integer(sort, "num_keys") == 1
        and _axis(sort) == _axis(root)
        and sort.attributes.get("is_stable") == root.attributes.get("is_stable")
    )


def _is_ready(value: Value) -> bool:
    """Whether a value can be computed anywhere."""
    return value.producer is not None and not value.producer.operands


def _again(value: Value) -> Term:
    producer = value.producer
    return value if producer is None else copied(producer, ())[value.index]


def _both(x: Any) -> Any:
    return jnp.sort(x, 1), jnp.argsort(x, 1)


def _both_later(x: Any) -> Any:
    order = jnp.argsort(x)
    return jnp.sort(x), order


RULES: Final = (
    Rule(
        name="sort-of-sorted",
        law="sort(sort(x)) = sort(x)",
        pattern=SORT,
        replace=_sorted_already,
        transparent=True,
        examples=(
            example(lambda x: jnp.sort(jnp.sort(x)), "f32[n]"),
            example(lambda x: jnp.argsort(jnp.sort(x, 0), 0), "i32[3,4]"),
        ),
        rejects=(example(lambda x: jnp.sort(jnp.sort(x, 0), 1), "f32[3,4]", reason=""),),
    ),
    Rule(
        name="gather-by-argsort",
        law="x[argsort(x)] = sort(x), along any axis",
        pattern=op.gather(var("x"), var("order")),
        replace=_put_in_order,
        transparent=True,
        examples=(
            example(lambda x: x[jnp.argsort(x)], "f32[n]"),
            example(lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1), "i32[3,4]"),
        ),
        rejects=(
            example(lambda x, y: x[jnp.argsort(y)], "f32[4]", "f32[4]", reason="something else"),
        ),
    ),
    Rule(
        name="argsort-of-permutation",
        law="argsort(p) = p^-1, a scatter, for a permutation p such as argsort(x)",
        pattern=SORT,
        replace=_order_of_order,
        transparent=True,
        normal_form="what is a permutation already is not sorted",
        examples=(example(lambda x: jnp.argsort(jnp.argsort(x)), "f32[n]"),),
        rejects=(
            example(lambda x: jnp.argsort(x), "i32[4]", reason="not known to be a permutation"),
        ),
    ),
    Rule(
        name="permutation-by-inverse",
        law="p[p^-1] = 0, 1, 2 ..., for a permutation p such as argsort(x)",
        pattern=op.gather(var("p"), var("order")),
        replace=_undone,
        transparent=True,
        examples=(
            example(lambda x: (lambda p: p[jnp.argsort(p)] * 2)(jnp.argsort(x)), "f32[n]", n=16),
        ),
        rejects=(
            example(
                lambda x, y: jnp.argsort(x)[jnp.argsort(y)],
                "f32[4]",
                "f32[4]",
                reason="of its inverse",
            ),
        ),
    ),
    Rule(
        name="sort-and-argsort",
        law="(sort(x), argsort(x)) is one sort of (x, iota)",
        pattern=SORT,
        replace=_in_company,
        transparent=True,
        examples=(example(_both, "f32[3,n]"), example(_both_later, "i32[4]")),
        rejects=(example(lambda x: jnp.sort(x), "f32[3]", reason="no other sort"),),
    ),
)
