"""Makes reports: of a call of a decorated function, or of a graph that a file holds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.passes.pipeline import Pipeline
from tracegraph.report.content import content_of
from tracegraph.report.document import Report
from tracegraph.report.failing import failed_report
from tracegraph.report.subject import graph_subject, trace_subject
from tracegraph.trace import Trace

jax_compat.hide_frames(__file__)


def report_call(
    trace: Callable[..., Trace],
    fun: Callable[..., Any],
    options: dict[str, Any],
    args: Any,
    kwargs: Any,
) -> Report:
    """The report of a call of a decorated function.

    Args:
        trace: gives the trace of a call.
        fun: the function that jit traces.
        options: those of ``jax.jit``.
        args: the positional arguments of the call.
        kwargs: its keyword arguments.
    """
    try:
        subject = trace_subject(trace(*args, **kwargs), _file(fun))
    except Exception as error:  # whatever the user's function raises is what is reported
        return failed_report(fun, options, args, kwargs, error)
    return Report(content_of(subject))


def report_graph(graph: Graph, pipeline: Pipeline) -> Report:
    """The report of a graph and of what a pipeline makes of it."""
    return Report(content_of(graph_subject(graph, pipeline)))


def _file(fun: Callable[..., Any]) -> str:
    """The file that a function stands in; empty if it is not known."""
    code = getattr(inspect.unwrap(fun), "__code__", None)
    return str(code.co_filename) if code is not None else ""
