"""The user's lines and scopes go from the source to the graph and on into the compiled HLO."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax

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


def metadata(text: str) -> set[tuple[str, ...]]:
    """Name, file and line of every instruction of a compiled program, as far as they are there."""
    fields = r'op_name="([^"]*)"(?:.*?source_file="([^"]*)")?(?:.*?source_line=(\d+))?'
    return {match.groups(default="") for match in re.finditer(fields, text)}


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
    "module": lambda x: NET(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_program_names_the_same_lines_and_scopes(name: str) -> None:
    """Without passes every instruction carries exactly what it carries under plain jit."""
    expected = jax.jit(FUNCTIONS[name]).lower(X).compile().as_text()
    found = tg.function(FUNCTIONS[name], passes="").lower(X).compile().as_text()
    assert metadata(found) == metadata(expected)
    assert metadata(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lowered_program_names_the_same_lines_and_scopes(name: str) -> None:
    expected = jax.jit(FUNCTIONS[name]).lower(X).as_text(debug_info=True)
    found = tg.function(FUNCTIONS[name], passes="").lower(X).as_text(debug_info=True)
    assert source_lines(found) == source_lines(expected)


def source_lines(text: str) -> set[str]:
    """The lines of this file that the locations of a lowered program name."""
    return set(re.findall(rf'"{re.escape(__file__)}":\d+', text))


def test_optimized_program_still_names_the_users_scopes() -> None:
    text = tg.function(scoped).lower(X).compile().as_text()
    names = "\n".join(name for name, *_ in metadata(text))
    assert "outer/sin" in names
    assert "outer/inner/cos" in names
    assert "test_locations.py" in text
