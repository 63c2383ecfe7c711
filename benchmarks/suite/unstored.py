"""Programs whose intermediate results are much larger than what goes in and what comes out."""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp
import optax

from benchmarks.suite.workload import Array, Call, Workload, normal


def _attend(q: Array, k: Array, v: Array) -> Array:
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def _attention() -> Call:
    return Call(_attend, tuple(normal(i, 1, 1024, 8, 64) for i in range(3)))


def _attention_gradient() -> Call:
    def loss(q: Array, k: Array, v: Array, w: Array) -> Array:
        seen = _attend(q, k, v).reshape(*q.shape[:2], -1)
        return jnp.sum((seen @ w) ** 2)

    places = [normal(i, 1, 1024, 8, 64) for i in range(3)]
    gradient = jax.value_and_grad(loss, (0, 1, 2, 3))
    return Call(gradient, (*places, normal(3, 512, 512, scale=0.05)))


def _vocabulary() -> Call:
    def loss(h: Array, w: Array, labels: Array) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(h @ w, labels).mean()

    labels = jnp.arange(2048) % 4096
    weights = normal(1, 128, 4096, scale=0.1)
    return Call(jax.value_and_grad(loss, (0, 1)), (normal(0, 2048, 128), weights, labels))


def _nearest() -> Call:
    def nearest(x: Array, y: Array) -> tuple[Array, Array]:
        apart = (x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1)
        return jnp.argmin(apart, 1), jnp.min(apart, 1)

    return Call(nearest, (normal(0, 4096, 16), normal(1, 4096, 16)))


def _wide_network() -> Call:
    def loss(x: Array, up: Array, down: Array) -> Array:
        return jnp.mean((jax.nn.gelu(x @ up) @ down) ** 2)

    layers = normal(1, 64, 1024, scale=0.1), normal(2, 1024, 64, scale=0.1)
    return Call(jax.value_and_grad(loss, (1, 2)), (normal(0, 8192, 64), *layers))


UNSTORED: Final = (
    Workload("causal attention, 1024 places", _attention),
    Workload("causal attention, 1024 places, value and gradient", _attention_gradient),
    Workload("cross entropy of 4096 words, value and gradient", _vocabulary),
    Workload("nearest of 4096 points", _nearest),
    Workload("wide hidden layer, value and gradient", _wide_network),
)
