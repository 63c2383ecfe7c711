"""The passes keep the value of JAX programs, to the bit where they promise it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import jaxpr_as_fun

from compiler.ir import Graph, print_graph
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.instruments import OrderedEffects, Verify
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline

EDGE = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -2.5], np.float32)


class Program(NamedTuple):
    """A function and what to call it with."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def dead_carry(x: Any) -> Any:
    def step(carry: Any, y: Any) -> Any:
        total, unused, kept = carry
        return (total + y, unused * 2.0, kept), (total, unused)

    (total, _, kept), (partial, _) = lax.scan(step, (jnp.float32(0), jnp.float32(1), x), x)
    return total, kept, partial


def dead_while(x: Any, n: Any) -> Any:
    def more(carry: Any) -> Any:
        return carry[0] < n

    def step(carry: Any) -> Any:
        return carry[0] + 1, carry[1] * 1.0 + x, carry[2] - 1.0

    return lax.while_loop(more, step, (0, x, x))[1]


def branches(x: Any, n: Any) -> Any:
    known = lax.cond(True, lambda v: v + 1.0, lambda v: v, x)
    first, _ = lax.switch(n, [lambda v: (v, -v), lambda v: (v * 2.0, v)], x)
    return known, first


def custom(x: Any) -> Any:
    return jax.nn.relu(x) + jax.nn.silu(x), jax.checkpoint(lambda v: v * v)(x)


def gradient(x: Any) -> Any:
    return jax.grad(lambda v: jax.checkpoint(lambda w: w * w * w)(v).sum())(x)


def identities(x: Any) -> Any:
    return (
        x + 0.0,
        x - 0.0,
        x + -0.0,
        x * 1.0,
        x / 1.0,
        x * 0.0,
        jnp.negative(-x),
        0.0 - x,
        0.0 + x,
        1.0 * x,
    )


def shapes(x: Any) -> Any:
    y = x[None, :, None]
    return y.T.T, y.reshape(-1).reshape(7, 1).reshape(1, 7), jnp.flip(jnp.flip(x)), x[:], x[0:3]


def indices(x: Any) -> Any:
    return jnp.where(jnp.arange(7) % 2 == 0, x, 0.0), x[jnp.array([1, 2])], jnp.pad(x, 1)


def random(key: Any) -> Any:
    first, second = jax.random.split(key)
    return jax.random.uniform(first, (3,)), jax.random.uniform(first, (3,)), second


PROGRAMS = {
    "dead_carry": Program(dead_carry, (EDGE,)),
    "dead_while": Program(dead_while, (EDGE, 3)),
    "branches": Program(branches, (EDGE, 1)),
    "custom": Program(custom, (EDGE,)),
    "gradient": Program(gradient, (EDGE,)),
    "identities": Program(identities, (EDGE,)),
    "shapes": Program(shapes, (EDGE,)),
    "indices": Program(indices, (EDGE,)),
    "random": Program(random, (np.array([0, 7], np.uint32),)),
}


def optimized(program: Program, pipeline: str = DEFAULT_PIPELINE) -> Result:
    graph = import_jaxpr(jax.make_jaxpr(program.function)(*program.arguments))
    manager = PassManager(parse_pipeline(pipeline), (Verify(), OrderedEffects()))
    result = manager.run(graph)
    assert not result.failures
    return result


def evaluate(graph: Graph, arguments: tuple[Any, ...]) -> list[Any]:
    jaxpr = export_jaxpr(graph)
    jax_compat.check_jaxpr(jaxpr)
    return list(jax.jit(jaxpr_as_fun(jaxpr))(*map(jnp.asarray, arguments)))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    "pipeline", [DEFAULT_PIPELINE, "inline", "canonicalize", "fold-constants", "cse", "dce"]
)
def test_values_are_the_programs_own(name: str, pipeline: str) -> None:
    program = PROGRAMS[name]
    found = evaluate(optimized(program, pipeline).graph, program.arguments)
    expected = jax.tree.leaves(jax.jit(program.function)(*program.arguments))
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_default_pipeline_ends_at_its_fixpoint(name: str) -> None:
    once = optimized(PROGRAMS[name]).graph
    again = PassManager(parse_pipeline(DEFAULT_PIPELINE)).run(once)
    assert print_graph(again.graph) == print_graph(once)
    assert sum(run.changes for run in again.runs) == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_op_loses_its_place_in_the_source(name: str) -> None:
    graph = optimized(PROGRAMS[name]).graph
    named = [op for op in graph.body if not op.is_terminator and op.name != "constant"]
    assert all(op.location.frames for op in named)


def test_dead_carries_are_gone_from_the_program() -> None:
    text = print_graph(optimized(PROGRAMS["dead_carry"]).graph)
    assert "num_carry = 1" in text
    assert "num_consts = 0" in text
