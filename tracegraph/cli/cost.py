"""``tracegraph cost``: what a function or a graph costs, by line and module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tracegraph.cli.errors import user_code
from tracegraph.cli.lowered import lowered, runnable
from tracegraph.cli.options import OUTPUT_FILE, device_option, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import Subject, load_subject
from tracegraph.costs.devices import device as described
from tracegraph.costs.report import XlaCost, cost_report, xla_cost


@click.command("cost", short_help="Show what a function costs.")
@subject_options
@device_option
@click.option("--xla", is_flag=True, help="Compile the function and show XLA's own figures.")
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    device: str | None,
    xla: bool,
    output: Path | None,
) -> None:
    """Show what one run costs after all passes, by line and module; nothing is run.

    Of a saved artifact XLA's own figures are always shown.
    """
    spec = None if device is None else described(device)
    subject = load_subject(target, args, kwargs, static)
    figures = None
    if xla or subject.artifact is not None:
        figures = _xla_figures(subject)
    write(str(cost_report(subject.optimized, spec, figures)), output)


def _xla_figures(subject: Subject) -> XlaCost:
    """What XLA says of the function, or of the graph in a file."""
    subject.check_runnable()
    with user_code():
        if subject.trace is not None:
            return xla_cost(subject.trace.lower().compile())
        return xla_cost(lowered(runnable(subject.optimized)).compile())
