"""Makes reports: of a call of a decorated function, or of a graph that a file holds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.passes.pipeline import Pipeline
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.devices import device as described
from tracegraph.profiling.report import ProfileReport
from tracegraph.report.content import content_of
from tracegraph.report.document import Report
from tracegraph.report.failing import failed_report
from tracegraph.report.measures import Measures
from tracegraph.report.subject import graph_subject, trace_subject
from tracegraph.trace import Trace

jax_compat.hide_frames(__file__)


@dataclass(frozen=True, slots=True)
class Extras:
    """What a report shows beside the graph, when it is asked to.

    Attributes:
        device: what the least times are for; None for none.
        profile: measures the call; None to run nothing.
    """

    device: str | DeviceSpec | None = None
    profile: Callable[[], ProfileReport] | None = None

    @property
    def spec(self) -> DeviceSpec | None:
        """The description of the device."""
        return None if self.device is None else described(self.device)


NOTHING: Final = Extras()


def report_call(
    trace: Callable[..., Trace],
    fun: Callable[..., Any],
    options: dict[str, Any],
    args: Any,
    kwargs: Any,
    extras: Extras = NOTHING,
) -> Report:
    """The report of a call of a decorated function.

    Args:
        trace: gives the trace of a call.
        fun: the function that jit traces.
        options: those of ``jax.jit``.
        args: the positional arguments of the call.
        kwargs: its keyword arguments.
        extras: what is to be shown beside the graph.

    Raises:
        TracegraphError: there is no device of that name, or nothing can be measured.
    """
    device = extras.spec
    try:
        subject = trace_subject(trace(*args, **kwargs), _file(fun))
    except Exception as error:  # whatever the user's function raises is what is reported
        return failed_report(fun, options, args, kwargs, error)
    profile = extras.profile() if extras.profile is not None else None
    return Report(content_of(subject, measures=Measures.of(device, profile)))


def report_graph(
    graph: Graph, pipeline: Pipeline, device: str | DeviceSpec | None = None
) -> Report:
    """The report of a graph and of what a pipeline makes of it.

    Args:
        graph: the graph.
        pipeline: the passes to run on it.
        device: what the least times are for; None for none.

    Raises:
        TracegraphError: there is no device of that name.
    """
    measures = Measures.of(Extras(device).spec, None)
    return Report(content_of(graph_subject(graph, pipeline), measures=measures))


def _file(fun: Callable[..., Any]) -> str:
    """The file that a function stands in; empty if it is not known."""
    code = getattr(inspect.unwrap(fun), "__code__", None)
    return str(code.co_filename) if code is not None else ""
