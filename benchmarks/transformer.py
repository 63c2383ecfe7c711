"""A 12-layer transformer written in plain JAX: value and gradient have about 1,900 equations."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Params = dict[str, jax.Array]

LAYERS, BATCH, LENGTH, WIDTH, HEADS, VOCABULARY = 12, 2, 32, 64, 4, 128


def init(key: jax.Array) -> list[Params]:
    """The parameters of all layers, the embedding first."""

    def layer(key: jax.Array) -> Params:
        a, b, c, d = jax.random.split(key, 4)
        scale = WIDTH**-0.5
        return {
            "norm1": jnp.ones(WIDTH),
            "norm2": jnp.ones(WIDTH),
            "qkv": jax.random.normal(a, (WIDTH, 3 * WIDTH)) * scale,
            "out": jax.random.normal(b, (WIDTH, WIDTH)) * scale,
            "up": jax.random.normal(c, (WIDTH, 4 * WIDTH)) * scale,
            "down": jax.random.normal(d, (4 * WIDTH, WIDTH)) * scale,
        }

    first, *keys = jax.random.split(key, LAYERS + 1)
    return [{"embedding": jax.random.normal(first, (VOCABULARY, WIDTH))}, *map(layer, keys)]


def batch(key: jax.Array) -> jax.Array:
    """Random tokens of shape (BATCH, LENGTH)."""
    return jax.random.randint(key, (BATCH, LENGTH), 0, VOCABULARY)


def loss(params: list[Params], tokens: jax.Array) -> jax.Array:
    """Mean cross-entropy of the next token."""
    embedding, *layers = params
    x = embedding["embedding"][tokens]
    for layer in layers:
        x = x + _attention(layer, _norm(x, layer["norm1"]))
        x = x + jax.nn.gelu(_norm(x, layer["norm2"]) @ layer["up"]) @ layer["down"]
    logits = x @ embedding["embedding"].T
    logp = jax.nn.log_softmax(logits[:, :-1])
    return -jnp.take_along_axis(logp, tokens[:, 1:, None], axis=-1).mean()


def _norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt(jnp.var(x, -1, keepdims=True) + 1e-5) * scale


def _attention(layer: Params, x: jax.Array) -> jax.Array:
    b, s, d = x.shape
    q, k, v = jnp.split((x @ layer["qkv"]).reshape(b, s, 3 * HEADS, d // HEADS), 3, axis=2)
    scores = jnp.einsum("bshd,bthd->bhst", q, k) / (d // HEADS) ** 0.5
    mask = jnp.tril(jnp.ones((s, s), bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e9), axis=-1)
    return jnp.einsum("bhst,bthd->bshd", weights, v).reshape(b, s, d) @ layer["out"]
