"""Instruments: objects that watch a pipeline run. None of them changes a graph."""

from __future__ import annotations

import re
import secrets
import tempfile
from pathlib import Path
from typing import NamedTuple

from compiler.ir.errors import VerificationError
from compiler.ir.files import write_whole
from compiler.ir.graph import Graph
from compiler.ir.locations import Location
from compiler.ir.printer import print_graph
from compiler.ir.verifier import verify
from compiler.ir.walk import clone
from compiler.passes.effect_order import OrderedEffect, is_kept, ordered_effects
from compiler.passes.pipeline import Pipeline


class Event(NamedTuple):
    """A moment of a run.

    Attributes:
        title: the pass's place in the pipeline and its text.
        graph: the graph at that moment.
        rest: the pass itself and what the pipeline still has to run after it.
        changes: how many changes the pass made; 0 before it ran.
        last: the rule of the last rewrite that the pass began, and the line that it was about.
    """

    title: str
    graph: Graph
    rest: Pipeline
    changes: int = 0
    last: tuple[str, Location] | None = None


class Instrument:
    """Told of every pass. The hooks do nothing until a subclass says otherwise."""

    def start(self) -> None:
        """A pipeline starts, or starts again without a pass that failed."""

    def before(self, event: Event) -> None:
        """A pass is about to run."""

    def after(self, event: Event) -> None:
        """A pass has run; raising here counts as a failure of the pass."""

    def failed(self, event: Event, error: Exception) -> Path | None:
        """A pass, or an instrument after it, raised; the graph is the one from before it.

        Returns:
            a file that reproduces the failure, if one was written.
        """


class Verify(Instrument):
    """Verifies the graph after every pass that changed it."""

    def after(self, event: Event) -> None:
        """Raises VerificationError if the pass left a broken graph."""
        if event.changes:
            verify(event.graph)


class Snapshots(Instrument):
    """Keeps a frozen copy of the graph after every pass that changed it."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, Graph]] = []

    def start(self) -> None:
        """Forgets the copies of an attempt that failed."""
        self.stages.clear()

    def after(self, event: Event) -> None:
        """Copies the graph if it changed."""
        if event.changes:
            self.stages.append((event.title, clone(event.graph).freeze()))


class OrderedEffects(Instrument):
    """Checks that no pass drops, adds or moves an ordered effect.

    What stands in a branch or a loop may go with it where that never runs.
    """

    def __init__(self) -> None:
        self._expected: list[OrderedEffect] = []

    def before(self, event: Event) -> None:
        """Notes the ordered effects."""
        self._expected = ordered_effects(event.graph)

    def after(self, event: Event) -> None:
        """Raises VerificationError if the sequence is another one now."""
        found = ordered_effects(event.graph)
        if is_kept(self._expected, found):
            return
        raise VerificationError(
            f"the pass {event.title} changed the sequence of ordered effects",
            expected=", ".join(effect.text for effect in self._expected) or "none",
            found=", ".join(effect.text for effect in found) or "none",
            hint="report the pass with the graph from before it",
        )


class Limit(Instrument):
    """Lets only the first changes of a pipeline happen: the tool of a bisection.

    Attributes:
        changes: how many; a rewrite under way is always finished.
        last: the event of the last pass that changed something, once the pipeline has run.
    """

    def __init__(self, changes: int) -> None:
        self.changes = changes
        self.last: Event | None = None

    def start(self) -> None:
        """Forgets what an attempt that failed did."""
        self.last = None

    def after(self, event: Event) -> None:
        """Notes the pass if it changed something."""
        if event.changes:
            self.last = event


class Reproducer(Instrument):
    """Writes the graph from before a failing pass, and the rest of the pipeline, to one file.

    Args:
        directory: where to; None for the system's folder of temporary files.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def failed(self, event: Event, error: Exception) -> Path | None:
        """Writes the file and returns its path; None if it cannot be written."""
        return write_reproducer(event.graph, event.rest, error, self._directory)


def write_reproducer(
    graph: Graph, pipeline: Pipeline, error: Exception, directory: Path | None
) -> Path | None:
    """Writes a graph with the pipeline that fails on it in its header; whole or not at all."""
    folder = directory if directory is not None else Path(tempfile.gettempdir())
    reason = f"{type(error).__name__}: {error}".replace("\n", "\n// ")
    try:
        text = f"// pipeline: {pipeline}\n// {reason}\n{print_graph(graph)}"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"tracegraph-{secrets.token_hex(4)}_{_file_name(graph.name)}.tg"
        write_whole(target, text, private=True)
    except Exception:  # neither a folder nor a graph without a text is a second failure
        return None
    return target


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
