"""What is asked of a graph that a user hands over."""

from __future__ import annotations

from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from tracegraph.userlines import call_site


def checked_graph(value: Any) -> Graph:
    """The value, if it is a graph.

    Raises:
        TracegraphError: it is not.
    """
    if isinstance(value, Graph):
        return value
    raise TracegraphError(
        "this is no graph",
        where=call_site(),
        expected="a Graph, as step.graph(*args) gives it for a decorated function",
        found=f"a {type(value).__name__}",
        hint="call .graph on the function with the arguments of a call",
    )
