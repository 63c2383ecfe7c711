"""What is kept of the peers' medians: one file, read by the suite's table, page and plot.

Imports nothing but the standard library: the plot is drawn in an environment without jax.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

JIT: Final = "jax.jit"
"""One of the two sides of the suite, which are measured once more as the peers are: alone."""

OURS: Final = "tracegraph"
"""The other one."""

FILE: Final = Path(__file__).parents[1] / "results" / "peers.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of a peer gave.

    Attributes:
        peer: what the table calls it.
        setting: its versions, the number of threads and the machine.
        seconds: the median seconds of a call, by the workload's name.
    """

    peer: str
    setting: str
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Peers:
    """The medians of all peers.

    Attributes:
        settings: versions, threads and machine, by the peer's name.
        seconds: the median seconds of a call, by the workload's name and then the peer's.
    """

    settings: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    def of(self, workload: str) -> dict[str, float]:
        """The medians of a workload by the peer's name; empty where no peer has it."""
        return self.seconds.get(workload, {})


def merged(kept: Peers, new: Measured) -> Peers:
    """The kept medians with the new ones in their place.

    What the same peer measured in another setting is dropped, since it compares with nothing.
    """
    same = kept.settings.get(new.peer) == new.setting
    seconds = {
        workload: {peer: value for peer, value in row.items() if same or peer != new.peer}
        for workload, row in kept.seconds.items()
    }
    for workload, value in new.seconds.items():
        seconds[workload] = {**seconds.get(workload, {}), new.peer: value}
    rows = {workload: row for workload, row in seconds.items() if row}
    return Peers({**kept.settings, new.peer: new.setting}, rows)


def read(file: Path = FILE) -> Peers:
    """What the file has; nothing if there is none."""
    if not file.exists():
        return Peers()
    data = json.loads(file.read_text(encoding="utf-8"))
    return Peers(data["settings"], data["seconds"])


def write(peers: Peers, file: Path = FILE) -> None:
    """Keeps the medians."""
    file.parent.mkdir(exist_ok=True)
    data = {"settings": peers.settings, "seconds": peers.seconds}
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
