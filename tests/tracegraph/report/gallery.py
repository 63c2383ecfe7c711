"""The functions of the docs gallery: small, and of the kinds that people train."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import tracegraph as tg
from tracegraph.demo import training
from tracegraph.report import Report


def demo_step() -> Report:
    """The demo's train step."""
    optimizer = training.make_optimizer(1, 640)
    step = training.make_train_step(optimizer)
    state = training.new_state(optimizer, 0)
    images = np.zeros((training.BATCH, 8, 8, 1), np.float32)
    labels = np.zeros(training.BATCH, np.int32)
    return step.report(state.model, state.optimizer_state, images, labels)


class Block(nn.Module):
    """A transformer block: attention, then a feed-forward network."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + nn.MultiHeadDotProductAttention(num_heads=4)(nn.LayerNorm()(x))
        hidden = nn.gelu(nn.Dense(64)(nn.LayerNorm()(x)))
        return x + nn.Dense(32)(hidden)


class Transformer(nn.Module):
    """A language model of two blocks."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = nn.Embed(100, 32)(tokens)
        for _ in range(2):
            x = Block()(x)
        return nn.Dense(100)(nn.LayerNorm()(x))


def transformer() -> Report:
    """A flax transformer's train step."""
    model, optimizer = Transformer(), optax.adam(1e-3)
    tokens = jax.ShapeDtypeStruct((2, 16), jnp.int32)
    params = jax.eval_shape(model.init, jax.random.key(0), tokens)

    @partial(tg.function, donate_argnums=(0, 1))
    def train_step(params: Any, state: Any, tokens: jax.Array) -> Any:
        def loss(params: Any) -> jax.Array:
            logits = model.apply(params, tokens[:, :-1])
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:])
            return losses.mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    return train_step.report(params, jax.eval_shape(optimizer.init, params), tokens)


class ResidualBlock(nn.Module):
    """Two convolutions around which the input goes."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.relu(nn.GroupNorm(num_groups=4)(nn.Conv(16, (3, 3))(x)))
        y = nn.GroupNorm(num_groups=4)(nn.Conv(16, (3, 3))(y))
        return nn.relu(x + y)


def resnet_block() -> Report:
    """A ResNet block, forward and backward."""
    block = ResidualBlock()
    images = jax.ShapeDtypeStruct((2, 8, 8, 16), jnp.float32)
    params = jax.eval_shape(block.init, jax.random.key(0), images)

    @tg.function
    def gradient(params: Any, images: jax.Array) -> Any:
        return jax.grad(lambda params: jnp.sum(block.apply(params, images) ** 2))(params)

    return gradient.report(params, images)


def scan_rnn() -> Report:
    """A recurrent network by scan, with the least times on a TPU."""

    @tg.function
    def rnn(weights: Any, xs: jax.Array) -> Any:
        def step(state: jax.Array, x: jax.Array) -> Any:
            state = jnp.tanh(x @ weights["in"] + state @ weights["state"] + weights["bias"])
            return state, state @ weights["out"]

        start = jnp.zeros((xs.shape[1], 16))
        return jax.lax.scan(step, start, xs)

    shapes = {"in": (8, 16), "state": (16, 16), "bias": (16,), "out": (16, 4)}
    weights = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    return rnn.report(weights, jnp.zeros((12, 2, 8)), device="TPU v5e")


class VAE(nnx.Module):
    """A variational autoencoder of two layers each way."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encoder = nnx.Linear(64, 32, rngs=rngs)
        self.mean = nnx.Linear(32, 8, rngs=rngs)
        self.deviation = nnx.Linear(32, 8, rngs=rngs)
        self.decoder = nnx.Linear(8, 64, rngs=rngs)

    def __call__(self, x: jax.Array, key: jax.Array) -> tuple[jax.Array, ...]:
        hidden = nnx.relu(self.encoder(x))
        mean, deviation = self.mean(hidden), self.deviation(hidden)
        sample = mean + jnp.exp(0.5 * deviation) * jax.random.normal(key, mean.shape)
        return self.decoder(sample), mean, deviation


def vae() -> Report:
    """An nnx variational autoencoder's loss and gradient."""

    @tg.function
    def vae_step(model: VAE, x: jax.Array, key: jax.Array) -> Any:
        def loss(model: VAE) -> jax.Array:
            decoded, mean, deviation = model(x, key)
            divergence = -0.5 * jnp.sum(1 + deviation - mean**2 - jnp.exp(deviation))
            return jnp.sum((decoded - x) ** 2) + divergence

        return nnx.value_and_grad(loss)(model)

    return vae_step.report(VAE(nnx.Rngs(0)), jnp.zeros((4, 64)), jax.random.key(0))


def failing() -> Report:
    """A function whose shapes do not fit."""

    @tg.function
    def predict(params: Any, x: jax.Array) -> jax.Array:
        hidden = jnp.tanh(x @ params["first"])
        scale = jnp.sqrt(jnp.sum(hidden**2))
        logits = hidden @ params["second"]
        return logits / scale

    params = {"first": jnp.zeros((8, 16)), "second": jnp.zeros((8, 4))}
    return predict.report(params, jnp.zeros((2, 8)))


GALLERY: dict[str, Callable[[], Report]] = {
    "demo-step": demo_step,
    "transformer": transformer,
    "resnet-block": resnet_block,
    "scan-rnn": scan_rnn,
    "vae": vae,
    "failing": failing,
}
