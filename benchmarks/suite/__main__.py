"""``python -m benchmarks.suite [NAME ...]``: measures the speed suite and prints one table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from benchmarks.__main__ import machine
from benchmarks.peers.results import read
from benchmarks.suite.limits import limits
from benchmarks.suite.measure import Row, measure
from benchmarks.suite.report import markdown, peer_table, peer_verdicts, peers_of, table, verdicts
from benchmarks.suite.workloads import GROUPS

RESULTS: Final = Path(__file__).parents[1] / "results"


WIDE: Final = 200
"""Columns of what is written to a file or a pipe, which have no width of their own."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--level", default="rounding", help="Numerics level of the tracegraph side.")
@click.option("--keep", is_flag=True, help="Write the table to benchmarks/results.")
def main(names: tuple[str, ...], level: str, keep: bool) -> None:
    """Measures the workloads whose names or groups contain one of NAMES, or all of them."""
    machine_limits = limits()
    rows: list[Row] = []
    for group, workloads in GROUPS.items():
        for workload in workloads:
            if names and not any(name in f"{group}: {workload.name}" for name in names):
                continue
            rows.append(measure(workload, group, level, machine_limits))
            row = rows[-1]
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
        (RESULTS / "suite.json").write_text(json.dumps(data, indent=1) + "\n")
        (RESULTS / "suite.md").write_text(markdown(rows, machine(), machine_limits, peers))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


if __name__ == "__main__":
    main()
