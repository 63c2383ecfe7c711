"""The network, its loss and its score: plain flax, with one decorator on each function."""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from numpy.typing import NDArray

import tracegraph

Array = jax.Array | NDArray[Any]


class DigitNet(nnx.Module):
    """Two convolutions, one pooling, two dense layers: images (n, 8, 8, 1) to logits (n, 10)."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(16, 32, (3, 3), rngs=rngs)
        self.hidden = nnx.Linear(4 * 4 * 32, 64, rngs=rngs)
        self.out = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, images: Array) -> jax.Array:
        """The logits of a batch of images."""
        x = nnx.relu(self.conv1(jnp.asarray(images)))
        x = nnx.relu(self.conv2(x))
        x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        return self.out(nnx.relu(self.hidden(x)))


@tracegraph.function
def loss(model: DigitNet, images: Array, labels: Array) -> jax.Array:
    """The mean cross-entropy of a batch."""
    logits = model(images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@tracegraph.function
def accuracy(model: DigitNet, images: Array, labels: Array) -> jax.Array:
    """The share of a batch whose largest logit is its label's."""
    return jnp.mean(jnp.argmax(model(images), axis=-1) == labels)
