"""``cost_report``: the costs of a graph, and XLA's own figures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compiler.analysis.cost import Cost, graph_cost
from compiler.analysis.liveness import peak_memory
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.devices import device as described
from tracegraph.costs.rows import (
    LineCost,
    ModuleCost,
    OpCost,
    is_opaque,
    line_rows,
    module_rows,
    op_rows,
)
from tracegraph.printed import Printed, quantity, seconds, table

jax_compat.hide_frames(__file__)

SHOWN: Final = 12
"""So many lines and modules are shown; all are in the report."""


@dataclass(frozen=True, slots=True)
class XlaCost:
    """What XLA says of the compiled function; None where the platform does not say.

    XLA counts a loop's body once, whatever its trip count, and bytes after fusion.
    """

    flops: float | None = None
    transcendentals: float | None = None
    bytes: float | None = None
    argument_bytes: int | None = None
    output_bytes: int | None = None
    temporary_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class CostReport(Printed):
    """What a graph costs in one run. ``print`` shows it.

    Attributes:
        function: the function's name.
        total: the whole cost.
        peak_bytes: the most bytes alive at once, as if nothing were fused.
        ops: a row for each op, in the order of the text.
        lines: their sums by line of the user's code, the heaviest first.
        modules: their sums by module, in the order in which they first run.
        device: the device that floor times are for; None for none.
        unknown: ops in loops whose trip count is not known: each is counted as if the loop ran
            once.
        xla: XLA's own figures, if it was asked.
        opaque: the names of the ops that only XLA can look into, such as ``call_exported``: their
            arithmetic is not counted.
    """

    function: str
    total: Cost
    peak_bytes: int
    ops: tuple[OpCost, ...]
    lines: tuple[LineCost, ...]
    modules: tuple[ModuleCost, ...]
    device: DeviceSpec | None = None
    unknown: int = 0
    xla: XlaCost | None = None
    opaque: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The sum of the ops' floor times; 0 without a device."""
        return sum(row.floor.seconds for row in self.ops if row.floor is not None)

    def __rich__(self) -> RenderableType:
        """The head, the heaviest lines, the modules, and XLA's figures."""
        parts: list[RenderableType] = [Text(line) for line in self._head()]
        parts.append(_line_table(self.lines, self.device))
        if any(row.name for row in self.modules):
            parts.append(module_table(self.modules))
        return Group(*parts)

    def _head(self) -> list[str]:
        cost = self.total
        mark = "" if cost.exact else ", in part estimated"
        lines = [
            f"@{self.function}: {_work(cost)}, peak {quantity(self.peak_bytes, 'B')} alive"
            f" as if nothing were fused{mark}"
        ]
        if self.unknown:
            lines.append(
                f"{self.unknown} operations stand in loops of unknown length: counted as one round"
            )
        if self.opaque:
            names = ", ".join(dict.fromkeys(self.opaque))
            lines.append(
                f"the arithmetic of {len(self.opaque)} opaque operations is not counted: {names}"
            )
        if self.device is not None:
            bound = [row.floor.bound for row in self.ops if row.floor is not None]
            lines.append(
                f"on {self.device.name}: at least {seconds(self.seconds)}; "
                f"{bound.count('compute')} operations bound by compute, "
                f"{bound.count('memory')} by memory ({self.device.source})"
            )
        return lines + ([_xla_line(self.xla)] if self.xla is not None else [])


def cost_report(
    graph: Graph, device: str | DeviceSpec | None = None, xla: XlaCost | None = None
) -> CostReport:
    """What a graph costs, by op, line and module.

    Args:
        graph: the graph.
        device: for floor times: a ``DeviceSpec``, ``"cpu"`` for this machine, or a name such as
            ``"TPU v5e"`` or ``"H100"``; None for none.
        xla: XLA's own figures, to stand beside.

    Raises:
        TracegraphError: there is no device of that name.
    """
    spec = None if device is None else described(device)
    rows = op_rows(graph, spec)
    return CostReport(
        graph.name,
        graph_cost(graph),
        peak_memory(graph).nbytes,
        rows,
        line_rows(rows),
        module_rows(graph, rows),
        spec,
        sum(not row.counted for row in rows),
        xla,
        tuple(row.name for row in rows if is_opaque(row.op)),
    )


def of(
    function: Any,
    /,
    *args: Any,
    device: str | DeviceSpec | None = None,
    xla: bool = True,
    **kwargs: Any,
) -> CostReport:
    """What a decorated function costs for these arguments; see ``Function.cost``."""
    trace = function.trace(*args, **kwargs)
    figures = xla_cost(trace.lower().compile()) if xla else None
    return cost_report(trace.optimized, device, figures)


def xla_cost(compiled: Any) -> XlaCost:
    """What XLA says of a compiled function, as ``jax.stages.Compiled`` hands it on."""
    costs = _costs(_asked(compiled, "cost_analysis"))
    memory: Any = _asked(compiled, "memory_analysis")
    return XlaCost(
        costs.get("flops"),
        costs.get("transcendentals"),
        costs.get("bytes accessed"),
        getattr(memory, "argument_size_in_bytes", None),
        getattr(memory, "output_size_in_bytes", None),
        getattr(memory, "temp_size_in_bytes", None),
    )


def _costs(said: Any) -> Mapping[str, float]:
    """The figures of the one program, whichever way the version hands them out."""
    each = cast("Sequence[Mapping[str, float]]", said if isinstance(said, list) else [said])
    return (each[0] if each else None) or {}


def _asked(compiled: Any, question: str) -> object:
    try:
        return getattr(compiled, question)()
    except Exception:  # a platform may refuse in any way; then there is no answer
        return None


def module_table(rows: Sequence[ModuleCost]) -> Table:
    """Modules as a table: parameters, FLOPs, bytes, share."""
    headings = ("module", ">parameters", ">ops", ">FLOPs", ">exp, log", ">bytes", ">share")
    drawn = [
        (
            row.name or "(none)",
            quantity(row.parameters),
            str(row.ops),
            quantity(row.cost.flops),
            quantity(row.cost.transcendentals),
            quantity(row.cost.bytes),
            f"{row.share:.1%}",
        )
        for row in rows
    ]
    return table("by module", headings, drawn)


def _line_table(rows: Sequence[LineCost], device: DeviceSpec | None) -> RenderableType:
    headings = ["line", "source", ">ops", ">FLOPs", ">exp, log", ">read", ">written", ">share"]
    headings += [">floor"] if device is not None else []
    rest = len(rows) - SHOWN
    title = "by line" + (f", {rest} lighter ones left out" if rest > 0 else "")
    return table(title, headings, [_line_cells(row, device) for row in rows[:SHOWN]])


def _line_cells(row: LineCost, device: DeviceSpec | None) -> list[str]:
    cost = row.cost
    cells = [
        f"{Path(row.file).name}:{row.line}" if row.file else "(unknown)",
        row.source,
        str(row.ops),
        quantity(cost.flops),
        quantity(cost.transcendentals),
        quantity(cost.bytes_read),
        quantity(cost.bytes_written),
        f"{row.share:.1%}",
    ]
    return cells + ([seconds(row.seconds)] if device is not None else [])


def _work(cost: Cost) -> str:
    return (
        f"{quantity(cost.flops)} FLOPs, {quantity(cost.transcendentals)} exp or log, "
        f"{quantity(cost.bytes_read, 'B')} read, {quantity(cost.bytes_written, 'B')} written"
    )


def _xla_line(xla: XlaCost) -> str:
    def said(number: float | None, unit: str = "") -> str:
        return "?" if number is None else quantity(number, unit)

    return (
        f"XLA says: {said(xla.flops)} FLOPs, {said(xla.transcendentals)} exp or log, "
        f"{said(xla.bytes, 'B')} moved after fusion (it counts a loop's body once); "
        f"{said(xla.argument_bytes, 'B')} of arguments, {said(xla.output_bytes, 'B')} of results, "
        f"{said(xla.temporary_bytes, 'B')} temporary"
    )
