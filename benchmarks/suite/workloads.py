"""All workloads of the speed suite, by group."""

from __future__ import annotations

from typing import Final

from benchmarks.suite.networks import NETWORKS
from benchmarks.suite.ops import OPS
from benchmarks.suite.plain import PLAIN
from benchmarks.suite.simulations import SIMULATIONS
from benchmarks.suite.unstored import UNSTORED
from benchmarks.suite.workload import Workload

GROUPS: Final[dict[str, tuple[Workload, ...]]] = {
    "programs": (*NETWORKS, *SIMULATIONS),
    "large in between": UNSTORED,
    "ops": OPS,
    "no pattern": PLAIN,
}


def named(name: str) -> Workload:
    """The workload of that name."""
    return next(one for group in GROUPS.values() for one in group if one.name == name)
