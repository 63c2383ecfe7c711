"""``python -m benchmarks [NAME ...]``: runs the suites and prints one table."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import jax
import jaxlib
import rich
from rich.table import Table

from benchmarks import (
    checks,
    code_generator,
    contexts,
    demo_step,
    dispatch,
    first_call,
    kernels,
    pipeline_cost,
    pipeline_scale,
    rewrites,
    state,
    warm_start,
)
from benchmarks.timing import Comparison

SUITES: Final[dict[str, Callable[[], Iterator[Comparison]]]] = {
    "dispatch": dispatch.run,
    "first-call": first_call.run,
    "demo-step": demo_step.run,
    "rewrites": rewrites.run,
    "kernels": kernels.run,
    "code-generator": code_generator.run,
    "contexts": contexts.run,
    "pipeline-cost": pipeline_cost.run,
    "pipeline-scale": pipeline_scale.run,
    "checks": checks.run,
    "state": state.run,
    "warm-start": warm_start.run,
}
ONLY_BY_NAME: Final = frozenset({"contexts"})
"""A thousand rows to read the slow ones of, not to keep."""

RESULTS: Final = Path(__file__).parent / "results"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(SUITES)))
@click.option("--keep", is_flag=True, help="Write the table to benchmarks/results.")
def main(names: tuple[str, ...], keep: bool) -> None:
    """Measures the named suites against plain jax.jit, or all but that of contexts."""
    rows: list[Comparison] = []
    for name in names or (name for name in SUITES if name not in ONLY_BY_NAME):
        for comparison in SUITES[name]():
            rows.append(comparison)
            verdict = "holds" if comparison.holds else "MISSED"
            print(
                f"{comparison.name}: ratio {comparison.ratio:.3f}, bar {comparison.bar} {verdict}"
            )
    rich.print(_table(rows))
    if keep:
        _write(rows)


def _table(rows: list[Comparison]) -> Table:
    table = Table(title=f"tracegraph against jax.jit, {machine()}")
    table.add_column("measured")
    for column in ("jax.jit ms", "tracegraph ms", "ratio", "bar"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Comparison) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.jit * 1e3:.4g}",
        f"{row.tracegraph * 1e3:.4g}",
        f"{row.ratio:.3f}",
        f"{row.bar:.2f}",
    )


def _write(measured: list[Comparison]) -> None:
    """Keeps the rows measured now in the place of the ones of the same name; the others stay."""
    RESULTS.mkdir(exist_ok=True)
    kept = {row.name: row for row in (*_kept(), *measured)}
    rows = list(kept.values())
    lines = [
        f"Medians of interleaved pairs, {machine()}. Ratios are tracegraph's time over jax.jit's.",
        "",
        "| measured | jax.jit ms | tracegraph ms | ratio | bar |",
        "|---|---:|---:|---:|---:|",
        *("| " + " | ".join(_cells(row)) + " |" for row in rows),
    ]
    (RESULTS / "results.md").write_text("\n".join(lines) + "\n")
    data = {"machine": machine(), "rows": [dataclasses.asdict(row) for row in rows]}
    (RESULTS / "results.json").write_text(json.dumps(data, indent=2) + "\n")


def _kept() -> list[Comparison]:
    """The rows of the last run on a machine like this; none if it was another."""
    file = RESULTS / "results.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    return [Comparison(**row) for row in data.get("rows", ()) if data["machine"] == machine()]


def machine() -> str:
    """What measures: device, processor and versions."""
    return (
        f"{jax.device_count()} {jax.default_backend()} device, {platform.machine()}, "
        f"Python {platform.python_version()}, jax {jax.__version__}, jaxlib {jaxlib.__version__}"
    )


if __name__ == "__main__":
    main()
