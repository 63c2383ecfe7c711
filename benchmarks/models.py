"""Small programs of the kinds that people write with JAX, as functions and their arguments.

Owns no training loop and no data: each entry is one compiled step. Sizes are small, because what is
measured is compilation; ``tests/golden/models`` holds the graphs of most of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen
from jax import lax

Array = jax.Array
Params = dict[str, Array]


class Model(NamedTuple):
    """A function to compile and what to call it with."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def _normal(seed: int, *shape: int) -> Array:
    return jax.random.normal(jax.random.key(seed), shape)


def mlp_train_step() -> Model:
    """Three dense layers, cross-entropy, and SGD with momentum."""
    sizes = (8, 16, 16, 4)
    params = [(_normal(i, n, m), jnp.zeros(m)) for i, (n, m) in enumerate(pairwise(sizes))]
    optimizer = optax.sgd(1e-2, momentum=0.9)

    def loss(params: Any, x: Array, labels: Array) -> Array:
        for weight, bias in params[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        weight, bias = params[-1]
        logits = x @ weight + bias
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(params: Any, state: Any, x: Array, labels: Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, x, labels)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    return Model(step, (params, optimizer.init(params), _normal(9, 32, 8), jnp.arange(32) % 4))


class _Convolutions(linen.Module):
    @linen.compact
    def __call__(self, x: Array) -> Array:
        for features in (4, 8):
            x = linen.Conv(features, (3, 3))(x)
            x = linen.max_pool(linen.relu(x), (2, 2), strides=(2, 2))
        return linen.Dense(10)(x.reshape(x.shape[0], -1))


def cnn_train_step() -> Model:
    """Two convolutions with pooling, and Adam."""
    images, labels = _normal(0, 4, 8, 8, 1), jnp.arange(4)
    net, optimizer = _Convolutions(), optax.adam(1e-3)
    params = net.init(jax.random.key(1), images)

    def loss(params: Any, images: Array, labels: Array) -> Array:
        logits = net.apply(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(params: Any, state: Any, images: Array, labels: Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, images, labels)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    return Model(step, (params, optimizer.init(params), images, labels))


class _Block(linen.Module):
    @linen.compact
    def __call__(self, x: Array) -> Array:
        y = linen.LayerNorm()(x)
        x = x + linen.MultiHeadDotProductAttention(num_heads=2)(
            y, mask=linen.make_causal_mask(x[..., 0])
        )
        y = linen.Dense(32)(linen.LayerNorm()(x))
        return x + linen.Dense(x.shape[-1])(linen.gelu(y))


def attention_block() -> Model:
    """A transformer block with flax's attention: value and gradient."""
    block, x = _Block(), _normal(0, 2, 6, 8)
    params = block.init(jax.random.key(1), x)

    def loss(params: Any, x: Array) -> Array:
        return (block.apply(params, x) ** 2).mean()

    return Model(jax.value_and_grad(loss), (params, x))


def lstm() -> Model:
    """An LSTM by scan over 12 steps: value and gradient."""
    width, features = 8, 4
    params = {"w": _normal(0, features + width, 4 * width) * 0.1, "b": jnp.zeros(4 * width)}

    def cell(params: Params, state: tuple[Array, Array], x: Array) -> Any:
        h, c = state
        gates = jnp.concatenate([x, h], -1) @ params["w"] + params["b"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f + 1.0) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def loss(params: Params, xs: Array) -> Array:
        start = (jnp.zeros((xs.shape[1], width)),) * 2
        _, outputs = lax.scan(partial(cell, params), start, xs)
        return jnp.mean(outputs**2)

    return Model(jax.value_and_grad(loss), (params, _normal(1, 12, 3, features)))


def lstm_of_a_sum(weights: tuple[Array, Array], xs: Array) -> Array:
    """The outputs of an LSTM whose gates are cut out of the sum of two products."""
    into, back = weights

    def step(carry: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
        hidden, cell = carry
        i, f, g, o = jnp.split(x @ into + hidden @ back, 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    start = jnp.zeros((xs.shape[1], back.shape[0]))
    return lax.scan(step, (start, start), xs)[1]


def vae() -> Model:
    """A variational autoencoder's loss with its random draw: value and gradient."""
    params = {
        "encode": _normal(0, 12, 8) * 0.3,
        "mean": _normal(1, 8, 3) * 0.3,
        "scale": _normal(2, 8, 3) * 0.3,
        "decode": _normal(3, 3, 12) * 0.3,
    }

    def loss(params: Params, key: Array, x: Array) -> Array:
        hidden = jnp.tanh(x @ params["encode"])
        mean, log_scale = hidden @ params["mean"], hidden @ params["scale"]
        latent = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
        logits = latent @ params["decode"]
        likelihood = -optax.sigmoid_binary_cross_entropy(logits, x).sum(-1)
        divergence = 0.5 * (mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale).sum(-1)
        return (divergence - likelihood).mean()

    x = (_normal(4, 6, 12) > 0).astype(jnp.float32)
    return Model(jax.value_and_grad(loss), (params, jax.random.key(5), x))


def gnn() -> Model:
    """Two rounds of message passing over an edge list: value and gradient."""
    params = [_normal(i, 5, 5) * 0.4 for i in range(4)]
    senders, receivers = jnp.arange(14) % 7, (jnp.arange(14) * 3 + 1) % 7

    def loss(params: list[Array], nodes: Array, senders: Array, receivers: Array) -> Array:
        for own, message in zip(params[::2], params[1::2], strict=True):
            sent = nodes[senders] @ message
            total = jax.ops.segment_sum(sent, receivers, nodes.shape[0])
            degree = jax.ops.segment_sum(jnp.ones(senders.shape), receivers, nodes.shape[0])
            nodes = jax.nn.relu(nodes @ own + total / jnp.maximum(degree, 1.0)[:, None])
        return nodes.mean()

    return Model(jax.value_and_grad(loss), (params, _normal(9, 7, 5), senders, receivers))


def kalman_filter(state: int = 3, seen: int = 2, steps: int = 10) -> Model:
    """Log-likelihood of a linear Gaussian state-space model by scan, with its gradient."""

    def loss(transition: Array, observation: Array, ys: Array) -> Array:
        process, noise = 0.1 * jnp.eye(state), 0.2 * jnp.eye(seen)

        def step(carry: tuple[Array, Array], y: Array) -> Any:
            mean, cov = carry
            mean, cov = transition @ mean, transition @ cov @ transition.T + process
            residual = y - observation @ mean
            spread = observation @ cov @ observation.T + noise
            gain = jnp.linalg.solve(spread, observation @ cov).T
            _, logdet = jnp.linalg.slogdet(spread)
            cost = 0.5 * (residual @ jnp.linalg.solve(spread, residual) + logdet)
            return (mean + gain @ residual, (jnp.eye(state) - gain @ observation) @ cov), cost

        _, costs = lax.scan(step, (jnp.zeros(state), jnp.eye(state)), ys)
        return costs.sum()

    arguments = (0.9 * jnp.eye(state), _normal(0, seen, state), _normal(1, steps, seen))
    return Model(jax.value_and_grad(loss), arguments)


def adam_step(leaves: int = 60, shapes: Sequence[tuple[int, ...]] = ((4, 4), (4,))) -> Model:
    """One Adam update with decay and clipping over many leaves of a few shapes."""
    params = {f"leaf{i}": _normal(i, *shapes[i % len(shapes)]) for i in range(leaves)}
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))

    def step(params: Params, state: Any, gradients: Params) -> Any:
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    return Model(step, (params, optimizer.init(params), params))


def k_means(points: int = 50, clusters: int = 4, width: int = 3) -> Model:
    """Lloyd's iterations under fori_loop."""

    def fit(points: Array, centers: Array) -> Array:
        def iterate(_: Any, centers: Array) -> Array:
            distances = ((points[:, None] - centers[None]) ** 2).sum(-1)
            member = jax.nn.one_hot(distances.argmin(-1), centers.shape[0])
            count = jnp.maximum(member.sum(0), 1.0)
            return (member.T @ points) / count[:, None]

        return lax.fori_loop(0, 10, iterate, centers)

    return Model(fit, (_normal(0, points, width), _normal(1, clusters, width)))


MODELS: Final[dict[str, Callable[[], Model]]] = {
    "MLP train step": mlp_train_step,
    "CNN train step": cnn_train_step,
    "attention block": attention_block,
    "LSTM": lstm,
    "VAE": vae,
    "GNN": gnn,
    "Kalman filter": kalman_filter,
    "Adam step": adam_step,
    "k-means": k_means,
}
