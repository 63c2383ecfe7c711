"""``tracegraph explain``: what a function is, what became of it, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from compiler.ir.errors import TracegraphError
from compiler.rewrite.numerics import LEVELS
from tracegraph.cli.errors import user_code
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import load_subject
from tracegraph.explain import explain_graph


@click.command("explain", short_help="Show what became of a function, and what to change.")
@subject_options
@click.option(
    "--numerics",
    type=click.Choice(list(LEVELS)),
    help="Numerics level of the rewrites, for the graph in a file.",
)
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    numerics: str | None,
    output: Path | None,
) -> None:
    """Show the heaviest lines, which rewrites fired or nearly did, and what to change."""
    subject = load_subject(target, args, kwargs, static)
    if subject.function is None or subject.artifact is not None:
        write(str(explain_graph(subject.captured, numerics)), output)
        return
    if numerics is not None:
        raise TracegraphError(
            f"--numerics cannot change {target}",
            where=f"--numerics {numerics}",
            expected="a graph in a file",
            found="a function, which has a level of its own",
            hint="say it in the decorator: @tg.function(numerics=...)",
        )
    with user_code():
        found = subject.function.explain(*subject.args, **(subject.kwargs or {}))
    write(str(found), output)
