"""``tracegraph report``: the interactive report of a function or of what a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from compiler.ir.errors import TracegraphError
from compiler.passes.pipeline import parse_pipeline
from tracegraph.cli.arguments import parse_arguments
from tracegraph.cli.artifact import is_artifact
from tracegraph.cli.errors import Failure
from tracegraph.cli.graph_file import read_graph
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import artifact_of, is_graph_file
from tracegraph.cli.targets import load_function
from tracegraph.report import Report, report_graph


@click.command("report", short_help="Write an interactive report as one HTML file.")
@subject_options
@click.option("--pipeline", metavar="TEXT", help="The passes to run on a graph file.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=OUTPUT_FILE,
    default=Path("report.html"),
    show_default=True,
    help="Where to write it.",
)
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    pipeline: str | None,
    output: Path,
) -> None:
    """Write an interactive report of a function, a graph file such as step.tg, or an artifact.

    The page needs no network. The exit code is 1 if the function fails to trace; the report then
    shows the error, its line, and what was traced before it.
    """
    if is_graph_file(target):
        _refuse([*args, *kwargs, *static], target)
        report = _of_graph(target, pipeline)
    else:
        _refuse([] if pipeline is None else [pipeline], target)
        report = _of_function(target, args, kwargs, static)
    write(report.html, output)
    click.echo(str(output))
    if report.error is not None:
        raise Failure(f"{type(report.error).__name__}: {report.error}")


def _of_graph(target: str, pipeline: str | None) -> Report:
    graph, text = read_graph(target, pipeline)
    return report_graph(graph, parse_pipeline(text))


def _of_function(
    target: str, args: Sequence[str], kwargs: Sequence[str], static: Sequence[str]
) -> Report:
    if is_artifact(target):
        artifact = artifact_of(target, args, kwargs, static)
        return artifact.function.report(*artifact.args, **artifact.kwargs)
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs).abstract()
    return function.report(*arguments.args, **arguments.kwargs)


def _refuse(given: Sequence[str], target: str) -> None:
    """Returns if nothing was given that the target has no use for."""
    if not given:
        return
    raise TracegraphError(
        f"{target} has no use for {given[0]}",
        where="the command line",
        expected="--arg, --kwarg and --static for a function, --pipeline for a graph file",
        found=given[0],
        hint="leave it out; a decorated function says itself which passes it runs",
    )
