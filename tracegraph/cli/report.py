"""``tracegraph report``: the interactive report of a function or of what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from compiler.ir.errors import TracegraphError
from compiler.passes.pipeline import parse_pipeline
from tracegraph.cli.arguments import parse_arguments
from tracegraph.cli.artifact import is_artifact
from tracegraph.cli.errors import Failure, user_code
from tracegraph.cli.graph_file import read_graph
from tracegraph.cli.options import OUTPUT_FILE, device_option, seed_option, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import artifact_of, is_graph_file
from tracegraph.cli.targets import load_function
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.devices import device as described
from tracegraph.report import Report, report_graph


@click.command("report", short_help="Write an interactive report as one HTML file.")
@subject_options
@click.option("--pipeline", metavar="TEXT", help="The passes to run on a graph file.")
@click.option("--profile", is_flag=True, help="Run the function and show measured times.")
@seed_option()
@device_option
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
    profile: bool,
    seed: int,
    device: str | None,
    output: Path,
) -> None:
    """Write an interactive report of a function, a graph file such as step.tg, or an artifact.

    The page needs no network. Nothing is run without --profile. The exit code is 1 if the function
    fails to trace; the report then shows the error, its line, and what was traced before it.
    """
    spec = None if device is None else described(device)
    in_file = is_graph_file(target) or is_artifact(target)
    _refuse(["--profile"] if profile and in_file else [], target)
    if is_graph_file(target):
        _refuse([*args, *kwargs, *static], target)
        report = _of_graph(target, pipeline, spec)
    else:
        _refuse([] if pipeline is None else ["--pipeline"], target)
        call = _call(target, args, kwargs, static, seed if profile else None)
        with user_code():  # which runs with --profile
            report = call(profile=profile, device=spec)
    write(report.html, output)
    click.echo(str(output))
    if report.error is not None:
        where = report.content["error"]["where"]
        place = f"\n  where: {where}" if where else ""
        raise Failure(f"{type(report.error).__name__}: {report.error}{place}")


def _of_graph(target: str, pipeline: str | None, device: DeviceSpec | None) -> Report:
    graph, text = read_graph(target, pipeline)
    return report_graph(graph, parse_pipeline(text), device)


def _call(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    seed: int | None,
) -> Callable[..., Report]:
    """What makes the report of a function or an artifact; with a seed its arguments are arrays."""
    if is_artifact(target):
        artifact = artifact_of(target, args, kwargs, static)
        return partial(artifact.function.report, *artifact.args, **artifact.kwargs)
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs)
    found = arguments.abstract() if seed is None else arguments.make(seed)
    return partial(function.report, *found.args, **found.kwargs)


def _refuse(given: Sequence[str], target: str) -> None:
    """Returns if nothing was given that the target has no use for."""
    if not given:
        return
    raise TracegraphError(
        f"{target} has no use for {given[0]}",
        where="the command line",
        expected="--arg, --kwarg, --static and --profile for a function, --pipeline for a graph "
        "file",
        found=given[0],
        hint="leave it out; the passes of a function are those of tracegraph.function(passes=...)",
    )
