"""Every primitive and library routine computes the same bits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.walk import walk
from compiler.ops.definition import lookup
from tests.differential.all_operations import OPERATIONS
from tests.differential.harness import assert_same
from tests.differential.operations_library import SAMPLERS


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name: str) -> None:
    function, arguments = OPERATIONS[name]
    assert_same(lambda jit: jit(function)(*arguments))


def test_operand_counts_are_those_of_jax() -> None:
    """What ``OpDef.operands`` says holds for every op of every program of the tables."""
    wrong: set[tuple[str, int, int]] = set()
    seen: set[str] = set()
    for function, arguments in OPERATIONS.values():
        for op in walk(tg.function(function, passes="").graph(*arguments)):
            wanted = lookup(op.name).operands
            if wanted is not None:
                seen.add(op.name)
            if wanted not in (None, len(op.operands)):
                wrong.add((op.name, wanted, len(op.operands)))
    assert not wrong
    assert len(seen) > 60


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler(name: str) -> None:
    """A change of one bit of a draw is an error."""
    draw = getattr(jax.random, name)
    assert_same(lambda jit: jit(lambda k: draw(k, *SAMPLERS[name]))(jax.random.key(1)))


@pytest.mark.parametrize("name", ["bits", "uniform", "normal", "randint", "permutation"])
def test_sampler_with_an_old_key(name: str) -> None:
    draw = getattr(jax.random, name)
    assert_same(lambda jit: jit(lambda k: draw(k, *SAMPLERS[name]))(jax.random.PRNGKey(1)))


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_key_implementation(implementation: str) -> None:
    def program(jit: Any) -> Any:
        key = jax.random.key(3, impl=implementation)
        return jit(lambda k: (jax.random.normal(k, (3,)), jax.random.split(k)))(key)

    assert_same(program)


WIDE = {
    "floats": (lambda x: (x.sum(), jnp.sin(x), x.astype(jnp.float32), x * 2), np.linspace(0, 1, 5)),
    "integers": (lambda x: (x * x, x >> 3, x.sum()), np.array([2**40, -(2**62)])),
    "mixed": (lambda x: x * jnp.float32(2) + 1.5, np.arange(3)),
    "complex": (lambda x: (x * x, jnp.abs(x)), np.array([1 + 2j])),
    "literals": (lambda x: (x + 1e-300, x + 2**40), 1.0),
    "indices": (lambda x: (x[x.argmax()], jnp.argsort(x), x[jnp.int64(1)]), np.arange(4.0)),
    "random": (lambda x: jax.random.normal(jax.random.key(x), (3,)), 2**40),
    "scan": (lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x), np.arange(4.0)),
    "cond": (lambda x: lax.switch(x, [lambda: 1, lambda: 2]), 1),
    "solve": (lambda x: jnp.linalg.solve(x, x[0]), np.eye(3) + 1),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", WIDE)
def test_in_64_bits(name: str) -> None:
    function, *arguments = WIDE[name]
    assert_same(lambda jit: jit(function)(*arguments))
