"""Interleaved timing of two callables: the figure to quote is the ratio, taken pair by pair."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from benchmarks.collector import collected_before


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of two sides measured in turn, in seconds, and the median ratio of the pairs."""

    name: str
    jit: float
    tracegraph: float
    ratio: float
    bar: float

    @property
    def holds(self) -> bool:
        """Whether tracegraph's time over jit's stays at or under the bar."""
        return self.ratio <= self.bar


def compare(
    name: str,
    jit: Callable[[], float],
    tracegraph: Callable[[], float],
    *,
    rounds: int,
    bar: float,
) -> Comparison:
    """Calls both sides in turn, each round in the other order, and compares what they return.

    Args:
        name: what is measured.
        jit: measures plain jit once and returns seconds.
        tracegraph: the same for tracegraph.
        rounds: how many pairs to take.
        bar: the largest ratio that is allowed.
    """
    pairs: list[tuple[float, float]] = []
    with collected_before():
        for i in range(rounds):
            first, second = (jit, tracegraph) if i % 2 == 0 else (tracegraph, jit)
            a, b = first(), second()
            pairs.append((a, b) if i % 2 == 0 else (b, a))
    return Comparison(
        name,
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
        bar,
    )


def per_call(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    """A measurement of the mean seconds per call over a run of calls."""

    def measure() -> float:
        jax.block_until_ready(call())
        start = time.perf_counter()
        for _ in range(calls):
            result = call()
        jax.block_until_ready(result)
        return (time.perf_counter() - start) / calls

    return measure
