"""Times two forms of the train step against each other, one step of each in turn."""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp

from tracegraph.demo.training import Split, TrainStep

WARM_UP: Final = 10
ROUNDS: Final = 200


@dataclass(frozen=True, slots=True)
class Speed:
    """Median milliseconds of a step, of tracegraph and of plain ``jax.jit``."""

    tracegraph: float
    jit: float

    @property
    def ratio(self) -> float:
        """How many times faster than plain ``jax.jit``."""
        return self.jit / self.tracegraph


class _Runner:
    """One form of the step with a state of its own, and the times of its steps."""

    def __init__(self, step: TrainStep, model: Any, optimizer_state: Any) -> None:
        self._step = step
        self._model, self._optimizer_state = jax.tree.map(jnp.copy, (model, optimizer_state))
        self.times: list[float] = []

    def run(self, images: jax.Array, labels: jax.Array) -> None:
        start = time.perf_counter()
        result = self._step(self._model, self._optimizer_state, images, labels)
        jax.block_until_ready(result)
        self.times.append((time.perf_counter() - start) * 1e3)
        self._model, self._optimizer_state, _ = result


def compare(step: Any, model: Any, optimizer_state: Any, batch: Split) -> Speed:
    """Steady-state times of the decorated step and of its plain function under ``jax.jit``.

    Both take the same batch and donate the same arguments; who goes first changes every round.
    """
    plain = jax.jit(step.__wrapped__, donate_argnums=(0, 1))
    runners = [_Runner(form, model, optimizer_state) for form in (step, plain)]
    images, labels = jnp.asarray(batch.images), jnp.asarray(batch.labels)
    for round in range(WARM_UP + ROUNDS):
        for runner in runners if round % 2 else reversed(runners):
            runner.run(images, labels)
    ours, theirs = (statistics.median(runner.times[WARM_UP:]) for runner in runners)
    return Speed(ours, theirs)
