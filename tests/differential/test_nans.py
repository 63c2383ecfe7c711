"""A nan in a large array stays where plain jit has it: XLA's own reductions may lose one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg

X = jax.random.normal(jax.random.key(0), (64, 1000)).at[0, 2].set(jnp.nan).at[5, 700].set(jnp.inf)

PROGRAMS = {
    "any nan": lambda x: jnp.isnan(x).any(-1),
    "all finite": lambda x: jnp.isfinite(x).all(-1),
    "all beyond": lambda x: jnp.all(x > -10.0, axis=-1),
    "median": lambda x: jnp.median(x, axis=-1),
    "quantile": lambda x: jnp.quantile(x, 0.3, axis=-1),
    "argmax": lambda x: jnp.argmax(x, -1),
    "argmin over rows": lambda x: jnp.argmin(x * 2.0, 0),
    "sort": lambda x: jnp.sort(x, -1),
    "argsort": lambda x: jnp.argsort(x, -1),
    "last of a running maximum": lambda x: jax.lax.cummax(x, axis=1)[:, -1],
    "running maximum": lambda x: jax.lax.cummax(x, axis=1),
    "carried maximum": lambda x: jax.lax.scan(
        lambda c, row: (jnp.maximum(c, jnp.sin(row).sum()), None), x[0, 0], x
    )[0],
    "largest picked": lambda x: jnp.take_along_axis(x, jnp.argmax(x, -1, keepdims=True), -1),
    "end of a sort": lambda x: jnp.sort(x, -1)[:, -1],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_nans_are_where_jit_has_them(name):
    program = PROGRAMS[name]
    found, expected = tg.function(program)(X), jax.jit(program)(X)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5)
