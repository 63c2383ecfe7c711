"""What ``explain`` says in plain words: what a function is, its lines, and what to change."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

import tracegraph as tg
from tracegraph.explain import explain_graph


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def heavy(x, w):
    y = x + 1.0
    y = y @ w
    return lax.scan(lambda c, _: (jnp.sin(c), None), y, None, length=2)[0]


def test_it_says_what_the_function_is():
    found = tg.function(heavy).explain(ones(64, 64), ones(64, 64))
    assert found.what.startswith("2 arrays in (32.8 kB), 1 out (16.4 kB); ")
    assert "1 matrix product or convolution; 1 loop; " in found.what
    assert found.what in str(found)


def test_a_derivative_is_named():
    gradient = jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 3))
    assert "the way back of a derivative" in tg.function(gradient).explain(ones(8)).what
    assert "derivative" not in tg.function(jnp.sin).explain(ones(8)).what


def test_the_heaviest_lines_come_first():
    found = tg.function(heavy).explain(ones(64, 64), ones(64, 64))
    assert len(found.lines) <= 5
    assert found.lines[0].source == "y = y @ w"
    assert "heaviest lines:\n" in str(found)
    assert "% " + __file__ in str(found)


def test_a_loop_that_python_wrote_out():
    def unrolled(x):
        for i in range(100):
            x = jnp.sin(x) + i
        return x

    (advice,) = tg.function(unrolled).explain(ones(8)).advice
    assert "was traced to 100 times" in advice
    assert "jax.lax.scan or fori_loop" in advice
    assert f"{__file__}:{unrolled.__code__.co_firstlineno + 2}" in advice


def test_arguments_that_could_be_written_over():
    big = ones(1024, 1024)
    (advice,) = tg.function(lambda x: x * 2).explain(big).advice
    assert "4.19 MB of the arguments come back in the same types" in advice
    assert tg.function(lambda x: x * 2, donate_argnums=0).explain(big).advice == ()
    assert tg.function(lambda x: x.sum()).explain(big).advice == ()


def test_what_compiling_took():
    found = tg.function(heavy).explain(ones(4, 4), ones(4, 4))
    assert "import " in found.compiling
    assert "most of it" in found.compiling
    assert found.compiling in str(found)


def test_it_is_under_a_page():
    def long(x):
        for _ in range(3):
            x = jnp.tanh(x @ x) + jnp.cumsum(x, 0) / jnp.sum(x)
        return x

    assert len(str(tg.function(long).explain(ones(32, 32))).splitlines()) < 60


def test_a_graph_from_a_file_is_explained():
    graph = tg.function(lambda a, b, v: a @ b @ v).trace(ones(64, 64), ones(64, 64), ones(64))
    found = explain_graph(graph.captured)
    assert found.levels[0].flops < found.after.flops
    freest = explain_graph(graph.captured, "fast")
    assert freest.after.flops < found.after.flops
    assert freest.levels == ()
