"""The data and the training loop: load, split, and step through shuffled batches."""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray

import tracegraph
from tracegraph.demo.model import DigitNet, loss

BATCH: Final = 64
HELD_OUT: Final = 5
"""One image in this many is kept for the test."""
LEARNING_RATE: Final = 5e-3

TrainStep = Callable[[DigitNet, Any, Any, Any], tuple[DigitNet, Any, jax.Array]]


@dataclass(frozen=True, slots=True)
class Split:
    """Images of shape (n, 8, 8, 1) from 0 to 1, and their labels from 0 to 9."""

    images: NDArray[np.float32]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: Any) -> Split:
        """Some of the images with their labels."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(slots=True)
class State:
    """What a train step takes and gives back."""

    model: DigitNet
    optimizer_state: Any


def load_digits(seed: int) -> tuple[Split, Split]:
    """The 1,797 handwritten digits of scikit-learn, shuffled: for training, and a held-out fifth.

    Raises:
        TracegraphError: scikit-learn is not installed.
    """
    try:
        datasets: Any = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise tracegraph.TracegraphError(
            "the demo needs scikit-learn, which brings the digits",
            expected="the module sklearn.datasets",
            found=str(error),
            hint='pip install "tracegraph[demo]"',
        ) from error
    digits = datasets.load_digits()
    images = (digits.images[..., np.newaxis] / 16).astype(np.float32)
    whole = Split(images, digits.target.astype(np.int32))
    order = np.random.default_rng(seed).permutation(len(whole))
    test = len(whole) // HELD_OUT + 1
    return whole.rows(order[test:]), whole.rows(order[:test])


def batches(split: Split, rng: np.random.Generator) -> Iterator[Split]:
    """One epoch: whole batches in a fresh order; the rest is left for another epoch."""
    order = rng.permutation(len(split))
    for start in range(0, len(split) - BATCH + 1, BATCH):
        yield split.rows(order[start : start + BATCH])


def make_optimizer(epochs: int, size: int) -> optax.GradientTransformation:
    """AdamW whose learning rate falls to zero along a cosine by the last epoch."""
    steps = max(1, epochs * (size // BATCH))
    return optax.adamw(optax.cosine_decay_schedule(LEARNING_RATE, steps))


def make_train_step(optimizer: optax.GradientTransformation) -> Any:
    """The whole step, forward, backward and update, as one decorated function.

    Model and optimizer state are donated: the step writes the new ones into their buffers.
    """

    @tracegraph.function(donate_argnums=(0, 1))
    def train_step(
        model: Any, optimizer_state: Any, images: Any, labels: Any
    ) -> tuple[Any, Any, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(model, images, labels)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state, model)
        return optax.apply_updates(model, updates), optimizer_state, value

    return train_step


def new_state(optimizer: optax.GradientTransformation, seed: int) -> State:
    """A network with fresh random weights, and the optimizer's state for it."""
    model: Any = DigitNet(rngs=nnx.Rngs(seed))
    return State(model, optimizer.init(model))


def train_epoch(step: TrainStep, state: State, split: Split, rng: np.random.Generator) -> float:
    """Steps the state through one epoch in place and returns the mean loss of its batches."""
    losses: list[jax.Array] = []
    for batch in batches(split, rng):
        state.model, state.optimizer_state, value = step(
            state.model, state.optimizer_state, batch.images, batch.labels
        )
        losses.append(value)
    return float(np.mean([float(value) for value in losses]))
