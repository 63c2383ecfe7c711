"""The user's lines and scopes go from the source to the graph and on into the compiled HLO."""

from __future__ import annotations

import os
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax

import compiler
import tracegraph as tg
from compiler.ir.walk import walk
from compiler.lowering.import_jaxpr import import_jaxpr

X = jnp.arange(4.0)


def scoped(x: Any) -> Any:
    with jax.named_scope("outer"):
        y = jnp.sin(x)
        with jax.named_scope("inner"):
            z = jnp.cos(y)
    return looped(z) + jnp.exp(x)


def looped(x: Any) -> Any:
    return lax.scan(lambda c, y: (jnp.tanh(c) * y, c), x[0], x)[1]


class Net(nnx.Module):
    def __init__(self) -> None:
        self.layer = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

    def __call__(self, x: Any) -> Any:
        return nnx.relu(self.layer(x))


NET = Net()
FUNCTIONS = {
    "scoped": scoped,
    "gradient": jax.grad(lambda x: scoped(x).sum()),
    "mapped": lambda x: jax.vmap(jnp.sin)(x),
    "nested": lambda x: jax.jit(jax.named_scope("deep")(lambda y: jnp.sin(y) * 3))(x),
}


def test_every_op_has_the_users_line() -> None:
    graph = import_jaxpr(jax.make_jaxpr(scoped)(X))
    for op in walk(graph):
        if op.is_terminator or op.name == "constant":
            continue
        frame = op.location.frame
        assert frame is not None, op
        assert frame.file == __file__
        assert frame.line > scoped.__code__.co_firstlineno


def test_lines_are_the_right_ones() -> None:
    graph = import_jaxpr(jax.make_jaxpr(scoped)(X))
    first = scoped.__code__.co_firstlineno
    lines = {op.name: op.location.frame for op in walk(graph) if op.location.frames}
    assert lines["sin"].line == first + 2
    assert lines["cos"].line == first + 4
    assert lines["exp"].line == first + 5
    assert lines["tanh"].line == looped.__code__.co_firstlineno + 1
    assert (lines["sin"].function, lines["scan"].function) == ("scoped", "looped")


def test_name_stacks() -> None:
    graph = import_jaxpr(jax.make_jaxpr(scoped)(X))
    stacks = {op.name: op.location.name_stack for op in graph.body}
    assert (stacks["sin"], stacks["cos"], stacks["exp"]) == ("outer", "outer/inner", "")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_program_names_the_same_lines_and_scopes(name: str) -> None:
    """Without passes every instruction carries exactly what it carries under plain jit."""
    lowered = jax.jit(FUNCTIONS[name]).lower(X)
    found = tg.function(FUNCTIONS[name], passes="").lower(X)
    assert scopes(found) == scopes(lowered)
    assert user_lines(found) == user_lines(lowered)
    assert ours_named(found) == []


def test_an_object_in_use_is_an_argument_and_keeps_the_users_names() -> None:
    """Its values are inputs: as under plain jit if they were passed."""
    structure, state = nnx.split(NET)
    passed = jax.jit(lambda x, state: nnx.merge(structure, state)(x)).lower(X, state)
    found = tg.function(lambda x: NET(x), passes="").lower(X)
    captured = {name for name in scopes(found) if name.startswith("__captured__[0].layer.")}
    assert scopes(found) - captured == {one for one in scopes(passed) if "state" not in one}
    assert len(captured) == 2
    assert user_lines(found) == user_lines(passed)
    assert ours_named(found) == []


def scopes(lowered: Any) -> set[str]:
    """The names of all instructions of a compiled program."""
    return set(re.findall(r'op_name="([^"]*)"', lowered.compile().as_text()))


def user_lines(lowered: Any) -> set[int]:
    """The lines of the functions above that a lowered program names; not those of the tests."""
    last = test_every_op_has_the_users_line.__code__.co_firstlineno
    found = re.findall(rf'"{re.escape(__file__)}":(\d+)', lowered.as_text(debug_info=True))
    return {int(line) for line in found if int(line) < last}


def ours_named(lowered: Any) -> list[str]:
    """The files of the compiler and the front end that a lowered program names."""
    folders = [os.path.dirname(str(module.__file__)) for module in (tg, compiler)]
    named = re.findall(r'"([^"]*)":\d+', lowered.as_text(debug_info=True))
    return [file for file in named if file.startswith(tuple(folders))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_optimized_program_names_lines_of_the_user_only(name: str) -> None:
    lowered = jax.jit(FUNCTIONS[name]).lower(X)
    found = tg.function(FUNCTIONS[name]).lower(X)
    assert ours_named(found) == []
    assert user_lines(found)
    assert user_lines(found) <= user_lines(lowered)


def test_optimized_program_still_names_the_users_scopes() -> None:
    names = "\n".join(scopes(tg.function(scoped).lower(X)))
    assert "outer/sin" in names
    assert "outer/inner/cos" in names
