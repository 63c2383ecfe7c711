"""``python -m benchmarks.suite [NAME ...]``: measures the speed suite and prints one table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from benchmarks.__main__ import machine
from benchmarks.peers.results import read
from benchmarks.suite.limits import limits
from benchmarks.suite.measure import Row, measure
from benchmarks.suite.report import markdown, peer_table, peer_verdicts, peers_of, table, verdicts
from benchmarks.suite.workload import Workload
from benchmarks.suite.workloads import GROUPS
from compiler.rewrite.numerics import LEVELS

RESULTS: Final = Path(__file__).parents[1] / "results"


WIDE: Final = 200
"""Columns of what is written to a file or a pipe, which have no width of their own."""


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--level",
    type=click.Choice(list(LEVELS)),
    default="rounding",
    show_default=True,
    help="Numerics level of the tracegraph side.",
)
@click.option("--keep", is_flag=True, help="Write the table to benchmarks/results.")
def main(names: tuple[str, ...], level: str, keep: bool) -> None:
    """Measures the workloads whose names or groups contain one of NAMES, or all of them."""
    if names and keep:
        raise click.UsageError("--keep would put some of the suite in the place of all of it")
    chosen = _chosen(names)
    machine_limits = limits()
    rows: list[Row] = []
    for group, workload in chosen:
        row = measure(workload, group, level, machine_limits)
        rows.append(row)
        by_hand = f" (by hand {row.by_hand:.2f}x)" if row.by_hand else ""
        line = f"{row.name}: {row.speedup:.2f}x{by_hand}, first call {row.first_call:.2f}"
        print(line, flush=True)
    peers = read()
    console = _console()
    console.print(table(rows, machine(), console.width))
    if peers_of(rows, peers):
        console.print(peer_table(rows, peers))
    flops, stream = machine_limits
    print(f"machine: {flops / 1e9:.0f} GFLOP/s, {stream / 1e9:.1f} GB/s")
    for line in (*verdicts(rows), *peer_verdicts(rows, peers)):
        print(line)
    if keep:
        RESULTS.mkdir(exist_ok=True)
        data = {
            "machine": machine(),
            "limits": machine_limits,
            "rows": [dataclasses.asdict(r) for r in rows],
        }
        text = markdown(rows, machine(), machine_limits, peers)
        (RESULTS / "suite.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "suite.md").write_text(text, encoding="utf-8")


def _chosen(names: Sequence[str]) -> list[tuple[str, Workload]]:
    """The workloads with their groups.

    Raises:
        click.BadParameter: a name fits none.
    """
    every = [(group, one) for group, workloads in GROUPS.items() for one in workloads]
    titles = [f"{group}: {one.name}" for group, one in every]
    for name in names:
        if not any(name in title for title in titles):
            raise click.BadParameter(f"no workload or group has {name!r} in its name")
    fits = [not names or any(name in title for name in names) for title in titles]
    return [one for one, is_chosen in zip(every, fits, strict=True) if is_chosen]


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


if __name__ == "__main__":
    main()
