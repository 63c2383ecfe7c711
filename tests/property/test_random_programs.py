"""Random programs do the same under ``tracegraph.function`` as under ``jax.jit``, to the bit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.differential.harness import assert_same
from tests.strategies.jax_programs import RandomProgram, programs

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def total(program: RandomProgram) -> Any:
    """The program as a number: the sum of all its results."""
    return lambda *xs: sum(jnp.sum(jnp.sin(y.astype(jnp.float32))) for y in program(*xs))


def stacked(program: RandomProgram) -> list[Any]:
    """The program's inputs, each beside another of its kind."""
    return [np.stack([x, x * 0 + 1]) for x in map(np.asarray, program.inputs)]


@settings(max_examples=60, suppress_health_check=QUIET)
@given(programs())
def test_plain(program: RandomProgram) -> None:
    assert_same(lambda jit: jit(program)(*program.inputs))


@settings(max_examples=25, suppress_health_check=QUIET)
@given(programs(smooth=True))
def test_under_grad_inside(program: RandomProgram) -> None:
    places = tuple(range(len(program.inputs)))
    assert_same(lambda jit: jit(jax.value_and_grad(total(program), places))(*program.inputs))


@settings(max_examples=15, suppress_health_check=QUIET)
@given(programs(smooth=True))
def test_under_grad_outside(program: RandomProgram) -> None:
    places = tuple(range(len(program.inputs)))
    assert_same(lambda jit: jax.value_and_grad(jit(total(program)), places)(*program.inputs))


@settings(max_examples=20, suppress_health_check=QUIET)
@given(programs(smooth=True))
def test_under_vmap(program: RandomProgram) -> None:
    arguments = stacked(program)
    assert_same(
        lambda jit: (jit(jax.vmap(program))(*arguments), jax.vmap(jit(program))(*arguments))
    )


@pytest.mark.slow
@settings(max_examples=250, suppress_health_check=QUIET)
@given(programs(most=16))
def test_plain_at_length(program: RandomProgram) -> None:
    assert_same(lambda jit: jit(program)(*program.inputs))


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=QUIET)
@given(programs(smooth=True, most=12))
def test_under_grad_at_length(program: RandomProgram) -> None:
    places = tuple(range(len(program.inputs)))
    assert_same(lambda jit: jit(jax.grad(total(program), places))(*program.inputs))
