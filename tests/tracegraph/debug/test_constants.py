"""Captured arrays are listed with their size, their name and the line that uses them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tests.tracegraph.debug.marks import marked

X = jnp.ones((2, 40))
TABLE = jnp.ones((40, 40))
PARAMS = {"w": [jnp.ones((2, 3))], "b": np.arange(3.0)}


class Model:
    """Holds an array."""

    def __init__(self) -> None:
        self.weights = jnp.ones((40, 5))

    def __call__(self, x: Any) -> Any:
        return x @ self.weights


def rows(step: Any, *args: Any) -> list[tuple[str, tuple[int, ...], int]]:
    return [(row.name, row.shape, row.nbytes) for row in tg.debug.constants(step, *args)]


def test_a_global_and_its_line() -> None:
    def step(x: Any) -> Any:
        return (x @ TABLE).sum()  # the table is used

    found = tg.debug.constants(tg.function(step), X)
    (row,) = found
    assert (row.name, row.shape, row.dtype, row.nbytes) == ("TABLE", (40, 40), "f32", 6400)
    assert row.location.frame is not None
    assert row.location.frame.line == marked(__file__, "the table is used")
    assert found.nbytes == 6400


SHIFT = jnp.arange(3.0)


def test_closures_defaults_and_what_is_called() -> None:
    captured = jnp.arange(4)

    def helper(x: Any) -> Any:
        return x[:, :2] @ PARAMS["w"][0]

    def step(x: Any, shift: Any = SHIFT) -> Any:
        return helper(x) + shift + captured[:3]

    assert rows(step, X) == [
        ("PARAMS['w'][0]", (2, 3), 24),
        ("captured", (4,), 16),
        ("shift", (3,), 12),
    ]


def test_attributes_of_an_object() -> None:
    model = Model()
    assert rows(model, X) == [("weights", (40, 5), 800)]
    assert rows(model.__call__, X) == [("self.weights", (40, 5), 800)]
    assert rows(tg.function(lambda x: model(x)), X) == [("model.weights", (40, 5), 800)]


def test_partials() -> None:
    def step(w: Any, x: Any, *, b: Any) -> Any:
        return x @ w + b

    bound = functools.partial(step, jnp.ones((40, 2)), b=jnp.ones(2))
    assert rows(bound, X) == [("args[0]", (40, 2), 320), ("b", (2,), 8)]


def test_numpy_arrays_are_found_by_their_elements() -> None:
    def step(x: Any) -> Any:
        return x[0, :3] * PARAMS["b"]

    assert rows(step, X) == [("PARAMS['b']", (3,), 12)]


def test_arrays_that_no_variable_holds() -> None:
    found = tg.debug.constants(lambda x: x[0, :2] * np.array([3.5, 4.5]), X)
    assert [row.name for row in found] == [""]
    assert "(no name)" in str(found)


def test_inside_loops_branches_and_calls() -> None:
    small = jnp.arange(40.0)

    @jax.jit
    def inner(v: Any) -> Any:
        return v * small  # inside a call

    def step(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            return c, inner(v)

        return lax.scan(body, 0, x)[1]

    (row,) = tg.debug.constants(step, X)
    assert (row.name, row.nbytes) == ("small", 160)
    assert row.location.frame is not None
    assert row.location.frame.line == marked(__file__, "inside a call")


def test_random_keys() -> None:
    key = jax.random.key(0)
    (row,) = tg.debug.constants(lambda x: x + jax.random.normal(key), X)
    assert (row.name, row.shape, row.dtype) == ("key", (), "key<fry>")


def test_used_twice_is_one_row() -> None:
    assert rows(lambda x: (x @ TABLE) @ TABLE, X) == [("TABLE", (40, 40), 6400)]


def test_nothing_captured() -> None:
    found = tg.debug.constants(lambda x: x * 2 + 1, X)
    assert (tuple(found), found.nbytes, str(found)) == ((), 0, "no captured arrays")


def test_the_table() -> None:
    shift = jnp.arange(40)
    text = str(tg.debug.constants(lambda x: x @ TABLE + shift, X)).splitlines()
    assert text[0].split() == ["bytes", "type", "name", "first", "used", "at"]
    assert text[1].split()[:3] == ["6,400", "f32[40,40]", "TABLE"]
    assert text[2].split()[:3] == ["160", "i32[40]", "shift"]
    assert __file__ in text[1]
    assert text[3] == "6,560 bytes in 2 captured arrays"


def test_rows_cannot_be_changed() -> None:
    (row,) = tg.debug.constants(lambda x: x @ TABLE, X)
    with pytest.raises(AttributeError):
        row.name = "other"  # type: ignore[misc]
