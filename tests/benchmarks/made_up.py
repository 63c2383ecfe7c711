"""Made-up results of the speed suite and its peers."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.peers.results import Peers
from benchmarks.suite.measure import Row

PLAIN = Row("softmax", "no pattern", "rounding", 0.002, 0.002, 1.0, 1.01, 1.0, 0.0, 0.001, ())
FORWARD = Row(
    "MLP, forward", "programs", "rounding", 0.004, 0.002, 2.0, 1.02, 0.9, 1e-7, 0.001, ("dots",)
)
TRAIN = dataclasses.replace(FORWARD, name="MLP, train step", jit=0.012, ours=0.006)
ROWS = (FORWARD, TRAIN, PLAIN)

PEERS = Peers(
    {"Quick": "quick 1.0, 2 threads", "Forward only": "forward 2.0, 2 threads"},
    {
        "MLP, forward": {"Quick": 0.003, "Forward only": 0.001},
        "MLP, train step": {"Quick": 0.0045},
    },
)

ALONE = Peers(
    {"jax.jit": "jax 1.0", "tracegraph": "jax 1.0", **PEERS.settings},
    {"MLP, forward": {"jax.jit": 0.003, "tracegraph": 0.0005, **PEERS.of("MLP, forward")}},
)
"""The same with both sides of the suite measured as the peers are."""


def suite() -> dict[str, Any]:
    """What the result file would hold."""
    rows = [dataclasses.asdict(row) for row in ROWS]
    return {"machine": "a machine", "limits": [1e11, 1e10], "rows": rows}
