"""A synthetic program of any size: what real ones are made of, block after block."""

from __future__ import annotations

from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

SIDE: Final = 8


@jax.jit
def _activation(x: jax.Array, scale: jax.Array) -> jax.Array:
    """A jit inside a jit, itself calling functions of JAX that are jitted."""
    return jnp.where(x > 0, x, jnp.expm1(x)) * jax.nn.sigmoid(x * scale)


def _recurrence(x: jax.Array, scale: jax.Array) -> jax.Array:
    """A scan that carries one value and stacks one that nobody reads."""

    def step(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        carry = carry * scale + jnp.tanh(row)
        return carry, carry.sum()

    return lax.scan(step, x[0], x)[0]


def block(x: jax.Array, weight: jax.Array) -> jax.Array:
    """About 40 ops: two dots, a normalisation, an elementwise chain, nested jits and a scan."""
    scale = weight[0, 0]
    hidden = _activation(x @ weight, scale)
    centered = hidden - hidden.mean(-1, keepdims=True)
    normed = centered * lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5)
    chain = jnp.sin(normed) * 2.0 + jnp.cos(normed) * 0.5 - jnp.maximum(normed, 0.1)
    state = _recurrence(chain, scale)
    mixed = jnp.concatenate([chain[:, : SIDE // 2], hidden[:, SIDE // 2 :]], axis=1)
    return x + mixed.T @ jax.nn.softmax(mixed, axis=-1) + state[None, :] * 1.0


def program(blocks: int) -> Any:
    """The function of that many blocks; each has a weight of its own out of three."""

    def scaled(x: jax.Array, weights: tuple[jax.Array, ...]) -> jax.Array:
        for index in range(blocks):
            x = block(x, weights[index % len(weights)])
        return x

    return scaled


def arguments() -> tuple[Any, ...]:
    """What to call the program with."""
    key = jax.random.key(0)
    weights = tuple(jax.random.normal(k, (SIDE, SIDE)) for k in jax.random.split(key, 3))
    return jnp.ones((SIDE, SIDE)), weights
