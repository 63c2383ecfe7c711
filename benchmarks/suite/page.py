"""The results in ``docs/speed.md``: tables, verdicts and picture, made from the result files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.results import Peers
from benchmarks.suite.measure import Row
from benchmarks.suite.report import (
    conditions,
    markdown_table,
    peer_verdicts,
    peers_of,
    verdicts,
)

PAGE: Final = Path(__file__).parents[2] / "docs" / "speed.md"
BEGIN: Final = "<!-- the results begin: scripts/build-speed-page writes them -->"
END: Final = "<!-- the results end -->"

_TITLES: Final = {
    "programs": "Whole programs",
    "ops": "Single ops",
    "no pattern": "Programs without any pattern",
}


def page_with_results(text: str, suite: dict[str, Any] | None, peers: Peers) -> str:
    """The page with its results made anew; with none between the marks where there are none.

    Args:
        text: the page.
        suite: what ``benchmarks/results/suite.json`` holds, or None if there is no such file.
        peers: the medians of the peers.

    Raises:
        ValueError: the page has no marks between which the results stand.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lost the marks around its results")
    lines = _results(suite, peers) if suite else []
    return f"{before}{BEGIN}\n\n" + "".join(f"{line}\n" for line in lines) + f"{END}{after}"


def rows_of(suite: dict[str, Any]) -> list[Row]:
    """The rows of the result file."""
    return [Row(**{**row, "fired": tuple(row["fired"])}) for row in suite["rows"]]


def read_suite(file: Path) -> dict[str, Any] | None:
    """What the result file holds; None if there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _results(suite: dict[str, Any], peers: Peers) -> list[str]:
    rows = rows_of(suite)
    levels = " and ".join(f"`{level}`" for level in dict.fromkeys(row.level for row in rows))
    return [
        "## Results",
        "",
        f"{conditions(suite['machine'], tuple(suite['limits']))} Numerics level {levels}.",
        "",
        *_peers(rows, peers),
        *(f"- {line}" for line in (*verdicts(rows), *peer_verdicts(rows, peers))),
        "",
        "![Times as fast as plain jax.jit, by workload](speed.svg)",
        "",
        *(
            line
            for group in dict.fromkeys(r.group for r in rows)
            for line in _group(group, rows, peers)
        ),
    ]


def _peers(rows: Sequence[Row], peers: Peers) -> list[str]:
    names = peers_of(rows, peers)
    if not names:
        return []
    found = "; ".join(f"{name}: {peers.settings[name]}" for name in names)
    return [f"Peers: {found}.", ""]


def _group(group: str, rows: Sequence[Row], peers: Peers) -> list[str]:
    members = [row for row in rows if row.group == group]
    return [f"### {_TITLES.get(group, group)}", "", *markdown_table(members, peers), ""]
