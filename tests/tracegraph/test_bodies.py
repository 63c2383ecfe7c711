"""A function that is decorated again finds what was compiled before, as under ``jax.jit``."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from tracegraph import rules
from tracegraph.program import Program
from tracegraph.rules import example, op, var

X = jnp.arange(4.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of functions for which a program was made."""
    names: list[str] = []
    init = Program.__init__

    def noted(self: Program, traced: Any, *args: Any) -> None:
        names.append(traced.fun_name)
        init(self, traced, *args)

    monkeypatch.setattr(Program, "__init__", noted)
    return names


def wave() -> Any:
    def wave(x: jax.Array) -> jax.Array:
        return jnp.sin(x) + 1

    return wave


def test_in_a_loop(made: list[str]) -> None:
    f = wave()
    results = [tg.function(f)(X).tolist() for _ in range(3)]
    assert results[0] == results[1] == results[2]
    assert made == ["wave"]


def test_options_tell_them_apart(made: list[str]) -> None:
    f = wave()
    for options in ({}, {"passes": ""}, {"keep_unused": True}, {"donate_argnums": [0]}, {}):
        tg.function(f, **options)(X + 1)
    assert len(made) == 4


def test_another_function_of_the_same_code(made: list[str]) -> None:
    tg.function(wave())(X), tg.function(wave())(X)
    assert len(made) == 2


def test_a_program_is_that_of_the_decoration_that_was_called() -> None:
    f = wave()
    first, second = tg.function(f), tg.function(f)
    first(X), second(X), second(X[:2])
    assert [str(row) for row in first.signatures()] != [str(row) for row in second.signatures()]
    assert (len(first.signatures()), len(second.signatures())) == (1, 1)


def test_the_cache_of_one_is_that_of_all(made: list[str]) -> None:
    f = wave()
    first = tg.function(f)
    first(X)
    tg.function(f).clear_cache()
    first(X)
    assert len(made) == 2


def test_a_function_goes_with_its_programs() -> None:
    gc.disable()
    try:
        f = wave()
        tg.function(f)(X)
        gone = weakref.ref(f)
        del f
        assert gone() is None
    finally:
        gc.enable()


def test_rules_that_are_registered_meanwhile_tell_them_apart() -> None:
    """Beyond 4 the error function is one in single precision: its inverse tells what was run."""
    x = var("x")
    rule = rules.Rule(
        name="inverse-of-erf",
        law="erf_inv(erf(x)) = x",
        pattern=op.erf_inv(op.erf(x)),
        replace=lambda m: m.x,
        numerics=rules.Numerics.FINITE,
        examples=(example(lambda x: lax.erf_inv(lax.erf(x)), "f32[n]"),),
    )

    def f(x: jax.Array) -> jax.Array:
        return lax.erf_inv(lax.erf(x))

    large, found = jnp.full(3, 100.0), []
    for change in (None, rules.register, rules.unregister):
        if change is not None:
            change(rule)
        found.append(float(tg.function(f, numerics="fast")(large)[0]))
    assert found == [jnp.inf, 100.0, jnp.inf]
