"""Every program gives under jit, converted, what plain Python gives on concrete arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tests.tracegraph.autograph import more_programs
from tests.tracegraph.autograph.programs import PROGRAMS, Program

assert more_programs


def identity(program: Program) -> str:
    return program.function.__name__


def agree(found, expected):
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)


@pytest.mark.parametrize("program", PROGRAMS, ids=identity)
def test_converted_under_jit_is_plain_python(program):
    converted = jax.jit(tg.autograph.convert(program.function))
    for call in program.calls:
        expected = program.function(*jax.tree.map(concrete, call))
        agree(converted(*call), expected)


def concrete(value):
    """What the plain function is given: a copy of an array that may be assigned to, or a number."""
    return value.copy() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("program", PROGRAMS, ids=identity)
def test_converted_without_jit_is_plain_python(program):
    converted = tg.autograph.convert(program.function)
    for call in program.calls:
        expected = program.function(*jax.tree.map(concrete, call))
        agree(converted(*jax.tree.map(concrete, call)), expected)


@pytest.mark.parametrize("program", PROGRAMS[::6], ids=identity)
def test_a_tracegraph_function_converts_it(program):
    step = tg.function(program.function, autograph=True)
    for call in program.calls:
        agree(step(*call), program.function(*jax.tree.map(concrete, call)))


def test_there_are_enough_programs():
    assert len(PROGRAMS) >= 60
    assert len({identity(each) for each in PROGRAMS}) == len(PROGRAMS)
    assert jnp.ndim(PROGRAMS[0].calls[0][0]) == 0
