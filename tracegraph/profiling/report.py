"""``step.profile(*args)``: measured time on kernels, ops and lines."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from compiler.ir.graph import Operation
from compiler.ir.locations import Frame
from tracegraph.executable.kernels import Kernel
from tracegraph.executable.report import KernelReport
from tracegraph.printed import Printed, seconds, table
from tracegraph.profiling.events import Event

SHOWN: Final = 15


@dataclass(frozen=True, slots=True)
class KernelTime:
    """The measured time of one kernel in one call.

    Attributes:
        name: the kernel's name in the compiled module.
        runs: how often it ran in one call, on the average.
        seconds: its time in one call, all runs together.
        kernel: what is known of it; None if the module's text has no such kernel.
    """

    name: str
    runs: float
    seconds: float
    kernel: Kernel | None


@dataclass(frozen=True, slots=True)
class LineTime:
    """The measured time of one line of the user's code, in one call.

    Attributes:
        frame: the line.
        source: its text, where it can be read.
        seconds: its time.
        share: its part of the time in kernels.
    """

    frame: Frame
    source: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class OpTime:
    """The measured time of one op of the graph, in one call.

    Attributes:
        op: the op.
        seconds: its time.
        share: its part of the time in kernels.
    """

    op: Operation
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class ProfileReport(Printed):
    """Where the time of a call went. ``print`` shows it.

    A kernel's time is divided among the ops in it by their arithmetic and their elements.

    Attributes:
        function: the function's name.
        calls: how many calls were measured.
        wall: seconds of one call from its start until its results were there.
        in_kernels: seconds of one call in kernels; more than ``wall`` where kernels run side by
            side.
        kernels: the kernels, the slowest first.
        lines: the user's lines, the slowest first.
        ops: the ops of the graph, the slowest first.
        unattributed: the part of ``in_kernels`` that could not be put on an op.
        note: why there is no time on kernels, where the platform gave none.
    """

    function: str
    calls: int
    wall: float
    in_kernels: float
    kernels: tuple[KernelTime, ...]
    lines: tuple[LineTime, ...]
    ops: tuple[OpTime, ...]
    unattributed: float
    note: str = ""

    def __rich__(self) -> RenderableType:
        """The head, the slowest lines and the slowest kernels."""
        head = f"@{self.function}: {seconds(self.wall)} a call, the mean of {self.calls}"
        if self.note:
            return Group(Text(head), Text(self.note))
        said = (
            f"{head}; {seconds(self.in_kernels)} in kernels, {self.unattributed:.1%} of that on no"
            " operation"
        )
        return Group(Text(said), _line_table(self.lines), _kernel_table(self.kernels))


def profile_report(
    known: KernelReport, events: Iterable[Event], calls: int, wall: float
) -> ProfileReport:
    """The report of events that were measured over some calls.

    Args:
        known: the kernels of the function.
        events: what the profiler saw, of this and of other modules.
        calls: how many calls it saw.
        wall: seconds of one call.
    """
    kernels = _kernel_times(known, events, calls)
    if not kernels:
        note = known.note or "the profiler named no kernel of this function on this platform"
        return ProfileReport(known.function, calls, wall, 0.0, (), (), (), 1.0, note)
    whole = sum(one.seconds for one in kernels)
    by_op: dict[Operation, float] = {}
    for one in kernels:
        if one.kernel is not None:
            for op, weight in zip(one.kernel.ops, one.kernel.weights, strict=True):
                by_op[op] = by_op.get(op, 0.0) + weight * one.seconds
    ops = [OpTime(op, spent, _share(spent, whole)) for op, spent in by_op.items()]
    return ProfileReport(
        known.function,
        calls,
        wall,
        whole,
        tuple(sorted(kernels, key=lambda one: -one.seconds)),
        _line_times(by_op, whole),
        tuple(sorted(ops, key=lambda one: -one.seconds)),
        max(0.0, 1 - _share(sum(by_op.values()), whole)),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _kernel_times(known: KernelReport, events: Iterable[Event], calls: int) -> list[KernelTime]:
    """The time of each kernel. A loop's own event spans those of its body, and does not count."""
    kernels = {kernel.name: kernel for kernel in known.kernels}
    spent: dict[str, list[float]] = {}
    for event in events:
        if event.module == known.module and event.name in kernels:
            spent.setdefault(event.name, []).append(event.seconds)
    return [
        KernelTime(name, len(times) / calls, sum(times) / calls, kernels[name])
        for name, times in spent.items()
    ]


def _line_times(by_op: dict[Operation, float], whole: float) -> tuple[LineTime, ...]:
    spent: dict[Frame, float] = {}
    for op, time in by_op.items():
        frame = op.location.frame
        if frame is not None:
            spent[frame] = spent.get(frame, 0.0) + time
    found = [
        LineTime(frame, linecache.getline(frame.file, frame.line).strip(), time, time / whole)
        for frame, time in spent.items()
        if whole
    ]
    return tuple(sorted(found, key=lambda one: -one.seconds))


def _line_table(lines: Sequence[LineTime]) -> RenderableType:
    rows = [
        (
            f"{Path(one.frame.file).name}:{one.frame.line}",
            one.source,
            seconds(one.seconds),
            f"{one.share:.1%}",
        )
        for one in lines[:SHOWN]
    ]
    return table("by line", ("line", "source", ">time", ">share"), rows)


def _kernel_table(kernels: Sequence[KernelTime]) -> RenderableType:
    rows = [
        (
            one.name,
            f"{one.runs:.3g}",
            seconds(one.seconds),
            ", ".join(dict.fromkeys(op.name for op in one.kernel.ops)) if one.kernel else "",
        )
        for one in kernels[:SHOWN]
    ]
    return table("by kernel", ("kernel", ">runs", ">time", "operations"), rows)
