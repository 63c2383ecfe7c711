"""JAX's own error is kept, and says where Python needed a value and what to do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg


def branching(x):
    if x > 0:
        return x
    return -x


def counting(x):
    return sum(range(x))


VMAP = jax.vmap
LINE = f"{branching.__code__.co_filename}:{branching.__code__.co_firstlineno + 1}"


def notes_of(error):
    return [note for note in error.__notes__ if note.startswith("tracegraph: ")]


@pytest.mark.parametrize(
    "outside",
    [
        lambda f: f,
        jax.grad,
        jax.jit,
        VMAP,
        lambda f: lambda x: jax.jit(lambda y: f(y) + 1)(x),
        lambda f: f.lower,
        lambda f: f.graph,
    ],
    ids=["call", "grad", "jit", "vmap", "inside", "lower", "graph"],
)
def test_a_note_names_the_line_and_the_ways_out(outside):
    f = outside(tg.function(branching))
    x = jnp.ones(2) if outside is VMAP else 1.0
    with pytest.raises(jax.errors.TracerBoolConversionError) as caught:
        f(x)
    (note,) = notes_of(caught.value)
    assert f"at {LINE}." in note
    assert "autograph=True" in note
    assert "jax.lax.cond" in note
    assert "static_argnames" in note


def test_an_integer_that_python_needs():
    with pytest.raises(jax.errors.TracerIntegerConversionError) as caught:
        tg.function(counting)(2)
    assert len(notes_of(caught.value)) == 1


def test_a_function_within_a_function_gets_one_note():
    inner = tg.function(branching)
    with pytest.raises(jax.errors.TracerBoolConversionError) as caught:
        tg.function(lambda x: inner(x) * 2)(1.0)
    (note,) = notes_of(caught.value)
    assert LINE in note


def test_converted_code_gets_another_hint():
    step = tg.function(lambda x: [y for y in x if y > 0], autograph=True)
    with pytest.raises(jax.errors.TracerBoolConversionError) as caught:
        step(jnp.ones(2))
    (note,) = notes_of(caught.value)
    assert "not converted" in note
    assert "autograph=True" not in note


def test_other_errors_get_no_note():
    def f(x):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        tg.function(f)(1.0)
    assert [note for note in getattr(caught.value, "__notes__", []) if "tracegraph" in note] == []
