"""The demo's train step in steady state: forward, backward and update of a small network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Comparison, compare
from tracegraph.demo import training

BAR = 1.02
"""Equal, plus the noise that jit shows against itself."""
STEPS = 5


def run() -> Iterator[Comparison]:
    """jit against itself, which shows the noise, then jit against tracegraph.

    Both sides donate the model and the optimizer's state.
    """
    train, _ = training.load_digits(0)
    optimizer = training.make_optimizer(1, len(train))
    batch = next(training.batches(train, np.random.default_rng(0)))
    ours = training.make_train_step(optimizer)
    plain = jax.jit(ours.__wrapped__, donate_argnums=(0, 1))
    again = jax.jit(lambda *args: ours.__wrapped__(*args), donate_argnums=(0, 1))
    sides = {"train step of the demo, jit twice": again, "train step of the demo": ours}
    for name, side in sides.items():
        yield compare(
            name,
            _steps(plain, optimizer, batch),
            _steps(side, optimizer, batch),
            rounds=201,
            bar=BAR,
        )


def _steps(step: Any, optimizer: Any, batch: training.Split) -> Callable[[], float]:
    state = training.new_state(optimizer, 0)
    images, labels = jnp.asarray(batch.images), jnp.asarray(batch.labels)

    def steps(count: int) -> None:
        for _ in range(count):
            state.model, state.optimizer_state, _ = step(
                state.model, state.optimizer_state, images, labels
            )
        jax.block_until_ready(state.model)

    def measure() -> float:
        steps(1)
        start = time.perf_counter()
        steps(STEPS)
        return (time.perf_counter() - start) / STEPS

    return measure
