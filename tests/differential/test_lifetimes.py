"""How long the object and what it holds live: collection, weak references, copies, pickles."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tests.differential.harness import assert_same, differential

X = jnp.arange(4.0)


def square_sum(x: Any, *, power: Any = 2) -> Any:
    """A function of the module, which pickle can find."""
    return {"sum": (x**power).sum(), "x": x}


class Marker:
    """Stands for whatever the user's function holds."""


def ways_of_use(jit: Any) -> dict[str, Any]:
    """What may be done with a decorated function before it is dropped."""
    return {
        "never_called": lambda f: None,
        "called": lambda f: f(X),
        "lowered": lambda f: f.lower(X).compile()(X),
        "differentiated": lambda f: jax.grad(lambda x: f(x).sum())(X),
        "shown": lambda f: str(f.graph(X)) if jit is tg.function else None,
    }


@pytest.mark.parametrize("way", ways_of_use(None))
def test_collected_when_dropped(way: str) -> None:
    def program(jit: Any) -> Any:
        marker = Marker()
        f = jit(lambda x, marker=marker: x + 1)
        ways_of_use(jit)[way](f)
        gone = weakref.ref(marker), weakref.ref(f)
        del f, marker
        jax.clear_caches()
        gc.collect()
        return [reference() is None for reference in gone]

    assert_same(program)


@pytest.mark.parametrize("way", ways_of_use(None))
def test_goes_at_once_when_dropped(way: str) -> None:
    def program(jit: Any) -> Any:
        gc.disable()
        try:
            marker = Marker()
            f = jit(lambda x, marker=marker: x + 1)
            ways_of_use(jit)[way](f)
            gone = weakref.ref(marker), weakref.ref(f)
            del f, marker
            return [reference() is None for reference in gone]
        finally:
            gc.enable()

    assert_same(program)


@differential
def test_weak_reference(jit: Any) -> Any:
    f = jit(square_sum)
    return weakref.ref(f)() is f


@differential
def test_copy(jit: Any) -> Any:
    f = jit(square_sum)
    g = copy.copy(f)
    return g(X), g(X[:2]), jax.grad(lambda x: g(x)["sum"])(X)


@differential
def test_deepcopy(jit: Any) -> Any:
    f = jit(square_sum)
    g = copy.deepcopy(f)
    return g(X), g(X[:2]), jax.grad(lambda x: g(x)["sum"])(X)


@differential
def test_pickle_is_refused(jit: Any) -> None:
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(jit(square_sum))


@differential
def test_cloudpickle(jit: Any) -> Any:
    cloudpickle = pytest.importorskip("cloudpickle")
    f = cloudpickle.loads(cloudpickle.dumps(jit(lambda x: x + 1)))
    return f(X), f(X[:2]), jax.grad(f)(1.0)


@differential
def test_equal_functions_that_are_dropped_are_traced_anew(jit: Any) -> Any:
    traced: list[int] = []

    @dataclasses.dataclass(frozen=True)
    class Plus:
        amount: int

        def __call__(self, x: Any) -> Any:
            traced.append(self.amount)
            return x + self.amount

    return jit(Plus(1))(1.0), jit(Plus(1))(1.0), jit(Plus(2))(1.0), traced


@differential
def test_array_in_a_closure_goes_with_the_function(jit: Any) -> Any:
    def made() -> Any:
        table = np.arange(4.0)
        return jit(lambda x: x + table), weakref.ref(table)

    gc.disable()
    try:
        f, table = made()
        before = f(X), f(X), table() is not None
        del f
        return before, table() is None
    finally:
        gc.enable()


@differential
def test_a_captured_array_can_be_given_away_to_another_function(jit: Any) -> Any:
    """What was looked up in it for the graph is a copy: nothing of ours holds its memory."""
    captured = jnp.arange(3.0) * 2
    jit(lambda x: (x + captured).sum())(1.0)
    jax.jit(lambda x: x + 1, donate_argnums=0)(captured)
    return captured.is_deleted()
