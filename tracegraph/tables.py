"""The pass table as rich draws it: what every pass did to a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from compiler.passes.manager import PassRun


def pass_table(runs: Sequence[PassRun], title: str) -> Table:
    """One row per pass, in order: ops before and after, changes, milliseconds."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("pass", overflow="fold")
    for heading in ("ops before", "ops after", "changes", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        counts = (run.ops_before, run.ops_after, run.changes)
        table.add_row(escape(run.title), *map(str, counts), f"{run.milliseconds:.2f}")
    return table
