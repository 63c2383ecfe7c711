"""``python -m benchmarks.suite.plot``: draws ``docs/speed.svg`` from the kept results.

Needs matplotlib (the extra ``bench``) and nothing else: neither jax nor this project's packages.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.results import JIT, OURS, Peers, read

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results" / "suite.json"
PICTURE: Final = ROOT / "docs" / "speed.svg"
NO_MATPLOTLIB: Final = "The plot needs matplotlib: `make speed`, or pip install 'tracegraph[bench]'"
NO_RESULTS: Final = "There is nothing to draw: `make bench` writes benchmarks/results/suite.json"


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of the plot: how many times as fast as plain ``jax.jit`` ours and the peers are."""

    name: str
    group: str
    speedup: float
    peers: dict[str, float]


def bars(rows: Sequence[dict[str, Any]], peers: Peers) -> list[Bar]:
    """The rows of the result file as bars: one group after another, the fastest first in each."""
    found = [
        Bar(row["name"], row["group"], row["speedup"], _beside(row, peers.of(row["name"])))
        for row in rows
    ]
    places = {group: place for place, group in enumerate(dict.fromkeys(b.group for b in found))}
    return sorted(found, key=lambda bar: (places[bar.group], -bar.speedup))


def _beside(row: dict[str, Any], seconds: dict[str, float]) -> dict[str, float]:
    """How many times as fast as jit the peers are.

    Where tracegraph was measured as they are, a peer's mark lies beyond the end of tracegraph's bar
    if it is faster, and within if it is slower, by as much as that measurement says.
    """
    unit = row["speedup"] * seconds[OURS] if OURS in seconds else row["jit"]
    return {name: unit / theirs for name, theirs in seconds.items() if name not in (JIT, OURS)}


def digest(found: Sequence[Bar]) -> str:
    """A word for the figures that a picture shows; it stands in the picture's description."""
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def main() -> int:
    """Draws the picture, or says in one line what is missing."""
    if not RESULTS.exists():
        print(NO_RESULTS, file=sys.stderr)
        return 1
    try:
        from benchmarks.suite.drawing import draw
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print(NO_MATPLOTLIB, file=sys.stderr)
        return 1
    found = bars(json.loads(RESULTS.read_text(encoding="utf-8"))["rows"], read())
    draw(found, PICTURE, digest(found))
    print(PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
