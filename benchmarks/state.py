"""What nnx objects add to a call of jit on bare arrays, against what nnx.jit adds."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

import tracegraph as tg
from benchmarks.timing import Comparison

BAR = 0.1


class _Layers(nnx.Module):
    """Pairs of variables, in as many modules."""

    def __init__(self, variables: int) -> None:
        rngs = nnx.Rngs(0)
        layers = [nnx.Linear(4, 4, rngs=rngs) for _ in range(variables // 2)]
        self.layers = nnx.List(layers) if hasattr(nnx, "List") else layers


class _Kind(NamedTuple):
    """A function of a module, and the same on bare arrays."""

    name: str
    of_module: Callable[[Any, Any], Any]
    of_arrays: Callable[[Any, Any], Any]


def _update(model: Any, x: Any) -> Any:
    nnx.update(model, jax.tree.map(lambda value: value + 1, nnx.state(model)))
    return x + 1


_KINDS = (
    _Kind("reads", lambda _, x: x + 1, lambda _, x: x + 1),
    _Kind("updates", _update, lambda leaves, x: ([leaf + 1 for leaf in leaves], x + 1)),
)


def run() -> Iterator[Comparison]:
    """The share of nnx.jit's extra time, for 100 and 5,000 variables."""
    x = jnp.ones(3)
    for variables in (100, 5000):
        for kind in _KINDS:
            model = _Layers(variables)
            leaves = jax.tree.leaves(nnx.state(model))
            calls = [
                functools.partial(nnx.jit(kind.of_module), model, x),
                functools.partial(tg.function(kind.of_module), model, x),
                functools.partial(jax.jit(kind.of_arrays), leaves, x),
            ]
            theirs, ours, bare = _medians(calls)
            name = f"{kind.name} a module of {variables} variables: share of nnx.jit's extra time"
            share = (ours - bare) / (theirs - bare)
            yield Comparison(name, theirs - bare, ours - bare, share, BAR)


def _medians(calls: list[Callable[[], Any]]) -> list[float]:
    """Seconds of each call, taken in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(12):
        for place, call in enumerate(calls):
            start = time.perf_counter()
            jax.block_until_ready(call())
            if turn > 1:
                taken[place].append(time.perf_counter() - start)
    return [statistics.median(one) for one in taken]
