"""The table of the speed suite, and what it says about the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from rich.table import Table

from benchmarks.peers.results import JIT, OURS, Peers
from benchmarks.suite.measure import Row

NEVER_SLOWER: Final = 0.97
CLEARLY_FASTER: Final = 1.5
FIRST_CALL: Final = 1.05
MEMORY: Final = 1.05
OF_A_LEAD: Final = 0.7
"""What has to be reached of the speed-up that a rewriting by hand gives."""

SAME: Final = "same program"

_HEAD: Final = (
    "jit ms",
    "tracegraph ms",
    "speed-up",
    "by hand here",
    "by hand there",
    "other levels",
    "of the limit",
    "first call",
    "memory",
    "difference",
    "fired",
)

_LEFT_OUT: Final = ("by hand here", "by hand there", "other levels", "of the limit", "fired")
_TEXT: Final = ("workload", "other levels", "fired")
_FULL: Final = 180
"""Columns of a terminal on which everything fits; on a narrower one some figures are left out."""


def table(rows: Sequence[Row], title: str, width: int) -> Table:
    """The rows for a terminal of so many columns; a narrow one shows the figures alone."""
    shown = [i for i, name in enumerate(_HEAD) if width >= _FULL or name not in _LEFT_OUT]
    head = ["workload", *(_HEAD[i] for i in shown)]
    cells = [(row.name, _cells(row)) for row in rows]
    found = [(name, *(one[i] for i in shown)) for name, one in cells]
    return _terminal(f"speed-up over jax.jit, {title}", head, found)


def peer_table(rows: Sequence[Row], peers: Peers) -> Table:
    """The peers' medians beside ours for a terminal."""
    return _terminal("beside the peers", _peer_head(rows, peers), _peer_rows(rows, peers))


def _terminal(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    found = Table(title=title, show_edge=False)
    for name in head:
        is_text = name in _TEXT  # of which rich cuts lines, and not the figures
        header = name if is_text else name.replace(" ", "\n")
        side = "left" if name == head[0] else "right"
        found.add_column(header, justify=side, overflow="fold", no_wrap=not is_text)
    for row in rows:
        found.add_row(*row)
    return found


def markdown(rows: Sequence[Row], title: str, limits: tuple[float, float], peers: Peers) -> str:
    """The rows as a page, with the verdicts below, and then the peers."""
    lines = [
        conditions(title, limits),
        "",
        *markdown_table(rows),
        "",
        *(f"- {line}" for line in verdicts(rows)),
        *markdown_peers(rows, peers),
    ]
    return "\n".join(lines) + "\n"


def conditions(title: str, limits: tuple[float, float]) -> str:
    """What the figures were measured on."""
    return (
        f"Medians of interleaved pairs, {title}; the machine does {limits[0] / 1e9:.0f} GFLOP/s "
        f"in a product of 2048 x 2048 matrices and {limits[1] / 1e9:.1f} GB/s in a triad."
    )


def markdown_table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table of the rows."""
    return [
        "| " + " | ".join(("workload", *_HEAD)) + " |",
        "|---|" + "---:|" * (len(_HEAD) - 1) + "---|",
        *("| " + " | ".join((row.name, *_cells(row))) + " |" for row in rows),
    ]


def markdown_peers(rows: Sequence[Row], peers: Peers) -> list[str]:
    """The lines that show the peers' medians beside ours, and who is ahead; none without peers."""
    names = peers_of(rows, peers)
    if not names:
        return []
    return [
        "",
        f"Medians of {'; '.join(f'{name} ({peers.settings[name]})' for name in names)}.",
        "",
        "| " + " | ".join(_peer_head(rows, peers)) + " |",
        "|---|" + "---:|" * (2 + len(names)),
        *("| " + " | ".join(cells) + " |" for cells in _peer_rows(rows, peers)),
        "",
        *(f"- {line}" for line in peer_verdicts(rows, peers)),
    ]


def peers_of(rows: Sequence[Row], peers: Peers) -> tuple[str, ...]:
    """The peers that measured any of the rows, in the order of the file."""
    others = [name for name in peers.settings if name not in (JIT, OURS)]
    return tuple(name for name in others if any(name in peers.of(row.name) for row in rows))


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One line for each goal: the figure, the bar, and whether it holds."""
    programs = [row.speedup for row in rows if row.group == "programs"]
    largest = max(rows, key=lambda row: row.memory)
    wrong = [row.name for row in rows if not row.is_right]
    lines = [
        *_slowest(rows),
        _verdict("first call, geometric mean", _mean(r.first_call for r in rows), FIRST_CALL),
        _verdict(f"largest peak memory, {largest.name}", largest.memory, MEMORY),
        f"values: {'all agree' if not wrong else 'DIFFER in ' + ', '.join(wrong)}",
    ]
    if programs:
        mean = _mean(programs)
        lines.append(
            _verdict("whole programs, geometric mean", mean, CLEARLY_FASTER, at_least=True)
        )
    here = {row.name: row.speedup / row.by_hand for row in rows if row.by_hand}
    there = {row.name: row.speedup / row.lead for row in rows if row.lead}
    return [*lines, *_of_leads("by hand here", here), *_of_leads("by hand there", there)]


def _slowest(rows: Sequence[Row]) -> list[str]:
    """The slowest row, and the slowest one whose program is another than jit's."""
    slowest = min(rows, key=lambda row: row.speedup)
    name = f"slowest, {slowest.name}" + (f" ({SAME})" if slowest.same_program else "")
    lines = [_verdict(name, slowest.speedup, NEVER_SLOWER, at_least=True)]
    others = [row for row in rows if not row.same_program]
    if slowest.same_program and others:
        other = min(others, key=lambda row: row.speedup)
        name = f"slowest of another program than jit's, {other.name}"
        lines.append(_verdict(name, other.speedup, NEVER_SLOWER, at_least=True))
    return lines


def _of_leads(which: str, shares: dict[str, float]) -> list[str]:
    """On how many of the programs enough of what a rewriting gives is reached, and where not."""
    if not shares:
        return []
    short = [f"{name} ({share:.2f})" for name, share in shares.items() if share < OF_A_LEAD]
    reached = f"{len(shares) - len(short)} of {len(shares)}"
    line = f"at least {OF_A_LEAD} of the speed-up {which} on {reached}"
    return [line + (f"; MISSED on {', '.join(short)}" if short else " holds")]


def peer_verdicts(rows: Sequence[Row], peers: Peers) -> list[str]:
    """One line for each peer: on how many of its rows ours is faster, and where it is not."""
    lines: list[str] = []
    for name in peers_of(rows, peers):
        theirs = [(row, peers.of(row.name)[name]) for row in rows if name in peers.of(row.name)]
        ratios = {row.name: seconds / _alone(row, peers)[1] for row, seconds in theirs}
        behind = [f"{row} ({ratio:.2f})" for row, ratio in ratios.items() if ratio <= 1]
        line = f"ahead of {name} on {len(ratios) - len(behind)} of {len(ratios)}"
        lines.append(line + (f"; not on {', '.join(behind)}" if behind else ""))
    return lines


def _alone(row: Row, peers: Peers) -> tuple[float, float]:
    """The seconds of jit and of tracegraph, measured as the peers are where that was done."""
    seconds = peers.of(row.name)
    return seconds.get(JIT, row.jit), seconds.get(OURS, row.ours)


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
        f"{row.by_hand:.2f}" if row.by_hand else "",
        f"{row.lead:.2g}" if row.lead else "",
        ", ".join(f"{level} {ratio:.2f}" for level, ratio in row.levels.items()),
        f"{row.floor / row.ours:.0%}" if row.floor > 0 else "",  # XLA counts less than none of some
        f"{row.first_call:.2f}",
        f"{row.memory:.2f}",
        f"{row.difference:.1e}",
        ", ".join((*row.fired, *([SAME] if row.same_program else []))) or "-",
    )


def _peer_head(rows: Sequence[Row], peers: Peers) -> tuple[str, ...]:
    return ("workload", *_HEAD[:2], *(f"{name} ms" for name in peers_of(rows, peers)))


def _peer_rows(rows: Sequence[Row], peers: Peers) -> list[tuple[str, ...]]:
    """The rows that a peer has, our medians and theirs; a dash where one has none."""
    names = peers_of(rows, peers)
    found: list[tuple[str, ...]] = []
    for row in rows:
        seconds = peers.of(row.name)
        if any(name in seconds for name in names):
            theirs = (f"{seconds[name] * 1e3:.3g}" if name in seconds else "-" for name in names)
            ours = (f"{one * 1e3:.3g}" for one in _alone(row, peers))
            found.append((row.name, *ours, *theirs))
    return found
