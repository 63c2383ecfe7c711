"""What ``check=`` costs: a training step of a small network, plain and checked, in steady state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import tracegraph as tg
from benchmarks.timing import Comparison, compare, per_call

BAR = 6.0
"""The checked program runs beside the plain one, and asks every op for what it holds."""

CHECKS = ("nan", ("nan", "inf", "index", "div"))


def run() -> Iterator[Comparison]:
    """One comparison for the usual check and one for all of them."""
    keys = jax.random.split(jax.random.key(0), 6)
    weights = [jax.random.normal(key, (256, 256)) / 16 for key in keys]
    x = jax.random.normal(keys[0], (128, 256))
    plain = jax.jit(_step)
    for check in CHECKS:
        checked = tg.function(_step, check=check)
        yield compare(
            f"training step with check={check!r}",
            per_call(lambda: plain(weights, x), 5),
            per_call(lambda checked=checked: checked(weights, x), 5),
            rounds=21,
            bar=BAR,
        )


def _loss(weights: list[Any], x: Any) -> Any:
    h = x
    for w in weights:
        h = jax.nn.gelu(h @ w)
    return jnp.mean(h**2)


def _step(weights: list[Any], x: Any) -> Any:
    loss, gradients = jax.value_and_grad(_loss)(weights, x)
    return loss, [w - 0.01 * g for w, g in zip(weights, gradients, strict=True)]
