"""Programs over several devices are kept, each with its own mesh."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import tracegraph as tg

X = np.arange(16, dtype=np.float32)


def rows(count):
    mesh = jax.make_mesh((count,), ("i",), (AxisType.Auto,), devices=jax.devices()[:count])
    return NamedSharding(mesh, PartitionSpec("i"))


def mapped(count):
    spec = PartitionSpec("i")
    body = partial(jax.shard_map, mesh=rows(count).mesh, in_specs=spec, out_specs=spec)
    return lambda x: body(lambda part: part - part.sum())(x), {}


def constrained(count):
    sharding = rows(count)
    return lambda x: jax.lax.with_sharding_constraint(jnp.sin(x), sharding), {}


def placed(count):
    sharding = rows(count)
    return lambda x: x * 2, {"in_shardings": sharding, "out_shardings": sharding}


@pytest.mark.parametrize("make", [mapped, constrained, placed])
def test_programs_with_a_mesh_are_kept(make, tmp_path):
    for count, hits in ((2, 0), (2, 1), (4, 0), (4, 1)):
        fun, options = make(count)
        jax.clear_caches()
        step = tg.function(fun, cache=tg.Cache(tmp_path / "cache"), **options)
        found, right = step(X), jax.jit(fun, **options)(X)
        info = step.cache_info()
        assert (info.hits, info.declined) == (hits, ())
        np.testing.assert_array_equal(found, right)
        assert found.sharding == right.sharding
