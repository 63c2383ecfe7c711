"""The table of the speed suite, and what it says about the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from rich.table import Table

from benchmarks.suite.measure import Row

NEVER_SLOWER: Final = 0.97
CLEARLY_FASTER: Final = 1.5
FIRST_CALL: Final = 1.05
MEMORY: Final = 1.05

_HEAD: Final = (
    "jit ms",
    "tracegraph ms",
    "speed-up",
    "of the limit",
    "first call",
    "memory",
    "difference",
    "fired",
)


def table(rows: Sequence[Row], title: str) -> Table:
    """The rows for a terminal."""
    found = Table(title=f"speed-up over jax.jit, {title}")
    found.add_column("workload")
    for name in _HEAD:
        found.add_column(name, justify="right")
    for row in rows:
        found.add_row(row.name, *_cells(row))
    return found


def markdown(rows: Sequence[Row], title: str, limits: tuple[float, float]) -> str:
    """The rows as a page, with the verdicts below."""
    lines = [
        f"Medians of interleaved pairs, {title}; the machine does {limits[0] / 1e9:.0f} GFLOP/s "
        f"in a product of 2048 x 2048 matrices and {limits[1] / 1e9:.1f} GB/s in a triad.",
        "",
        "| " + " | ".join(("workload", *_HEAD)) + " |",
        "|---|" + "---:|" * (len(_HEAD) - 1) + "---|",
        *("| " + " | ".join((row.name, *_cells(row))) + " |" for row in rows),
        "",
        *(f"- {line}" for line in verdicts(rows)),
    ]
    return "\n".join(lines) + "\n"


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One line for each goal: the figure, the bar, and whether it holds."""
    programs = [row.speedup for row in rows if row.group == "programs"]
    slowest = min(rows, key=lambda row: row.speedup)
    largest = max(rows, key=lambda row: row.memory)
    wrong = [row.name for row in rows if not row.is_right]
    lines = [
        _verdict(f"slowest, {slowest.name}", slowest.speedup, NEVER_SLOWER, at_least=True),
        _verdict("first call, geometric mean", _mean(r.first_call for r in rows), FIRST_CALL),
        _verdict(f"largest peak memory, {largest.name}", largest.memory, MEMORY),
        f"values: {'all agree' if not wrong else 'DIFFER in ' + ', '.join(wrong)}",
    ]
    if programs:
        mean = _mean(programs)
        lines.append(
            _verdict("whole programs, geometric mean", mean, CLEARLY_FASTER, at_least=True)
        )
    return lines


def _mean(numbers: Iterable[float]) -> float:
    return statistics.geometric_mean(numbers)


def _verdict(what: str, found: float, bar: float, *, at_least: bool = False) -> str:
    holds = found >= bar if at_least else found <= bar
    side = "at least" if at_least else "at most"
    return f"{what}: {found:.3f}, {side} {bar} {'holds' if holds else 'MISSED'}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.jit * 1e3:.3g}",
        f"{row.ours * 1e3:.3g}",
        f"{row.speedup:.2f}",
        f"{row.floor / row.ours:.0%}" if row.ours else "",
        f"{row.first_call:.2f}",
        f"{row.memory:.2f}",
        f"{row.difference:.1e}",
        ", ".join(row.fired) or "-",
    )
