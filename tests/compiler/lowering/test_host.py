"""Rules and kernels trace functions of their own: under their own settings, not the user's."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def where(p, x, y):
    return jnp.where(p, jnp.tanh(x), jnp.tanh(y))


ARGUMENTS = (jnp.array([True, False, True]), jnp.ones(3), jnp.zeros(3))


@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit])
def test_under_a_mesh_what_was_traced_outside(kind):
    closed, _ = jax.closure_convert(where, *ARGUMENTS)
    mesh = jax.make_mesh((1,), ("x",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        found = tg.function(lambda *a: closed(*a))(*ARGUMENTS)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(where(*ARGUMENTS)))
    step = tg.function(lambda *a: where(*a))
    assert len(step.trace(*ARGUMENTS).rewrites) == 1


def convolve(x, window):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, window, (1, 1), "SAME", dimension_numbers=layout, feature_group_count=x.shape[-1]
    )


@pytest.mark.parametrize("setting", ["raise", "warn"])
def test_kernels_broadcast_as_they_like(setting):
    x, window = jnp.ones((8, 32, 32, 128)), jnp.ones((3, 3, 1, 128))
    with jax.numpy_rank_promotion(setting):
        step = tg.function(lambda *a: convolve(*a))
        assert "grouped-convolution-by-taps" in [f.rule for f in step.trace(x, window).rewrites]


def test_loops_are_made_where_jit_is_switched_off():
    def counted(x):
        return lax.while_loop(lambda c: c[1] < 5, lambda c: (jnp.sin(c[0]), c[1] + 1), (x, 0))

    step = tg.function(counted)
    with jax.disable_jit():
        step.lower(jnp.arange(8.0))
        graph = step.graph(jnp.arange(8.0))
    assert "scan" in [op.name for op in graph.body]
