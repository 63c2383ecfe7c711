"""What a command is about: a function with arguments, or a graph in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from tracegraph.cli.arguments import parse_arguments
from tracegraph.cli.errors import user_code
from tracegraph.cli.graph_file import STDIN, read_graph
from tracegraph.cli.targets import load_function
from tracegraph.trace import Trace


@dataclass(frozen=True, slots=True)
class Subject:
    """A graph, and the function and trace that it came from, if it did.

    Attributes:
        captured: the graph before any pass; of a file, the graph that is in it.
        optimized: the graph after all passes; of a file, the graph that is in it.
        trace: the function's trace; None for a file.
        function: the decorated function; None for a file.
        args: its arguments, as shapes.
        kwargs: its keyword arguments, as shapes.
    """

    captured: Graph
    optimized: Graph
    trace: Trace | None = None
    function: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None


def is_graph_file(target: str) -> bool:
    """Whether a target names a file with a graph, or stdin."""
    return target == STDIN or target.endswith(".tg")


def load_subject(
    target: str, args: Sequence[str], kwargs: Sequence[str], static: Sequence[str]
) -> Subject:
    """What a target names: ``MODULE:FUNCTION`` with arguments, a ``FILE.tg``, or ``-`` for stdin.

    Raises:
        TracegraphError: there is no such function or file, or the arguments do not fit.
        Failure: the user's own code raised.
    """
    if is_graph_file(target):
        if args or kwargs or static:
            raise TracegraphError(
                f"{target} takes no arguments",
                where="the command line",
                expected="a graph in a file alone",
                found="--arg, --kwarg or --static",
                hint="leave them out: the graph has its types",
            )
        graph, _ = read_graph(target, "")
        return Subject(graph, graph)
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs).abstract()
    with user_code():
        trace: Trace = function.trace(*arguments.args, **arguments.kwargs)
    return Subject(
        trace.captured, trace.optimized, trace, function, arguments.args, arguments.kwargs
    )
