"""``tracegraph kernels``: what XLA made of a function or a graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tracegraph.cli.errors import user_code
from tracegraph.cli.lowered import lowered, runnable
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import load_subject
from tracegraph.executable.report import compiled_text, kernel_report


@click.command("kernels", short_help="Show what XLA made of a function.")
@subject_options
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    output: Path | None,
) -> None:
    """Compile for this machine and show every kernel with its operations and lines.

    A graph from a file has lost the objects that carry lines: its kernels are traced back by name.
    """
    subject = load_subject(target, args, kwargs, static)
    subject.check_runnable()
    graph = subject.optimized if subject.trace else runnable(subject.optimized)
    with user_code():
        low = lowered(graph) if subject.trace is None else subject.trace.lower()
        text = compiled_text(low.compile())
    write(str(kernel_report(graph, text)), output)
