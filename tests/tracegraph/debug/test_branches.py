"""Conditions under vmap that compute every branch are found with their line and their cost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from compiler.analysis.cost import graph_cost
from tests.tracegraph.debug.marks import marked

X = jnp.ones((4, 3))


def cheap(v: Any) -> Any:
    return v.sum()


def dear(v: Any) -> Any:
    return jnp.where(v > 0, jnp.sin(v), v).sum() + (v @ v)


def one(v: Any) -> Any:
    return lax.cond(v.sum() > 0, dear, cheap, v)  # the cond


def switched(v: Any) -> Any:
    return lax.switch(v[0].astype(int), [cheap, dear, jnp.max], v)  # the switch


def nested(v: Any) -> Any:
    inner = lambda u: lax.cond(u[0] > 1, dear, cheap, u)  # the inner one  # noqa: E731
    return lax.cond(v.sum() > 0, inner, cheap, v)


def in_scan(v: Any) -> Any:
    def body(c: Any, u: Any) -> Any:
        return lax.cond(c > 0, lambda a: a * u, lambda a: a, c), u  # in a scan

    return lax.scan(body, v[0], v)[0]


def flops(f: Any, *args: Any) -> int:
    cost = graph_cost(tg.function(f).trace(*args).captured)
    return cost.flops + cost.transcendentals


def line(row: Any) -> int:
    assert row.location.frame.file == __file__
    return row.location.frame.line


def test_a_cond_and_its_cost() -> None:
    (row,) = tg.debug.both_branches(tg.function(jax.vmap(one)), X)
    assert line(row) == marked(__file__, "the cond")
    assert row.branches == (flops(jax.vmap(cheap), X), flops(jax.vmap(dear), X))
    assert (row.both, row.one) == (sum(row.branches), max(row.branches))
    assert row.one < row.both


def test_a_switch() -> None:
    (row,) = tg.debug.both_branches(jax.vmap(switched), X)
    assert line(row) == marked(__file__, "the switch")
    expected = [flops(jax.vmap(branch), X) for branch in (cheap, dear, jnp.max)]
    assert list(row.branches) == expected


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: jax.vmap(jax.jit(f)),
        lambda f: jax.vmap(tg.function(f)),
        lambda f: jax.jit(jax.vmap(f)),
        lambda f: jax.vmap(jax.checkpoint(f)),
        lambda f: lambda x: jax.lax.map(f, x, batch_size=2),
    ],
    ids=["vmap jit", "vmap function", "jit vmap", "vmap checkpoint", "map"],
)
def test_through_other_transformations(wrap: Any) -> None:
    rows = tg.debug.both_branches(wrap(one), X)
    assert {line(row) for row in rows} == {marked(__file__, "the cond")}


def test_nested_vmap() -> None:
    (row,) = tg.debug.both_branches(jax.vmap(jax.vmap(one)), jnp.ones((2, 4, 3)))
    assert line(row) == marked(__file__, "the cond")


def test_nested_conditions() -> None:
    rows = tg.debug.both_branches(jax.vmap(nested), X)
    inner = marked(__file__, "the inner one  # noqa: E731")
    assert {line(row) for row in rows} == {inner, inner + 1}


def test_in_a_loop() -> None:
    (row,) = tg.debug.both_branches(jax.vmap(in_scan), X)
    assert line(row) == marked(__file__, "in a scan")


def test_a_gradient_in_a_vmap_counts_the_way_back() -> None:
    (forward,) = tg.debug.both_branches(jax.vmap(one), X)
    (both_ways,) = tg.debug.both_branches(jax.vmap(jax.value_and_grad(one)), X)
    assert line(both_ways) == line(forward)
    assert both_ways.both > forward.both


def test_a_vmap_in_a_gradient() -> None:
    (row,) = tg.debug.both_branches(lambda x: jax.grad(lambda v: jax.vmap(one)(v).sum())(x), X)
    assert line(row) == marked(__file__, "the cond")


@pytest.mark.parametrize(
    "step",
    [
        lambda v: one(v[0]),
        lambda v: jnp.where(v > 0, jnp.sin(v), v),
        lambda v: lax.select(v > 0, v, -v),
        lambda v: jax.vmap(lambda u: lax.cond(v[0, 0] > 0, cheap, cheap, u))(v),
        lambda v: jax.vmap(lambda u: lax.cond(True, dear, cheap, u))(v),
        lambda v: jax.vmap(lambda u: jnp.where(u > 0, jnp.sin(u), u))(v),
        lambda v: jax.vmap(lambda u: lax.while_loop(lambda c: c < 3, lambda c: c + 1, u[0]))(v),
    ],
    ids=["no vmap", "where", "select", "predicate unbatched", "constant", "where in vmap", "while"],
)
def test_what_runs_one_branch_is_not_listed(step: Any) -> None:
    found = tg.debug.both_branches(step, X)
    assert (tuple(found), str(found)) == ((), "no cond under vmap runs every branch")


def test_the_text() -> None:
    found = tg.debug.both_branches(jax.vmap(one), X)
    (row,) = found
    first, second = row.branches
    assert str(found) == (
        f"{row.location}: a cond under vmap runs every branch: {first} + {second} = "
        f"{first + second} FLOPs, where the dearest branch has {max(first, second)}"
    )
