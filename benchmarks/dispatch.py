"""The cost of a call in steady state, for pytrees of 1, 10 and 1,000 leaves."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp

import tracegraph as tg
from benchmarks.timing import Comparison, compare, per_call

BAR = 1.05


def _increment(tree: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: leaf + 1 for name, leaf in tree.items()}


def run() -> Iterator[Comparison]:
    """One comparison per pytree size."""
    for leaves, calls in ((1, 4000), (10, 1500), (1000, 20)):
        tree = {f"leaf{i}": jnp.ones(()) for i in range(leaves)}
        plain, ours = jax.jit(_increment), tg.function(_increment)
        yield compare(
            f"call with {leaves} leaves",
            per_call(lambda f=plain, t=tree: f(t), calls),
            per_call(lambda f=ours, t=tree: f(t), calls),
            rounds=41,
            bar=BAR,
        )
