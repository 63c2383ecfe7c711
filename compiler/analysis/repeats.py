"""Runs of equal blocks in a sequence: the layers of a network that was written as a Python loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_PERIODS: Final = 64
"""So many lengths of a block are tried, the most frequent distances of equal items first."""


class Run(NamedTuple):
    """A stretch of a sequence in which every item equals the one a period later.

    Attributes:
        start: where it begins.
        period: how long a block is.
        matched: how many items, from the start on, equal the one a period later.
    """

    start: int
    period: int
    matched: int

    @property
    def repeats(self) -> int:
        """How many whole blocks it has."""
        return self.matched // self.period + 1

    @property
    def saved(self) -> int:
        """How many items one block stands for, its own not counted."""
        return (self.repeats - 1) * self.period

    def overlaps(self, other: Run) -> bool:
        """Whether both have items in common."""
        end, others = (run.start + run.matched + run.period for run in (self, other))
        return self.start < others and other.start < end

    def shifted(self, by: int) -> Run:
        """The run without its first items: the same blocks, cut at other places."""
        return Run(self.start + by, self.period, self.matched - by)


def repeated(keys: Iterable[Hashable], least_period: int, least_repeats: int) -> list[Run]:
    """The runs of a sequence, those that save the most first, and of equals the shorter blocks.

    Args:
        keys: the items; equal items are interchangeable.
        least_period: shorter blocks do not count.
        least_repeats: fewer blocks in a row do not count.
    """
    numbers: dict[Hashable, int] = {}
    items = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)
    found = [
        run
        for period in _periods(items, least_period)
        for run in _runs(items, period)
        if run.repeats >= least_repeats
    ]
    return sorted(found, key=lambda run: (-run.saved, run.period, run.start))


def _periods(items: NDArray[np.int64], least: int) -> list[int]:
    """The distances at which equal items follow each other, the most frequent first."""
    order = np.argsort(items, kind="stable")
    alike = items[order][1:] == items[order][:-1]
    distances = np.diff(order)[alike]
    counted = Counter(int(distance) for distance in distances if distance >= least)
    return [period for period, _ in counted.most_common(MAX_PERIODS)]


def _runs(items: NDArray[np.int64], period: int) -> list[Run]:
    """The longest stretches for one length of block."""
    same = np.concatenate(([False], items[period:] == items[:-period], [False]))
    edges = np.flatnonzero(same[1:] != same[:-1])
    bounds = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [Run(start, period, end - start) for start, end in bounds]
