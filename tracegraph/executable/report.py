"""``step.kernels(*args)``: what XLA made of a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from compiler.ir.graph import Graph
from compiler.ir.locations import Frame
from compiler.lowering import jax_compat
from tracegraph.executable.findings import (
    SPLIT,
    GroupFate,
    Recomputed,
    group_fates,
    intermediates,
    recomputed,
)
from tracegraph.executable.hlo import parse_module
from tracegraph.executable.kernels import Kernel, find_kernels
from tracegraph.printed import Printed, quantity, table

jax_compat.hide_frames(__file__)

SHOWN: Final = 20
LARGE: Final = 1 << 20
"""A result of so many bytes that is written only to be read again is named."""


@dataclass(frozen=True, slots=True)
class KernelReport(Printed):
    """What XLA made of a function. ``print`` shows it.

    Attributes:
        function: the function's name.
        module: the compiled module's name, as profiles show it.
        kernels: every kernel in the order in which they run.
        copies: kernels that only move data and that no op of the graph asked for.
        recomputed: ops that several kernels compute, the largest first.
        intermediates: kernels with large results that are written only to be read again.
        groups: the predicted groups, and what became of each.
        note: why there are no kernels, where the platform shows none.
    """

    function: str
    module: str
    kernels: tuple[Kernel, ...]
    copies: tuple[Kernel, ...] = ()
    recomputed: tuple[Recomputed, ...] = ()
    intermediates: tuple[Kernel, ...] = ()
    groups: tuple[GroupFate, ...] = ()
    note: str = ""

    @property
    def mapped(self) -> int:
        """How many kernels were traced back to ops of the graph."""
        return sum(bool(kernel.ops) for kernel in self.kernels)

    def __rich__(self) -> RenderableType:
        """The kernels as a table, and what stands out among them."""
        if self.note:
            return Text(f"@{self.function}: {self.note}")
        head = (
            f"@{self.function}: {len(self.kernels)} kernels, {self.mapped} traced back to "
            f"operations; {len(self.copies)} copies that XLA put in"
        )
        parts: list[RenderableType] = [Text(head), _kernel_table(self.kernels)]
        parts += [Text(line) for line in (*self.findings(), *self._fates())]
        return Group(*parts)

    def findings(self) -> list[str]:
        """What stands out, a line each: ops computed again, large results in between, copies."""
        lines = [
            f"computed again: {one.name} at {one.location} in {', '.join(one.kernels)}"
            for one in self.recomputed
        ]
        lines += [
            f"written and read again: {quantity(one.written, 'B')} by {one.name} {_from(one)}"
            for one in self.intermediates
        ]
        lines += [
            f"copied: {quantity(one.written, 'B')} by {one.name}"
            for one in self.copies
            if one.written >= LARGE
        ]
        return lines

    def _fates(self) -> list[str]:
        if not self.groups:
            return []
        counts: dict[str, int] = {}
        for group in self.groups:
            counts[group.verdict] = counts.get(group.verdict, 0) + 1
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        split = [
            f"  group {one.index} ({', '.join(one.ops)}) is split over {', '.join(one.kernels)}"
            for one in self.groups
            if one.verdict == SPLIT
        ]
        return [f"{len(self.groups)} groups were predicted: {said}", *split[:SHOWN]]


def kernel_report(graph: Graph, hlo: str) -> KernelReport:
    """What XLA made of a graph.

    Args:
        graph: the optimized graph.
        hlo: the text of the module that it was compiled to, ``compiled.as_text()``.
    """
    module = parse_module(hlo)
    if not module.entry:
        note = "the platform shows no text of what it compiled"
        return KernelReport(graph.name, module.name, (), note=note)
    found = find_kernels(module, graph)
    return KernelReport(
        graph.name,
        module.name,
        found.kernels,
        tuple(one for one in found.kernels if one.is_copy),
        recomputed(found.parts),
        intermediates(found.kernels, LARGE),
        group_fates(graph, found),
    )


def of(function: Any, /, *args: Any, **kwargs: Any) -> KernelReport:
    """What XLA made of a decorated function; see ``Function.kernels``."""
    trace = function.trace(*args, **kwargs)
    return kernel_report(trace.optimized, compiled_text(trace.lower().compile()))


def compiled_text(compiled: Any) -> str:
    """The text of a compiled function; empty where the platform has none."""
    try:
        return compiled.as_text() or ""
    except (RuntimeError, NotImplementedError, ValueError):
        return ""


def _kernel_table(kernels: Sequence[Kernel]) -> RenderableType:
    headings = ("kernel", ">times", ">FLOPs", ">exp, log", ">bytes", "operations", "lines")
    rest = len(kernels) - SHOWN
    heavy = sorted(kernels, key=lambda one: -one.times * one.bytes)[:SHOWN]
    shown = [one for one in kernels if one in heavy]
    title = f"the {SHOWN} that move most bytes, {rest} left out" if rest > 0 else "in order"
    return table(title, headings, [_cells(one) for one in shown])


def _cells(kernel: Kernel) -> list[str]:
    return [
        kernel.name,
        str(kernel.times),
        quantity(kernel.flops),
        quantity(kernel.transcendentals),
        quantity(kernel.bytes),
        "(copy)" if kernel.is_copy else ", ".join(dict.fromkeys(op.name for op in kernel.ops)),
        ", ".join(_short(frame) for frame in kernel.lines),
    ]


def _from(kernel: Kernel) -> str:
    return f"at {', '.join(map(_short, kernel.lines))}" if kernel.lines else "(no line known)"


def _short(frame: Frame) -> str:
    return f"{Path(frame.file).name}:{frame.line}"
