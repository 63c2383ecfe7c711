"""``tracegraph kernels``: what XLA made of a function or a graph."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import jax

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from tracegraph.cli.errors import user_code
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import load_subject
from tracegraph.executable.report import compiled_text, kernel_report

_RUNNABLE: Final = "inline,dce"
"""Calls with rules of their own cannot be rebuilt from text; inlined they need not be."""


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
    graph = subject.optimized
    if subject.trace is None:
        graph = PassManager(parse_pipeline(_RUNNABLE)).run(graph).graph
    with user_code():
        lowered = _lowered(graph) if subject.trace is None else subject.trace.lower()
        text = compiled_text(lowered.compile())
    write(str(kernel_report(graph, text)), output)


def _lowered(graph: Graph) -> Any:
    jaxpr: Any = export_jaxpr(graph)
    run = jax.jit(jax_compat.jaxpr_function(jaxpr))
    return run.lower(*(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in jaxpr.in_avals))
