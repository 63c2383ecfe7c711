"""What XLA is told of a program reaches the compiler, and nothing else changes by it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import code_generator
from compiler.lowering.code_generator import ELEMENT_BY_ELEMENT
from tracegraph import program as programs
from tracegraph.specializer import are_on_the_cpu

pytestmark = pytest.mark.skipif(
    not code_generator.IS_MEASURED, reason="this jaxlib was not measured"
)

X = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)), jnp.float32)


def chain(x):
    return jnp.floor(x) * 2 + 1


def test_reaches_jit(options):
    tg.function(chain)(X)
    assert dict([ELEMENT_BY_ELEMENT]) in options


def test_joins_what_the_user_says(options):
    tg.function(chain, compiler_options={"xla_cpu_enable_fast_math": False})(X)
    both = {**dict([ELEMENT_BY_ELEMENT]), "xla_cpu_enable_fast_math": False}
    assert both in options


def test_what_the_user_says_wins(options):
    mine = {ELEMENT_BY_ELEMENT[0]: True}
    tg.function(chain, compiler_options=mine)(X)
    assert dict([ELEMENT_BY_ELEMENT]) not in options


@pytest.mark.parametrize(
    "placed",
    [
        {"in_shardings": jax.sharding.SingleDeviceSharding(jax.devices()[0])},
        {"out_shardings": jax.sharding.SingleDeviceSharding(jax.devices()[0])},
    ],
    ids=["in", "out"],
)
def test_not_where_a_place_is_named(options, placed):
    tg.function(chain, **placed)(X)
    assert dict([ELEMENT_BY_ELEMENT]) not in options


def test_not_for_another_backend(monkeypatch):
    step = tg.function(chain)
    traced = step.trace(X)
    assert traced.program.code_options
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert "XLA is told" not in str(step.explain(X))


def test_not_for_arguments_elsewhere():
    class Elsewhere:
        platform = "tpu"

    here, there = jax.devices()[0], Elsewhere()
    assert are_on_the_cpu([X, 1.0, np.ones(3)])
    assert not are_on_the_cpu([placed({there})])
    assert not are_on_the_cpu([placed({here}), placed({here, there})])


def placed(devices):
    return SimpleNamespace(sharding=SimpleNamespace(device_set=devices))


def test_one_entry_and_one_trace():
    traces = []

    @tg.function
    def step(x):
        traces.append(x)
        return chain(x)

    for _ in range(3):
        np.testing.assert_array_equal(step(X), jax.jit(chain)(X))
    assert len(traces) == 1
    assert step._cache_size() == 1


def test_under_other_transformations():
    step = tg.function(chain)
    np.testing.assert_array_equal(jax.jit(step)(X), chain(X))
    np.testing.assert_array_equal(jax.vmap(step)(X), chain(X))
    np.testing.assert_array_equal(jax.grad(lambda x: step(x).sum())(X), jnp.zeros_like(X))


def test_ahead_of_time():
    lowered = tg.function(chain).lower(X)
    np.testing.assert_array_equal(lowered.compile()(X), chain(X))
    mine = {"xla_cpu_enable_fast_math": False}
    np.testing.assert_array_equal(lowered.compile(compiler_options=mine)(X), chain(X))


def test_exported_for_others():
    exported = jax.export.export(tg.function(chain), platforms=("cpu", "tpu"))(X)
    np.testing.assert_array_equal(exported.call(X), chain(X))


def test_explained():
    name, value = ELEMENT_BY_ELEMENT
    assert f"XLA is told: {name}={value!r}" in str(tg.function(chain).explain(X))
    assert "XLA is told" not in str(tg.function(jnp.transpose).explain(X))


def test_failure_is_left_out(monkeypatch):
    def fails(graph, fired):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(programs, "xla_options", fails)
    with pytest.warns(tg.OptimizationWarning, match="code generator"):
        found = tg.function(lambda x: jnp.floor(x) * 3)(X)
    np.testing.assert_array_equal(found, jnp.floor(X) * 3)


def test_hidden_arrays():
    large = jnp.ones((1024, 1024))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tg.function(lambda x: large * x + 1)(2.0)
    np.testing.assert_array_equal(found, large * 2 + 1)
