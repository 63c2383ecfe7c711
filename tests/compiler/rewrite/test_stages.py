"""Stages: what is taken into a loop over rows, and what is refused leaves nothing behind."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.rewrite import stages as growing
from compiler.rewrite.stages import MAX_DEPTH, Stage
from compiler.rewrite.tiles import stages

ROWS = 48


@pytest.fixture(autouse=True)
def short_rows(monkeypatch):
    monkeypatch.setattr("compiler.rewrite.tiles.MIN_COLUMNS", 16)


def planned(function, *shapes) -> list[Stage]:
    arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    graph = import_jaxpr(jax.jit(function).trace(*arguments).jaxpr)
    (plan,) = stages(graph.body, 1024)
    return plan


def names(stage: Stage) -> list[str]:
    return [op.name for op in stage.ordered()]


@pytest.mark.parametrize("length", [10, 2000])
def test_a_long_chain_behind_an_operand_is_computed_anew_in_part(length):
    def chained(q, k, bias):
        for _ in range(length):
            bias = jnp.sin(bias)
        return jnp.max(q @ k.T + bias, 1)

    (stage,) = planned(chained, (ROWS, 4), (ROWS, 4), (ROWS, ROWS))
    assert names(stage).count("sin") == min(length, MAX_DEPTH)


def test_what_was_pulled_in_for_an_op_that_is_refused_is_left_out_again():
    def mixed(q, k, bias):
        sines = jnp.sin(bias)  # by rows for one side of its product, and whole for the other
        return jnp.max(q @ k.T + jnp.einsum("ik,jk->ij", sines, sines), 1)

    (stage,) = planned(mixed, (ROWS, 4), (ROWS, 4), (ROWS, ROWS))
    assert "sin" not in names(stage)
    assert names(stage).count("dot_general") == 1
    assert stage.places.keys() | stage.sums.keys() == {v for op in stage.ends for v in op.results}


def test_what_is_refused_is_asked_for_once(monkeypatch):
    asked = []
    pull = growing.Growing._pull

    def counted(self, value, places, depth):
        asked.append(value)
        return pull(self, value, places, depth)

    def squared(q, k, x):
        for _ in range(12):
            x = jnp.einsum("ik,jk->ij", x, x) + jnp.einsum("ik,jk->ij", x, x)
        return jnp.max(q @ k.T + x, 1)

    monkeypatch.setattr(growing.Growing, "_pull", counted)
    planned(squared, (ROWS, 4), (ROWS, 4), (ROWS, ROWS))
    assert len(asked) < 200
