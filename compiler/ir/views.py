"""The ways in which a graph shows itself, each written where what it needs is known.

This room knows the text alone. Higher ones offer the rest, so that a graph has them all as methods.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, cast

from compiler.ir.errors import TracegraphError
from compiler.ir.terminal import is_printed_to_terminal

View = Callable[..., Any]
_OFFERED: Final[dict[str, View]] = {}


def offer(name: str, view: View) -> None:
    """From here on the method of that name asks this function, the graph first."""
    _OFFERED[name] = view


class Views:
    """What a graph can be asked to show."""

    __slots__ = ()

    def __str__(self) -> str:
        text = cast("str", _ask("text", self))
        printed = is_printed_to_terminal(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        if not printed:
            return text
        from compiler.ir.colours import coloured  # only here, where it is worth its import

        return coloured(text)

    def table(self) -> object:
        """The operations as a table: print it, or leave it as the last line of a notebook's cell.

        Raises:
            TracegraphError: the package that draws it has not been imported.
        """
        return _ask("table", self)

    def summary(self, device: object = None) -> object:
        """The modules as a table: parameters, FLOPs, bytes and share.

        Args:
            device: whose times the shares are of; see ``tracegraph.costs``.

        Raises:
            TracegraphError: the package that draws it has not been imported.
        """
        return _ask("summary", self, device)

    def python(self) -> str:
        """The graph as Python that runs: ``jax.lax`` calls under the user's own lines.

        Raises:
            TracegraphError: the package that writes it has not been imported.
        """
        return cast("str", _ask("python", self))


def _ask(name: str, graph: Views, *args: object) -> Any:
    view = _OFFERED.get(name)
    if view is None:
        raise TracegraphError(
            f"this graph has no {name} yet",
            expected="the package tracegraph, which offers it",
            found="the compiler alone",
            hint="import tracegraph first",
        )
    return view(graph, *args)
