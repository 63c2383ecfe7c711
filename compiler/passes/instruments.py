"""Instruments: objects that watch a pipeline run. None of them changes a graph."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from compiler.ir.errors import VerificationError
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.ir.verifier import verify
from compiler.ir.walk import clone, walk
from compiler.passes.base import Pass


class Instrument:
    """Told of every pass. The hooks do nothing until a subclass says otherwise."""

    def start(self, graph: Graph) -> None:
        """A pipeline starts, or starts again without a pass that failed."""

    def before(self, title: str, graph: Graph) -> None:
        """A pass is about to run."""

    def after(self, title: str, graph: Graph, changes: int) -> None:
        """A pass has run; raising here counts as a failure of the pass."""

    def failed(self, step: Pass, graph: Graph, error: Exception) -> Path | None:
        """A pass, or an instrument after it, raised; ``graph`` is the graph from before it.

        Returns:
            a file that reproduces the failure, if one was written.
        """


class Verify(Instrument):
    """Verifies the graph after every pass that changed it."""

    def after(self, title: str, graph: Graph, changes: int) -> None:
        """Raises VerificationError if the pass left a broken graph."""
        if changes:
            verify(graph)


class Snapshots(Instrument):
    """Keeps a frozen copy of the graph after every pass that changed it."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, Graph]] = []

    def start(self, graph: Graph) -> None:
        """Forgets the copies of an attempt that failed."""
        self.stages.clear()

    def after(self, title: str, graph: Graph, changes: int) -> None:
        """Copies the graph if it changed."""
        if changes:
            self.stages.append((title, clone(graph).freeze()))


class OrderedEffects(Instrument):
    """Checks that no pass drops, adds or moves an ordered effect."""

    def __init__(self) -> None:
        self._expected: list[str] = []

    def before(self, title: str, graph: Graph) -> None:
        """Notes the ordered effects."""
        self._expected = _ordered_effects(graph)

    def after(self, title: str, graph: Graph, changes: int) -> None:
        """Raises VerificationError if the sequence is another one now."""
        found = _ordered_effects(graph)
        if found == self._expected:
            return
        raise VerificationError(
            f"the pass {title} changed the sequence of ordered effects",
            expected=", ".join(self._expected) or "none",
            found=", ".join(found) or "none",
            hint="report the pass with the graph from before it",
        )


class Limit(Instrument):
    """Lets only the first changes of a pipeline happen: the tool of a bisection."""

    def __init__(self, changes: int) -> None:
        self.changes = changes


class Reproducer(Instrument):
    """Writes the graph from before a failing pass, and the pass, to one file.

    Args:
        directory: where to; None for the system's folder of temporary files.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def failed(self, step: Pass, graph: Graph, error: Exception) -> Path | None:
        """Writes the file and returns its path; None if it cannot be written."""
        return write_reproducer(graph, step, error, self._directory)


def write_reproducer(
    graph: Graph, step: Pass, error: Exception, directory: Path | None
) -> Path | None:
    """Writes a graph that a pass failed on, with the pass in its header; whole or not at all."""
    folder = directory if directory is not None else Path(tempfile.gettempdir())
    reason = f"{type(error).__name__}: {error}".replace("\n", "\n// ")
    text = f"// pipeline: {step}\n// {reason}\n{print_graph(graph)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(suffix=".writing", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        target = Path(scratch).with_name(Path(scratch).stem + f"_{graph.name}.tg")
        Path(scratch).replace(target)
    except OSError:
        return None
    return target


def _ordered_effects(graph: Graph) -> list[str]:
    return [str(effect) for op in walk(graph) for effect in op.effects if effect.ordered]
