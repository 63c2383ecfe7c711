"""Time in a report: the least that an op can take on a device, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiler.ir.graph import Operation
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.rows import Floor, floor
from tracegraph.profiling.report import ProfileReport
from tracegraph.report.nodes import Node

_DIGITS = 4
"""So many digits of a time are kept: a page holds thousands of them."""


@dataclass(frozen=True, slots=True)
class Measures:
    """The times of a graph's ops.

    Attributes:
        device: what the floors are for; None for no floors.
        profile: what was measured; None if nothing was.
        by_op: the measured seconds of each op in one call.
    """

    device: DeviceSpec | None = None
    profile: ProfileReport | None = None
    by_op: Mapping[Operation, float] = field(default_factory=dict[Operation, float])

    @staticmethod
    def of(device: DeviceSpec | None, profile: ProfileReport | None) -> Measures:
        """The times that a report shows of a device and a profile, where there are such."""
        times = profile.ops if profile is not None else ()
        return Measures(device, profile, {one.op: one.seconds for one in times})

    def floor(self, node: Node) -> Floor | None:
        """The least time of a row over a whole run; None without a device, or for no work."""
        if self.device is None or node.op is None or node.op.regions:
            return None
        found = floor(node.op, node.cost, self.device)
        return found if found.bound else None

    def measured(self, node: Node) -> float:
        """The measured seconds of a row in one call; 0 where none were."""
        return self.by_op.get(node.op, 0.0) if node.op is not None else 0.0

    def row(self, node: Node) -> dict[str, Any]:
        """What a row of the ops says of it: ``e`` floor, ``d`` its bound, ``m`` measured."""
        least = self.floor(node)
        found: dict[str, Any] = {"m": rounded(self.measured(node))}
        return found if least is None else {**found, "e": rounded(least.seconds), "d": least.bound}

    def sums(self, nodes: Iterable[Node]) -> tuple[float, float]:
        """The floors and the measured seconds of several rows together."""
        rows = list(nodes)
        floors = [least.seconds for node in rows if (least := self.floor(node)) is not None]
        return rounded(sum(floors)), rounded(sum(map(self.measured, rows)))

    def about_device(self, nodes: Iterable[Node]) -> dict[str, Any] | None:
        """The device, and the least time of all rows together."""
        if self.device is None:
            return None
        least, _ = self.sums(nodes)
        return {"name": self.device.name, "source": self.device.source, "floor": least}

    def about_profile(self) -> dict[str, Any] | None:
        """How it was measured, and how much of the time could be put on an op."""
        if self.profile is None:
            return None
        return {
            "calls": self.profile.calls,
            "wall": rounded(self.profile.wall),
            "in_kernels": rounded(self.profile.in_kernels),
            "unattributed": rounded(self.profile.unattributed),
            "note": self.profile.note,
        }

    def of_kernels(self) -> dict[str, float]:
        """The measured seconds of each kernel in one call, by its name."""
        times = self.profile.kernels if self.profile is not None else ()
        return {one.name: rounded(one.seconds) for one in times}


def rounded(seconds: float) -> float:
    """The seconds, to a few digits."""
    return float(f"{seconds:.{_DIGITS}g}")
