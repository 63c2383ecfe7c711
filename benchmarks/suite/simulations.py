"""Programs that are no networks: science, statistics, graphs and optimizers."""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp
import optax
from jax import lax

from benchmarks import models
from benchmarks.suite import by_hand
from benchmarks.suite.workload import Array, ByHand, Call, Workload, normal


def _vae() -> Call:
    sizes = ((784, 400), (400, 20), (400, 20), (20, 400), (400, 784))
    params = [normal(i, *size, scale=0.05) for i, size in enumerate(sizes)]

    def loss(params: list[Array], key: Array, x: Array) -> Array:
        encode, mean, scale, decode, out = params
        hidden = jax.nn.relu(x @ encode)
        center, spread = hidden @ mean, hidden @ scale
        latent = center + jnp.exp(spread) * jax.random.normal(key, center.shape)
        logits = jax.nn.relu(latent @ decode) @ out
        likelihood = -optax.sigmoid_binary_cross_entropy(logits, x).sum(-1)
        divergence = 0.5 * (center**2 + jnp.exp(2 * spread) - 1 - 2 * spread).sum(-1)
        return (divergence - likelihood).mean()

    x = (normal(9, 128, 784) > 0).astype(jnp.float32)
    return Call(jax.value_and_grad(loss), (params, jax.random.key(5), x))


def _message_passing() -> Call:
    nodes, edges, width = 2048, 8192, 64
    params = [normal(i, width, width, scale=0.1) for i in range(4)]
    senders, receivers = jax.random.randint(jax.random.key(7), (2, edges), 0, nodes)

    def loss(params: list[Array], x: Array, senders: Array, receivers: Array) -> Array:
        for own, message in zip(params[::2], params[1::2], strict=True):
            total = jax.ops.segment_sum(x[senders] @ message, receivers, nodes)
            degree = jax.ops.segment_sum(jnp.ones(edges), receivers, nodes)
            x = jax.nn.relu(x @ own + total / jnp.maximum(degree, 1.0)[:, None])
        return x.mean()

    return Call(jax.value_and_grad(loss), (params, normal(8, nodes, width), senders, receivers))


def _k_means() -> Call:
    return Call(*models.k_means(points=4096, clusters=64, width=16))


def _stencil() -> Call:
    def run(field: Array) -> Array:
        def step(field: Array, _: None) -> tuple[Array, None]:
            sides = sum(jnp.roll(field, shift, axis) for shift in (1, -1) for axis in (0, 1))
            return field + 0.1 * (sides - 4 * field), None

        return lax.scan(step, field, None, length=50)[0]

    return Call(run, (normal(0, 512, 512),))


def _n_body() -> Call:
    def step(position: Array, velocity: Array, mass: Array) -> tuple[Array, Array]:
        away = position[None] - position[:, None]
        distance = (away**2).sum(-1) + 1e-2
        pull = (mass[None, :, None] * away / distance[..., None] ** 1.5).sum(1)
        velocity = velocity + 1e-3 * pull
        return position + 1e-3 * velocity, velocity

    mass = jnp.abs(normal(2, 1024))
    return Call(step, (normal(0, 1024, 3), normal(1, 1024, 3), mass))


def _sampling() -> Call:
    def energy(x: Array, a: Array) -> Array:
        return 0.5 * jnp.sum((x @ a) ** 2, -1) + jnp.sum(jnp.cos(x), -1)

    def step(key: Array, x: Array, a: Array) -> Array:
        noise, accept = jax.random.split(key)
        momentum = jax.random.normal(noise, x.shape)
        pull = jax.vmap(jax.grad(energy), (0, None))

        def leap(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            x, p = state
            p = p - 0.05 * pull(x, a)
            x = x + 0.1 * p
            return (x, p - 0.05 * pull(x, a)), None

        (moved, after), _ = lax.scan(leap, (x, momentum), None, length=10)
        change = (
            energy(x, a) - energy(moved, a) + 0.5 * ((momentum**2).sum(-1) - (after**2).sum(-1))
        )
        keep = jnp.log(jax.random.uniform(accept, change.shape)) < change
        return jnp.where(keep[:, None], moved, x)

    return Call(step, (jax.random.key(0), normal(1, 512, 32), normal(2, 32, 32, scale=0.2)))


def _kalman() -> Call:
    return Call(*models.kalman_filter(state=8, seen=4, steps=200))


def _adam() -> Call:
    return Call(*models.adam_step(200, ((64, 64),)), donated=(0, 1))


def _attention() -> Call:
    def attend(q: Array, k: Array, v: Array) -> Array:
        scores = jnp.einsum("bshd,bthd->bhst", q, k) / q.shape[-1] ** 0.5
        return jnp.einsum("bhst,bthd->bshd", jax.nn.softmax(scores, -1), v)

    return Call(attend, tuple(normal(i, 8, 256, 8, 64) for i in range(3)))


def _gelu_gradient() -> Call:
    params = [normal(i, 256, 1024, scale=0.05) for i in range(2)]

    def loss(params: list[Array], x: Array) -> Array:
        for up in params:
            x = x + jax.nn.gelu(x @ up) @ up.T
        return (x**2).mean()

    return Call(jax.value_and_grad(loss), (params, normal(3, 8, 256, 256)))


SIMULATIONS: Final = (
    Workload("VAE, value and gradient", _vae),
    Workload("GNN message passing, value and gradient", _message_passing),
    Workload("k-means", _k_means),
    Workload("heat equation on a grid", _stencil),
    Workload("n-body step", _n_body),
    Workload("Hamiltonian Monte Carlo step", _sampling),
    Workload("Kalman filter, value and gradient", _kalman),
    Workload("Adam over 200 leaves", _adam, lead=5, by_hand=ByHand(kept=by_hand.flat)),
    Workload(
        "attention by einsum", _attention, lead=3.5, by_hand=ByHand(by_hand.attention_by_head)
    ),
    Workload(
        "gelu MLP, value and gradient",
        _gelu_gradient,
        lead=1.8,
        by_hand=ByHand(by_hand.gelu_gradient_in_matrices),
    ),
)
