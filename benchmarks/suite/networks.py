"""Neural networks as people write them with flax and optax: forward passes and training steps."""

# flax annotates its modules in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

# ruff: noqa: D102 what a call does, the class says

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import optax
from flax import linen

from benchmarks.suite.shapes import CLASSES, KINDS, SIZES, workload_name
from benchmarks.suite.workload import Array, Call, Workload, normal


class MLP(linen.Module):
    """Three dense layers of 1024 with gelu."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        for _ in range(3):
            x = linen.gelu(linen.Dense(1024)(x))
        return linen.Dense(CLASSES)(x)


class PoolingCNN(linen.Module):
    """Three convolutions with max pooling between them."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        for features in (32, 64, 128):
            x = linen.relu(linen.Conv(features, (3, 3))(x))
            x = linen.max_pool(x, (2, 2), strides=(2, 2))
        return linen.Dense(CLASSES)(x.reshape(x.shape[0], -1))


class SeparableNet(linen.Module):
    """Depthwise and pointwise convolutions in turn, as in mobile networks."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        x = linen.relu(linen.Conv(32, (3, 3), strides=(2, 2))(x))
        for features, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
            channels = x.shape[-1]
            x = linen.Conv(channels, (3, 3), (stride, stride), feature_group_count=channels)(x)
            x = linen.relu(linen.Conv(features, (1, 1))(linen.relu(x)))
        return linen.Dense(CLASSES)(x.mean((1, 2)))


class ResidualBlocks(linen.Module):
    """Two residual blocks with batch statistics."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        for features, stride in ((64, 1), (128, 2)):
            y = linen.Conv(features, (3, 3), (stride, stride), use_bias=False)(x)
            y = linen.relu(linen.GroupNorm(num_groups=8)(y))
            y = linen.GroupNorm(num_groups=8)(linen.Conv(features, (3, 3), use_bias=False)(y))
            x = linen.Conv(features, (1, 1), (stride, stride), use_bias=False)(x)
            x = linen.relu(x + y)
        return linen.Dense(CLASSES)(x.mean((1, 2)))


class Transformer(linen.Module):
    """Two pre-norm layers with flax's own attention."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        mask = linen.make_causal_mask(x[..., 0])
        for _ in range(2):
            y = linen.MultiHeadDotProductAttention(num_heads=8)(linen.LayerNorm()(x), mask=mask)
            x = x + y
            y = linen.gelu(linen.Dense(4 * x.shape[-1])(linen.LayerNorm()(x)))
            x = x + linen.Dense(x.shape[-1])(y)
        return linen.Dense(CLASSES)(linen.LayerNorm()(x).mean(1))


class Recurrent(linen.Module):
    """An LSTM over time, and a dense layer on its last state."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        return linen.Dense(CLASSES)(linen.RNN(linen.LSTMCell(256))(x)[:, -1])


_NETWORKS: Final[dict[str, Callable[[], linen.Module]]] = {
    "MLP": MLP,
    "CNN with pooling": PoolingCNN,
    "depthwise-separable net": SeparableNet,
    "ResNet blocks": ResidualBlocks,
    "transformer": Transformer,
    "LSTM": Recurrent,
}


def _forward(network: Callable[[], linen.Module], shape: tuple[int, ...]) -> Call:
    net, x = network(), normal(0, *shape)
    return Call(net.apply, (net.init(jax.random.key(1), x), x))


def _train(network: Callable[[], linen.Module], shape: tuple[int, ...]) -> Call:
    net, x, labels = network(), normal(0, *shape), jnp.arange(shape[0]) % CLASSES
    optimizer = optax.adamw(1e-3, eps=1e-6)
    params = net.init(jax.random.key(1), x)

    def loss(params: Any, x: Array, labels: Array) -> Array:
        logits = net.apply(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(params: Any, state: Any, x: Array, labels: Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, x, labels)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    return Call(step, (params, optimizer.init(params), x, labels), donated=(0, 1))


def _workloads() -> list[Workload]:
    found: list[Workload] = []
    for name, network in _NETWORKS.items():
        shape = SIZES[name].shape
        for kind, make in zip(KINDS, (_forward, _train), strict=True):
            row = workload_name(name, kind)
            found.append(Workload(row, lambda m=make, n=network, s=shape: m(n, s), peer=row))
    return found


NETWORKS: Final = tuple(_workloads())
