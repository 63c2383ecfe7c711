"""Long programs are screened in stretches; the op that first went bad is found all the same."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tests.tracegraph.debug.marks import marked
from tracegraph.debug.screen import LENGTH, Stretches

X = jnp.arange(1.0, 4.0)


def many(x: Any, times: int = LENGTH // 2 + 4) -> Any:
    for _ in range(times):
        x = jnp.sin(x) + 1
    return x


def late(x: Any, bad: Any) -> Any:
    y = many(x)
    z = jnp.log(y * bad)  # late
    return many(z)


def in_a_late_round(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        first = jnp.sqrt(v - 2)  # bad in the second round
        middle = many(first * 0 + c, LENGTH // 2)
        return c - 4, jnp.log(middle * 0 + c)  # bad in the first round

    return lax.scan(body, -1.0, x)


def test_far_down_a_long_program() -> None:
    checked = tg.function(late, check="nan")
    np.testing.assert_array_equal(checked(X, 1.0), tg.function(late, passes="")(X, 1.0))
    with pytest.raises(tg.CheckError) as caught:
        checked(X, -1.0)
    assert caught.value.location.frame is not None
    assert caught.value.location.frame.line == marked(__file__, "late")


def test_a_nan_that_is_only_handed_on_is_no_finding() -> None:
    checked = tg.function(late, check="nan")
    assert jnp.isnan(checked(X * jnp.nan, 1.0)).all()


def test_behind_a_nan_that_is_only_handed_on() -> None:
    def f(given: Any, x: Any) -> Any:
        return many(given), jnp.log(many(x) * 0 - 1)  # behind

    with pytest.raises(tg.CheckError) as caught:
        tg.function(f, check="nan")(X * jnp.nan, X)
    assert caught.value.op == "log"
    assert caught.value.location.frame is not None
    assert caught.value.location.frame.line == marked(__file__, "behind")


def test_the_first_round_of_a_loop_counts_and_not_the_first_line() -> None:
    x = jnp.array([3.0, 1.0, 1.0])
    with pytest.raises(tg.CheckError) as caught:
        tg.function(in_a_late_round, check="nan")(x)
    assert caught.value.iterations == (0,)
    assert caught.value.location.frame is not None
    assert caught.value.location.frame.line == marked(__file__, "bad in the first round")


def test_stretches_follow_one_another_and_keep_to_their_region() -> None:
    graph = tg.function(in_a_late_round).trace(X).captured
    stretches = Stretches(graph, ("nan",))
    regions: dict[int, set[Any]] = {}
    sizes: dict[int, int] = {}
    for op, stretch in stretches.of.items():
        regions.setdefault(stretch, set()).add(op.parent)
        sizes[stretch] = sizes.get(stretch, 0) + 1
    assert sorted(sizes) == list(stretches.within[graph.body])
    assert max(sizes.values()) == LENGTH
    assert all(len(one) == 1 for one in regions.values())
    in_the_loop = [one for one in sorted(sizes) if graph.body not in regions[one]]
    (unit,) = stretches.first_units(in_the_loop)
    assert len(in_the_loop) > 1
    assert unit == {op for op, stretch in stretches.of.items() if stretch in in_the_loop}
