"""The cost of a call in steady state, for pytrees of 1, 10 and 1,000 leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import jax
import jax.numpy as jnp

import tracegraph as tg
from benchmarks.timing import Comparison, compare, per_call

BAR = 1.05


_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    ", all options on": {
        "autograph": True,
        "input_signature": [tg.Spec((), "float32")],
        "static_nonarrays": True,
        "cache": True,
        "max_traces": 9,
        "max_ops": 10**6,
        "max_compile_seconds": 600.0,
        "max_peak_bytes": 10**12,
    },
}
"""Nothing, and all that a call can have but checks."""


def _increment(tree: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: leaf + 1 for name, leaf in tree.items()}


def run() -> Iterator[Comparison]:
    """One comparison per pytree size."""
    for leaves, calls in ((1, 4000), (10, 1500), (1000, 20)):
        tree = {f"leaf{i}": jnp.ones(()) for i in range(leaves)}
        plain = jax.jit(_increment)
        for name, options in _OPTIONS.items():
            ours = tg.function(_increment, **options)
            yield compare(
                f"call with {leaves} leaves{name}",
                per_call(lambda f=plain, t=tree: f(t), calls),
                per_call(lambda f=ours, t=tree: f(t), calls),
                rounds=41,
                bar=BAR,
            )
