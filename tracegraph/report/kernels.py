"""The kernels that XLA made and what became of predicted groups, as rows of a report.

This is the one place where they come in; ``tracegraph.executable`` finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.ir.graph import Graph
from compiler.ir.locations import Frame
from tracegraph.executable.kernels import Kernel
from tracegraph.executable.report import kernel_report

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What XLA made of a graph.

    Attributes:
        kernels: a row for each kernel, in the order in which they run.
        fates: by the number of a predicted group, what became of it.
        problem: why there are no kernels, if there are none.
        findings: what stands out among them, a line each.
    """

    kernels: list[Row] = field(default_factory=list[Row])
    fates: dict[int, Row] = field(default_factory=dict[int, Row])
    problem: str = ""
    findings: list[str] = field(default_factory=list[str])


def no_kernels(problem: str) -> Made:
    """Nothing, and why."""
    return Made(problem=problem)


def made_by_xla(
    graph: Graph, hlo: str, numbers: Mapping[object, int], times: Mapping[str, float]
) -> Made:
    """The kernels of a compiled module.

    Args:
        graph: the optimized graph.
        hlo: the module's text.
        numbers: the rows of the graph's ops.
        times: the measured seconds of kernels, by name; empty if nothing was measured.
    """
    report = kernel_report(graph, hlo)
    fates = {
        fate.index: {"verdict": fate.verdict, "kernels": list(fate.kernels)}
        for fate in report.groups
    }
    rows = [_row(kernel, numbers, times) for kernel in report.kernels]
    return Made(rows, fates, report.note, report.findings())


def _row(kernel: Kernel, numbers: Mapping[object, int], times: Mapping[str, float]) -> Row:
    known = [numbers[op] for op in kernel.ops if op in numbers]
    return {
        "name": kernel.name,
        "kind": kernel.kind,
        "times": kernel.times,
        "flops": kernel.flops * kernel.times,
        "bytes": kernel.bytes * kernel.times,
        "seconds": times.get(kernel.name, 0.0),
        "copy": kernel.is_copy,
        "ops": known,
        "lines": [] if known else [_place(frame) for frame in kernel.lines],
    }


def _place(frame: Frame) -> str:
    """The line, for kernels whose ops the graph does not have: those inside an opaque op."""
    return f"{Path(frame.file).name}:{frame.line}"
