"""``tracegraph opt``: runs a pipeline on a graph in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.passes.instruments import Instrument, OrderedEffects, Snapshots, Verify
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import parse_pipeline
from tracegraph.cli.errors import Failure
from tracegraph.cli.graph_file import display_name, read_graph
from tracegraph.cli.options import OUTPUT_FILE
from tracegraph.cli.output import write
from tracegraph.tables import pass_table


@click.command("opt", short_help="Run passes on a graph in a file.")
@click.argument("file", metavar="FILE.tg")
@click.option(
    "--pipeline",
    metavar="TEXT",
    help="The passes to run, such as inline,cse,dce. Default: the pipeline that the file's first "
    "lines name, as a reproducer's do, else the default one.",
)
@click.option(
    "--verify-each", is_flag=True, help="Check the graph and its ordered effects after every pass."
)
@click.option(
    "--print-after-each", is_flag=True, help="Show the graph after every change on stderr."
)
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    file: str, pipeline: str | None, verify_each: bool, print_after_each: bool, output: Path | None
) -> None:
    """Run passes on the graph in FILE.tg, or in stdin for -, and print the result.

    The pass table goes to stderr.
    """
    graph, steps = read_graph(file, pipeline)
    snapshots = Snapshots()
    checks = (Verify(), OrderedEffects()) if verify_each else ()
    result = _run(graph, steps, (*checks, snapshots))
    if print_after_each:
        for title, stage in snapshots.stages:
            click.echo(f"// after {title}\n{print_graph(stage)}", err=True)
    _check(result, display_name(file))
    write(print_graph(result.graph), output)
    Console(stderr=True).print(pass_table(result.runs, f"passes of {graph.name}"))


def _run(graph: Graph, pipeline: str, instruments: Sequence[Instrument]) -> Result:
    return PassManager(parse_pipeline(pipeline), tuple(instruments)).run(graph)


def _check(result: Result, file: str) -> None:
    """Ends the command if a pass failed."""
    messages = [
        TracegraphError(
            f"{failure.name} failed",
            where=f"graph @{result.graph.name} in {file}",
            found=f"{type(failure.error).__name__}: {failure.error}",
            hint="report the pass with this file; without it in --pipeline, the others run",
        )
        for failure in result.failures
    ]
    if messages:
        raise Failure("\n".join(map(str, messages)))
