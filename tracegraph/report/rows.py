"""The rows of ops, stages and lines as a report stores them: short keys, every text once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from compiler.analysis.cost import total
from compiler.ir.locations import Frame, Location
from tracegraph.report.measures import Measures
from tracegraph.report.nodes import Node
from tracegraph.report.sources import Sources
from tracegraph.report.stages import StageRows, Table


class Rows:
    """The ops of a table as rows.

    Args:
        table: the ops and the stages.
        sources: the files of the report.
        measures: the times of the ops.

    Attributes:
        paths: every distinct path of groups, outermost first, by number.
    """

    def __init__(self, table: Table, sources: Sources, measures: Measures) -> None:
        self._table = table
        self._measures = measures
        self._sources = sources
        self._numbers: dict[tuple[str, ...], int] = {}

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """Every distinct path, by number; complete once ``ops`` was called."""
        return list(self._numbers)

    def ops(self) -> list[dict[str, Any]]:
        """A row per op, by number.

        ``n`` name, ``v`` value, ``t`` types, ``a`` attributes, ``p`` path, ``l`` lines, ``f``
        FLOPs, ``x`` transcendentals, ``b`` bytes, ``r`` rules, ``g`` fusion group, ``s`` name
        stack, and the times of ``Measures.row``. What is empty or zero is left out.
        """
        users = {frame.file for node in self._table.ops if (frame := node.location.frame)}
        return [self._op(node, users) for node in self._table.ops]

    def _op(self, node: Node, users: set[str]) -> dict[str, Any]:
        row: dict[str, Any] = {
            "n": node.name,
            "v": node.label,
            "t": node.type,
            "a": node.attributes,
            "p": self._numbers.setdefault(node.path, len(self._numbers)),
            "l": [
                (self._sources.add(frame.file, frame.line), frame.line)
                for frame in user_lines(node.location, users)
            ],
            "f": node.cost.flops,
            "x": node.cost.transcendentals,
            "b": node.cost.bytes,
            "r": ", ".join(node.location.rules),
            "s": node.location.name_stack,
            **self._measures.row(node),
        }
        kept = {key: value for key, value in row.items() if value}
        return kept if node.group is None else {**kept, "g": node.group}


def user_lines(location: Location, users: set[str]) -> Iterator[Frame]:
    """The frames of a location in the user's own files; the first of its frames always is."""
    return (frame for frame in location.frames if frame.file in users)


def stage_rows(stage: StageRows) -> dict[str, Any]:
    """A stage: for each op its number, its parent's, its region and the numbers that it reads."""
    numbers = stage.numbers
    regions = list(dict.fromkeys(node.region for node in stage.nodes))
    places = {region: place for place, region in enumerate(regions)}
    return {
        "name": stage.name,
        "regions": regions,
        "ops": [
            (
                numbers[node],
                -1 if node.parent is None else numbers[node.parent],
                places[node.region],
                [numbers[source] for source in node.inputs],
            )
            for node in stage.nodes
        ],
        "added": stage.change.added,
        "removed": stage.change.removed,
        "changed": stage.change.changed,
    }


def line_rows(
    nodes: Iterable[Node], sources: Sources, measures: Measures
) -> list[tuple[float, ...]]:
    """A row for each line, of the ops that it comes first in.

    These are: file, line, ops, FLOPs, transcendentals, bytes, and the seconds of the floor and of
    the measurement. Each op counts for one line, so the lines add up to the graph.
    """
    found: dict[tuple[int, int], list[Node]] = {}
    for node in nodes:
        frame = node.location.frame
        if frame is not None:
            place = (sources.add(frame.file, frame.line), frame.line)
            found.setdefault(place, []).append(node)
    return [(*place, *_sums(group, measures)) for place, group in found.items()]


def _sums(group: Sequence[Node], measures: Measures) -> tuple[float, ...]:
    cost = total(node.cost for node in group)
    work = (len(group), cost.flops, cost.transcendentals, cost.bytes)
    return (*work, *measures.sums(group))
