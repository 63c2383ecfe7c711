"""Shardings asked for of functions that take or return nnx objects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

import tracegraph as tg


class Table(nnx.Module):
    """A module whose rows can be spread over devices."""

    def __init__(self):
        self.rows = nnx.Param(jnp.arange(16.0).reshape(8, 2))
        self.calls = nnx.Variable(jnp.zeros(8))


def update(table, x):
    table.calls[...] += x
    return table, (table.rows[...] * x).sum()


def fresh(table, x):
    return jax.tree.map(lambda value: value * x, table), x


def spread(mesh, *axes):
    return NamedSharding(mesh, PartitionSpec(*axes))


@pytest.fixture
def mesh():
    return jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))


def compared(function, **options):
    """What comes back and where it lies, the same as under jit."""
    expected, _ = jax.jit(function, **options)(Table(), 2.0)
    decorated = tg.function(function, **options)
    for _ in range(2):
        table, _ = decorated(Table(), 2.0)
        for name in ("rows", "calls"):
            ours, theirs = getattr(table, name)[...], getattr(expected, name)[...]
            np.testing.assert_array_equal(ours, theirs)
            assert ours.sharding.is_equivalent_to(theirs.sharding, ours.ndim)


@pytest.mark.parametrize("function", [update, fresh])
def test_of_results(mesh, function):
    compared(function, out_shardings=(spread(mesh, "x"), spread(mesh)))


@pytest.mark.parametrize("function", [update, fresh])
def test_of_arguments_and_results(mesh, function):
    options = {"in_shardings": (spread(mesh, "x"), None), "out_shardings": (spread(mesh), None)}
    compared(function, **options)


@pytest.mark.parametrize("function", [update, fresh])
def test_written_as_objects(mesh, function):
    shape = jax.tree.map(lambda value: spread(mesh, "x"), Table())
    compared(function, in_shardings=(shape, None), out_shardings=(shape, None))


def test_an_object_that_is_updated_and_not_returned(mesh):
    decorated = tg.function(lambda table, x: update(table, x)[1], out_shardings=spread(mesh))
    table = Table()
    decorated(table, 2.0)
    np.testing.assert_array_equal(table.calls[...], jnp.full(8, 2.0))
