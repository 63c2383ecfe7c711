"""How much memory a graph's values need at once, in program order and as if nothing were fused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from compiler.analysis.cost import nbytes
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.walk import walk_regions


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The moment at which the values that are still needed take the most room.

    Attributes:
        nbytes: the bytes at that moment.
        op: the operation that runs then, the innermost one; None if the graph has none.
        live: the values that are held then, oldest first, those of outer regions before inner ones.
    """

    nbytes: int
    op: Operation | None
    live: tuple[Value, ...]


class _Span(NamedTuple):
    """From the operation that makes a value up to the last one that reads it, both included."""

    first: int
    last: int


def peak_memory(graph: Graph) -> PeakMemory:
    """The peak of a graph: parameters are held throughout unless donated, results until last read.

    A call or a branch needs the larger of its results and what its region needs, for the region's
    outputs become the results. A loop needs both, for its region makes the next round's values
    while this round's are held. Region parameters are the operands themselves and count once.
    """
    peaks = _inner_peaks(graph)
    return _peak(graph.body, _graph_spans(graph), peaks)


def memory_timeline(graph: Graph) -> list[tuple[Operation, int]]:
    """The bytes that are held while each op of the body runs, in order, as ``peak_memory`` counts.

    An op with regions stands for the moment inside it that needs the most.
    """
    peaks = _inner_peaks(graph)
    return [(op, need) for op, need, _ in _needs(graph.body, _graph_spans(graph), peaks)]


def _inner_peaks(graph: Graph) -> dict[Region, PeakMemory]:
    """The peaks of all nested regions, their parameters not counted."""
    peaks: dict[Region, PeakMemory] = {}
    # Inner regions first, so that nesting costs no stack.
    for region in reversed(list(walk_regions(graph))[1:]):
        peaks[region] = _peak(region, _made_inside(region), peaks)
    return peaks


def _graph_spans(graph: Graph) -> dict[Value, _Span]:
    """The spans of all values of the body: what is not donated is held to the end."""
    held = [not info.donated for info in graph.parameter_info]
    spans = _spans(graph.body)
    end = len(graph.body) - 1
    for value, keep in zip(graph.parameters, held, strict=True):
        last = end if keep else spans.get(value, _Span(-1, -1)).last
        spans[value] = _Span(-1, last)
    return spans


def _spans(region: Region) -> dict[Value, _Span]:
    """The spans of what a region's operations make, and of the parameters that they read."""
    spans: dict[Value, _Span] = {}
    for index, op in enumerate(region):
        for value in op.operands:
            spans[value] = _Span(spans[value].first if value in spans else -1, index)
        spans.update((value, _Span(index, index)) for value in op.results)
    return spans


def _peak(
    region: Region, spans: dict[Value, _Span], peaks: Mapping[Region, PeakMemory]
) -> PeakMemory:
    """The peak over a region's operations, of the values that have a span.

    The peaks are those of the regions inside it, without their parameters.
    """
    best, where, inside = _held_before(spans), -1, PeakMemory(0, None, ())
    for index, (_, need, inner) in enumerate(_needs(region, spans, peaks)):
        if need > best or where < 0:
            best, where, inside = max(need, best), index, inner
    return _moment(region, spans, where, best, inside)


def _held_before(spans: Mapping[Value, _Span]) -> int:
    """The bytes that are there before the first operation runs."""
    return sum(nbytes(value) for value, span in spans.items() if span.first < 0)


def _needs(
    region: Region, spans: Mapping[Value, _Span], peaks: Mapping[Region, PeakMemory]
) -> Iterator[tuple[Operation, int, PeakMemory]]:
    """Each operation with the bytes that are held while it runs, and the peak of its regions."""
    dying: dict[int, int] = {}
    for value, span in spans.items():
        dying[span.last] = dying.get(span.last, 0) + nbytes(value)
    held = _held_before(spans) - dying.get(-1, 0)
    for index, op in enumerate(region):
        made, inner = sum(map(nbytes, op.results)), _inner_peak(op, peaks)
        yield op, held + _combined(op, made, inner), inner
        held += made - dying.get(index, 0)


def _combined(op: Operation, made: int, inner: PeakMemory) -> int:
    return made + inner.nbytes if op.name in ("scan", "while") else max(made, inner.nbytes)


def _inner_peak(op: Operation, peaks: Mapping[Region, PeakMemory]) -> PeakMemory:
    """The largest peak of an op's regions."""
    inner = [peaks[region] for region in op.regions]
    return max(inner, key=lambda peak: peak.nbytes, default=PeakMemory(0, None, ()))


def _made_inside(region: Region) -> dict[Value, _Span]:
    return {value: span for value, span in _spans(region).items() if value.producer is not None}


def _moment(
    region: Region, spans: dict[Value, _Span], where: int, best: int, inner: PeakMemory
) -> PeakMemory:
    """The peak at one operation, with the values that are held there."""
    born = sorted(spans.items(), key=lambda item: item[1].first)
    live = tuple(value for value, span in born if span.first <= where <= span.last)
    op = next((op for index, op in enumerate(region) if index == where), None)
    return PeakMemory(best, inner.op or op, live + inner.live)
