"""In which order the factors of a contraction network are multiplied.

Up to eight factors every order is weighed, by dynamic programming over sets of them. Beyond that
the neighbours of the given order are joined by dynamic programming over intervals, which is all
there is for a chain of matrices, and the result is held against a greedy one.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final, NamedTuple, TypeAlias

from compiler.rewrite.driver import BYTE_SCORE
from compiler.rewrite.expression import dtype
from compiler.rules.dot_networks import Network

MAX_EXHAUSTIVE: Final = 8
"""Up to so many factors every order is tried."""

Tree: TypeAlias = "int | tuple[Tree, Tree]"


class Plan(NamedTuple):
    """An order of contraction; plans compare by cost, then by depth.

    Attributes:
        cost: its score, by the driver's measure.
        depth: how deep it is; of two that cost the same the flatter has more in common.
        tree: factors by number, in pairs.
        labels: the labels of the result, one bit each.
    """

    cost: float
    depth: int
    tree: Tree
    labels: int


class Planner:
    """Weighs the orders of one network.

    Attributes:
        factors: the labels of each factor that are left after the sums of its own.
    """

    __slots__ = ("_itemsize", "_known", "_masks", "_out", "_sizes", "factors")

    def __init__(self, network: Network) -> None:
        self._sizes = network.sizes
        self._known: dict[int, int] = {0: 1}
        self._out = mask_of(network.out)
        self._itemsize = dtype(network.root.result).itemsize
        self._masks = [mask_of(factor.labels) for factor in network.factors]
        self.factors = [
            mask & self._kept(self._masks[:i] + self._masks[i + 1 :])
            for i, mask in enumerate(self._masks)
        ]

    def best(self) -> Plan:
        """The plan of least cost."""
        count = len(self.factors)
        if count <= MAX_EXHAUSTIVE:
            return self._of_sets(count)
        return min(self._of_intervals(count), self._greedy(), key=_weight)

    def size(self, labels: int) -> int:
        """The number of elements of a term with these labels."""
        found = self._known.get(labels)
        if found is None:
            lowest = labels & -labels
            found = self._sizes[lowest.bit_length() - 1] * self.size(labels ^ lowest)
            self._known[labels] = found
        return found

    def _leaf(self, number: int) -> Plan:
        return Plan(0, 0, number, self.factors[number])

    def _kept(self, others: Iterable[int]) -> int:
        """The labels that are needed beside these factors: the result's, and theirs."""
        return _union(others, self._out)

    def _join(self, left: Plan, right: Plan, kept: int) -> Plan:
        every = left.labels | right.labels
        labels = every & kept
        cost = left.cost + right.cost + self._cost(left.labels, right.labels, every, labels)
        depth = 1 + max(left.depth, right.depth)
        return Plan(cost, depth, (left.tree, right.tree), labels)

    def _cost(self, left: int, right: int, every: int, labels: int) -> float:
        moved = self.size(left) + self.size(right) + self.size(labels)
        if every != labels:
            return 2 * self.size(every) + BYTE_SCORE * self._itemsize * moved
        for side in (left, right):
            moved += self.size(side) + self.size(labels) if side != labels else 0
        return self.size(labels) + BYTE_SCORE * self._itemsize * moved

    def _of_sets(self, count: int) -> Plan:
        full = (1 << count) - 1
        plans: dict[int, Plan] = {1 << i: self._leaf(i) for i in range(count)}
        for chosen in range(3, full + 1):
            if chosen & (chosen - 1):
                plans[chosen] = self._best_split(chosen, full, plans)
        return plans[full]

    def _best_split(self, chosen: int, full: int, plans: dict[int, Plan]) -> Plan:
        outside = full & ~chosen
        kept = self._kept(mask for i, mask in enumerate(self._masks) if outside >> i & 1)
        first = chosen & -chosen
        best: Plan | None = None
        part = (chosen - 1) & chosen
        while part:
            if part & first:
                found = self._join(plans[part], plans[chosen ^ part], kept)
                best = found if best is None or _weight(found) < _weight(best) else best
            part = (part - 1) & chosen
        return best or plans[first]

    def _of_intervals(self, count: int) -> Plan:
        plans: dict[tuple[int, int], Plan] = {(i, i + 1): self._leaf(i) for i in range(count)}
        for length in range(2, count + 1):
            for start in range(count - length + 1):
                stop = start + length
                kept = self._kept(self._masks[:start] + self._masks[stop:])
                plans[start, stop] = min(
                    (
                        self._join(plans[start, middle], plans[middle, stop], kept)
                        for middle in range(start + 1, stop)
                    ),
                    key=_weight,
                )
        return plans[0, count]

    def _greedy(self) -> Plan:
        """Joins the two that shrink most, until one is left."""
        left = [self._leaf(i) for i in range(len(self.factors))]
        while len(left) > 1:
            best: tuple[float, int, int, Plan] = (inf, 0, 0, left[0])
            for i in range(len(left)):
                for j in range(i + 1, len(left)):
                    others = (p.labels for n, p in enumerate(left) if n not in (i, j))
                    joined = self._join(left[i], left[j], self._kept(others))
                    gain = self.size(joined.labels) - sum(self.size(left[n].labels) for n in (i, j))
                    if gain < best[0]:
                        best = (gain, i, j, joined)
            _, i, j, joined = best
            left = [joined if n == i else plan for n, plan in enumerate(left) if n != j]
        return left[0]


def _weight(plan: Plan) -> tuple[float, int]:
    return plan.cost, plan.depth


def mask_of(labels: Iterable[int]) -> int:
    """Labels as one bit each."""
    return _union((1 << label for label in labels), 0)


def _union(masks: Iterable[int], found: int) -> int:
    for mask in masks:
        found |= mask
    return found
