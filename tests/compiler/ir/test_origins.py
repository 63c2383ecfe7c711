"""A region's parameter stands for an operand, and an op without a line for the op around it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.origins import enclosing, outer_value, user_location
from compiler.ir.walk import walk

X = jnp.ones(3)


def _while(x: Any, y: Any, z: Any) -> Any:
    return lax.while_loop(lambda c: c.sum() < y, lambda c: c + z, x)


PROGRAMS = {
    "jit": lambda x, y, z: jax.jit(lambda a, b: a * b)(x, y),
    "cond": lambda x, y, z: lax.cond(y > 0, lambda a, b: a * b, lambda a, b: a + b, x, z),
    "scan": lambda x, y, z: lax.scan(lambda c, v: (c * y, v + z), y, x),
    "while": _while,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_parameters_have_the_types_of_their_operands(name: str) -> None:
    graph = tg.function(PROGRAMS[name]).trace(X, 1.0, 2.0).captured
    op = next(op for op in graph.body if op.regions)
    outer = [outer_value(value) for region in op.regions for value in region.parameters]
    assert None not in outer
    assert all(value in op.operands for value in outer)
    if name == "while":
        test, body = op.regions
        assert [outer_value(value) for value in test.parameters] == [op.operands[0], op.operands[2]]
        assert [outer_value(value) for value in body.parameters] == list(op.operands[1:])
    if name == "cond":
        assert [outer_value(v) for v in op.regions[1].parameters] == list(op.operands[1:])


def test_other_values_stand_for_nothing() -> None:
    graph = tg.function(PROGRAMS["jit"]).trace(X, 1.0, 2.0).captured
    assert outer_value(graph.parameters[0]) is None
    assert outer_value(next(iter(graph.body)).results[0]) is None


def test_every_op_of_a_library_function_has_a_line_of_the_users() -> None:
    graph = tg.function(lambda x: jnp.linalg.norm(jnp.arccosh(x))).trace(X).captured
    ops = [op for op in walk(graph) if op.name != "constant" and not op.is_terminator]
    assert any(enclosing(op) is not None for op in ops)
    for op in ops:
        frame = user_location(op).frame
        assert frame is not None
        assert frame.file == __file__
