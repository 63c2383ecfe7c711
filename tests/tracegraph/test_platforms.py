"""The optimised program lowers for accelerators that are not here."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg


def loss(w: jax.Array, x: jax.Array) -> jax.Array:
    def body(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.tanh(carry @ w + row), row.sum()

    carry, sums = jax.lax.scan(body, jnp.zeros(4), x)
    return carry.sum() + sums.mean()


def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def sample(key: jax.Array) -> jax.Array:
    return jnp.argsort(jax.random.normal(key, (16,)))


def by_platform(x: jax.Array) -> jax.Array:
    return jax.lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos)


HEADS = jnp.ones((1, 8, 2, 4))
PROGRAMS: dict[str, tuple[Any, tuple[jax.Array, ...]]] = {
    "gradient": (jax.value_and_grad(loss), (jnp.ones((4, 4)), jnp.ones((3, 4)))),
    "attention": (attend, (HEADS, HEADS, HEADS)),
    "random": (sample, (jax.random.key(0),)),
    "platform dependent": (by_platform, (jnp.ones(4),)),
}


@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_lowers(name: str, platform: str) -> None:
    fun, args = PROGRAMS[name]
    text = tg.function(fun).trace(*args).lower(lowering_platforms=(platform,)).as_text()
    plain = jax.jit(fun).trace(*args).lower(lowering_platforms=(platform,)).as_text()
    assert "func.func public @main" in text
    assert _signature(text) == _signature(plain)


def test_several_platforms_at_once_keep_their_own_forms() -> None:
    step = tg.function(by_platform)
    lowered = step.trace(jnp.ones(4)).lower(lowering_platforms=("cpu", "tpu"))
    assert "stablehlo.sine" in lowered.as_text()
    assert "stablehlo.cosine" in lowered.as_text()


def _signature(text: str) -> str:
    """Argument and result types of the main function, without its name."""
    line = next(line for line in text.splitlines() if "func.func public @main" in line)
    return line.replace(" loc(unknown)", "")
