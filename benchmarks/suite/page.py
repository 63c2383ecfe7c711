"""The results in ``docs/speed.md``: tables, verdicts and picture, made from the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.results import Peers
from benchmarks.suite.measure import Row
from benchmarks.suite.report import conditions, markdown_peers, markdown_table, verdicts
from benchmarks.suite.titles import TITLES

PAGE: Final = Path(__file__).parents[2] / "docs" / "speed.md"
BEGIN: Final = "<!-- the results begin: scripts/build-speed-page writes them -->"
END: Final = "<!-- the results end -->"


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
    lines = [
        "## Results",
        "",
        f"{conditions(suite['machine'], tuple(suite['limits']))} Numerics level {levels}.",
        "",
        *(f"- {line}" for line in verdicts(rows)),
        "",
        "![Times as fast as plain jax.jit, by workload](speed.svg)",
    ]
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        lines += ["", f"### {TITLES.get(group, group)}", "", *markdown_table(members)]
    beside = markdown_peers(rows, peers)
    return [*lines, *(["", "### Beside the peers", *beside] if beside else []), ""]
