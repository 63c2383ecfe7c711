"""What a command is about: a function with arguments, a graph in a file, or a saved artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from tracegraph.cli.arguments import parse_arguments
from tracegraph.cli.artifact import Artifact, is_artifact, load_artifact
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
        artifact: the artifact that the function calls, if it came from one.
    """

    captured: Graph
    optimized: Graph
    trace: Trace | None = None
    function: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None
    artifact: Artifact | None = None

    def check_runnable(self) -> None:
        """Returns if this machine can compile it; else there is a ``TracegraphError``."""
        if self.artifact is not None:
            self.artifact.check_runnable()


def is_graph_file(target: str) -> bool:
    """Whether a target names a file with a graph, or stdin."""
    return target == STDIN or target.endswith(".tg")


def load_subject(
    target: str, args: Sequence[str], kwargs: Sequence[str], static: Sequence[str]
) -> Subject:
    """What a target names: ``MODULE:FUNCTION`` with arguments, a ``FILE.tg``, ``-``, an artifact.

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
    if is_artifact(target):
        return _of_artifact(artifact_of(target, args, kwargs, static))
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs).abstract()
    with user_code():
        trace: Trace = function.trace(*arguments.args, **arguments.kwargs)
    return Subject(
        trace.captured, trace.optimized, trace, function, arguments.args, arguments.kwargs
    )


def artifact_of(
    target: str, args: Sequence[str], kwargs: Sequence[str], static: Sequence[str]
) -> Artifact:
    """The artifact in a file, at the sizes that ``--arg`` gives; it takes nothing else."""
    if kwargs or static:
        raise TracegraphError(
            f"{target} takes no --kwarg and no --static",
            where="the command line",
            expected="an artifact, and --arg NAME=SIZE for each size that it leaves open",
            found=f"--kwarg {kwargs[0]}" if kwargs else f"--static {static[0]}",
            hint="leave them out: the artifact has the types of its arguments",
        )
    return load_artifact(target, args)


def _of_artifact(artifact: Artifact) -> Subject:
    function, args, kwargs = artifact.function, artifact.args, artifact.kwargs
    trace: Trace = function.trace(*args, **kwargs)
    return Subject(trace.captured, trace.optimized, trace, function, args, kwargs, artifact)
