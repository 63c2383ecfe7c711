"""What only the installed JAX can say of ops, asked through one door.

The answers come from ``compiler.lowering``, which stands above this layer and opens the door when
it is imported. Nothing here knows a jaxpr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from compiler.ir.attributes import Attribute, Attributes
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.types import Type


class Host(Protocol):
    """The questions that rewriting has to ask."""

    def result_types(
        self, name: str, operands: Sequence[Type], attributes: Attributes
    ) -> tuple[Type, ...]:
        """The types of an op's results, by the primitive's own abstract evaluation.

        Raises:
            TracegraphError: there is no such primitive, or it does not take these operands.
        """
        ...

    def trace(self, function: Callable[..., Any], types: Sequence[Type]) -> Graph:
        """The graph of a JAX function of arrays of these types.

        Raises:
            TracegraphError: the function raises when it is traced.
        """
        ...

    def batch(self, graph: Graph, batched: Sequence[bool], size: int) -> Graph:
        """The graph for many values at once: flagged parameters and all results are stacked.

        Raises:
            TracegraphError: an op of the graph cannot be batched.
        """
        ...

    def carried(self, attribute: Attribute) -> Graph | None:
        """The graph of a jaxpr that an attribute carries whole.

        None where it carries none (it was read from text), or one with large arrays in it.
        """
        ...


_installed: list[Host] = []


def install(host: Host) -> None:
    """Makes this the host that ``host`` returns."""
    _installed[:] = [host]


def host() -> Host:
    """The host in use.

    Raises:
        TracegraphError: nobody has imported ``compiler.lowering`` yet.
    """
    if _installed:
        return _installed[0]
    raise TracegraphError(
        "the types of a new op cannot be inferred yet",
        expected="JAX behind the graph: compiler.lowering imported",
        found="the compiler without its lowering",
        hint="import tracegraph, or compiler.lowering.host",
    )
