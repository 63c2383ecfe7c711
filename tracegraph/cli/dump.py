"""``tracegraph dump``: a graph, captured or after any pass, as text or in another format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.passes.instruments import Snapshots
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from tracegraph.cli.errors import suggest
from tracegraph.cli.lowered import runnable, stablehlo
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import Subject, load_subject
from tracegraph.exports.write import TEXTS
from tracegraph.program import Stage
from tracegraph.text.table import graph_table
from tracegraph.trace import Trace

CAPTURED: Final = "captured"
OPTIMIZED: Final = "optimized"
ALL: Final = "all"
STABLEHLO: Final = "stablehlo"


@click.command("dump", short_help="Show the graph of a function.")
@subject_options
@click.option(
    "--stage",
    default=OPTIMIZED,
    show_default=True,
    help="captured, optimized, all, or a pass that changed the graph: its name (for the last run) "
    "or its number.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*TEXTS, "table", STABLEHLO]),
    default="text",
    show_default=True,
)
@click.option("--locations", is_flag=True, help="Show where each op comes from.")
@click.option("--pipeline", metavar="TEXT", help="The passes to run instead of the function's own.")
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    stage: str,
    form: str,
    locations: bool,
    pipeline: str | None,
    output: Path | None,
) -> None:
    """Show the graph of a function, traced for the arguments given, or the graph in a file.

    Nothing is run. A saved artifact is one operation; --format stablehlo shows what is in it.
    """
    subject = load_subject(target, args, kwargs, static)
    stages = file_stages(subject.captured, pipeline)
    if subject.trace is not None:
        stages = all_stages(subject.trace, pipeline)
    chosen = choose_stages(stages, stage)
    if form == STABLEHLO:
        write(_stablehlo(subject, chosen), output)
        return
    write(_text(chosen, _writer(form, locations)), output)
    if subject.artifact is not None:
        shown = f"tracegraph dump {target} --format stablehlo"
        click.echo(f"what call_exported holds is shown by: {shown}", err=True)


def file_stages(graph: Graph, pipeline: str | None) -> Sequence[Stage]:
    """The graph of a file, and what a pipeline makes of it if one is given."""
    captured = Stage(CAPTURED, graph)
    if pipeline is None:
        return (captured, Stage(OPTIMIZED, graph))
    return (captured, *_run(graph, pipeline))


def all_stages(trace: Trace, pipeline: str | None) -> Sequence[Stage]:
    """The captured graph, the graph after every pass that changed it, the optimized graph.

    Args:
        trace: the function traced for one signature.
        pipeline: passes to run on the captured graph instead of the function's own.

    Raises:
        TracegraphError: the pipeline's text does not parse.
    """
    captured = Stage(CAPTURED, trace.captured)
    if pipeline is None:
        return (captured, *trace.stages, Stage(OPTIMIZED, trace.optimized))
    return (captured, *_run(trace.captured, pipeline))


def _run(graph: Graph, pipeline: str) -> Sequence[Stage]:
    """The graph after every pass that changed it, and after all."""
    snapshots = Snapshots()
    result = PassManager(parse_pipeline(pipeline), (snapshots,)).run(graph)
    between = tuple(Stage(name, found) for name, found in snapshots.stages)
    return (*between, Stage(OPTIMIZED, result.graph))


def choose_stages(stages: Sequence[Stage], wanted: str) -> Sequence[Stage]:
    """The stage of that name, the last one if a pass ran several times; or all of them.

    Raises:
        TracegraphError: there is none of that name.
    """
    if wanted == ALL:
        return stages
    chosen = [stage for stage in stages if wanted in _names(stage)]
    if chosen:
        return chosen[-1:]
    listed = [stage.name for stage in stages] + [ALL]
    known = dict.fromkeys(name for stage in stages for name in _names(stage))
    raise TracegraphError(
        f"there is no stage {wanted}",
        where=f"--stage {wanted}",
        expected=f"one of {', '.join(listed)}",
        found=wanted,
        hint=suggest(
            wanted, [*known, ALL], "take one of those; a pass that changed nothing has none"
        ),
    )


def _names(stage: Stage) -> Sequence[str]:
    """What ``3.1.2 cse{n=4}`` may be called: that, ``3.1.2``, ``cse{n=4}`` or ``cse``."""
    number, _, text = stage.name.partition(" ")
    return [stage.name, number, text, text.partition("{")[0]] if text else [stage.name]


def _writer(form: str, locations: bool) -> Callable[[Graph], str]:
    if form == "table":
        return lambda graph: f"{graph_table(graph)}\n"
    if form == "text":
        return lambda graph: print_graph(graph, locations=locations)
    return TEXTS[form]


def _text(stages: Sequence[Stage], writer: Callable[[Graph], str]) -> str:
    if len(stages) == 1:
        return writer(stages[0].graph)
    return "\n".join(f"// stage: {stage.name}\n{writer(stage.graph)}" for stage in stages)


def _stablehlo(subject: Subject, chosen: Sequence[Stage]) -> str:
    """What XLA gets: of an artifact what is in the file, else the stages lowered."""
    if subject.artifact is not None:
        return str(subject.artifact.exported.mlir_module())
    return _text(chosen, stablehlo if subject.trace else lambda graph: stablehlo(runnable(graph)))
