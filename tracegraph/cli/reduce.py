"""``tracegraph reduce``: shrinks a graph on which a pipeline fails."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.lowering.failing import FailingStep, WrongValues, failing_steps
from compiler.lowering.reduce import Progress, Size, reduce_graph, size_of
from compiler.passes.pipeline import Pipeline, parse_pipeline
from compiler.rewrite.numerics import LEVELS, parse_level
from tracegraph.cli.graph_file import STDIN, display_name, read_graph
from tracegraph.cli.options import OUTPUT_FILE
from tracegraph.cli.output import write

PASSES: Final = "passes"
VALUES: Final = "values"
Way = FailingStep | WrongValues


@click.command("reduce", short_help="Shrink a graph on which a pass fails.")
@click.argument("file", metavar="FILE.tg")
@click.option(
    "--pipeline",
    metavar="TEXT",
    help="The passes that fail. Default: those that the file's first lines name, as a "
    "reproducer's do, else the default pipeline.",
)
@click.option(
    "--check",
    type=click.Choice([PASSES, VALUES]),
    default=PASSES,
    show_default=True,
    help="What fails: a pass raises or leaves a broken graph, or the results have other values "
    "after the passes than before.",
)
@click.option(
    "--numerics",
    type=click.Choice(list(LEVELS)),
    default="exact",
    show_default=True,
    help="How far values may differ.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Stop with the smallest graph so far after this long.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Where to write it. Default: FILE.reduced.tg; stdout for a graph from stdin.",
)
def command(
    file: str,
    pipeline: str | None,
    check: str,
    numerics: str,
    max_seconds: float,
    output: Path | None,
) -> None:
    """Find a smaller graph that fails as the one in FILE.tg, or in stdin for -, does.

    Each smaller graph is reported on stderr. The result names the pipeline in its first lines, so
    that `tracegraph opt` shows the failure again.
    """
    graph, text = read_graph(file, pipeline)
    steps = parse_pipeline(text)
    way = _way_of(graph, steps, check, numerics, file)
    click.echo(f"{way}: {size_of(graph)}", err=True)
    smallest, progress = reduce_graph(graph, way, max_seconds=max_seconds, progress=_report)
    target = (
        output if output is not None or file == STDIN else Path(file).with_suffix(".reduced.tg")
    )
    write(f"// pipeline: {steps}\n// {way}\n{print_graph(smallest)}", target)
    click.echo(_summary(size_of(graph), progress, target), err=True)


def _way_of(graph: Graph, pipeline: Pipeline, check: str, numerics: str, file: str) -> Way:
    """How the graph fails.

    Raises:
        TracegraphError: it does not.
    """
    if check == VALUES:
        way = WrongValues(pipeline, parse_level(numerics))
        if way(graph):
            return way
        raise _no_failure(graph, pipeline, file, "results that differ", "the same results")
    first = next(failing_steps(graph, pipeline), None)
    if first is not None:
        return first
    raise _no_failure(graph, pipeline, file, "a pass that fails", "no pass failed")


def _no_failure(
    graph: Graph, pipeline: Pipeline, file: str, expected: str, found: str
) -> TracegraphError:
    return TracegraphError(
        "there is nothing to reduce: the pipeline does not fail on this graph",
        where=f"graph @{graph.name} in {display_name(file)}",
        expected=expected,
        found=f"{found} with the pipeline {pipeline}",
        hint="name the passes that fail with --pipeline; wrong values are found by --check values",
    )


def _report(progress: Progress) -> None:
    click.echo(f"  {progress.size} after {progress.seconds:.1f} s", err=True)


def _summary(before: Size, progress: Progress, target: Path | None) -> str:
    place = f", written to {target}" if target is not None else ""
    return (
        f"from {before} to {progress.size.ops} in {progress.seconds:.1f} s, "
        f"{progress.kept} of {progress.tried} smaller graphs failed in the same way{place}"
    )
