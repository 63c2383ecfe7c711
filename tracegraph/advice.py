"""What an explanation says in plain words: what a function is, what to change, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.analysis.cost import graph_cost, nbytes
from compiler.analysis.liveness import peak_memory
from compiler.ir.graph import CONSTANT, Graph, Value
from compiler.ir.locations import Location
from compiler.ir.types import ArrayType, DType, dtype_name
from compiler.ir.walk import count_ops, walk
from compiler.passes.manager import PassManager, PassRun
from compiler.passes.pipeline import parse_pipeline
from compiler.passes.roll_layers import compile_milliseconds
from tracegraph.costs.report import CostReport
from tracegraph.printed import quantity
from tracegraph.program import Times

UNROLLED: Final = 64
"""So many ops of one kind on one line speak of a Python loop."""

WORTH_DONATING: Final = 1 << 20
_LOOPS: Final = frozenset({"scan", "while"})
_PRODUCTS: Final = frozenset({"dot_general", "conv_general_dilated", "ragged_dot_general"})


def description(graph: Graph, costs: CostReport) -> str:
    """What kind of function a graph is, in a sentence."""
    counts = Counter(op.name for op in walk(graph))
    products = sum(counts[name] for name in _PRODUCTS)
    loops = sum(counts[name] for name in _LOOPS)
    parts = [
        f"{len(graph.parameters)} arrays in ({_total(graph.parameters)}), "
        f"{len(graph.outputs)} out ({_total(graph.outputs)})",
        _plural(products, "matrix product or convolution", "matrix products or convolutions"),
        _plural(loops, "loop", "loops"),
        _plural(counts["cond"], "branch", "branches"),
        _plural(len(costs.opaque), "operation", "operations") + " not looked into"
        if costs.opaque
        else "",
        "with the way back of a derivative" if _is_derivative(graph) else "",
        f"{quantity(costs.peak_bytes, 'B')} alive at once",
    ]
    return "; ".join(part for part in parts if part)


def advice(graph: Graph) -> tuple[str, ...]:
    """What would make a function cheaper to run or to compile, a sentence each."""
    rolled = rolling(graph)
    loops = (str(rolled),) if rolled is not None else _unrolled(graph)
    return (*loops, *_not_donated(graph), *_wide(graph))


@dataclass(frozen=True, slots=True)
class Rolling:
    """What ``roll_layers=True`` would do to a function, by the models: before and after.

    Attributes:
        location: where the first of the layers is written.
        ops: operations.
        compile_ms: about what XLA takes to compile them.
        bytes: read and written in a call, as if nothing were fused.
        peak_bytes: the most alive at once, as if nothing were fused.
    """

    location: Location
    ops: tuple[int, int]
    compile_ms: tuple[float, float]
    bytes: tuple[int, int]
    peak_bytes: tuple[int, int]

    def __str__(self) -> str:
        before, after = (f"{ms / 1e3:.1f} s" for ms in self.compile_ms)
        moved, alive = (
            " to ".join(quantity(number, "B") for number in pair)
            for pair in (self.bytes, self.peak_bytes)
        )
        return (
            f"layers written as a Python loop, the first at {self.location}: roll_layers=True "
            f"compiles one of them, {self.ops[1]} operations instead of {self.ops[0]} (about "
            f"{after} in XLA instead of {before}), and changes the bytes moved in a call from "
            f"{moved}, those alive at once from {alive}"
        )


def rolling(graph: Graph) -> Rolling | None:
    """What rolling the layers of a captured graph would do; None where there are none to roll."""
    plain = PassManager(parse_pipeline("inline,cse,dce")).run(graph).graph
    rolled = PassManager(parse_pipeline("roll-layers,dce")).run(plain)
    loop = next((op for op in walk(rolled.graph) if "roll-layers" in op.location.rules), None)
    if loop is None:
        return None
    return Rolling(
        loop.location,
        ops=(count_ops(plain), count_ops(rolled.graph)),
        compile_ms=(compile_milliseconds(plain), compile_milliseconds(rolled.graph)),
        bytes=(graph_cost(plain).bytes, graph_cost(rolled.graph).bytes),
        peak_bytes=(peak_memory(plain).nbytes, peak_memory(rolled.graph).nbytes),
    )


def compiling(times: Times, runs: Sequence[PassRun], ops: int) -> str:
    """What importing, passes and export took, and what took longest of it."""
    slowest = max(runs, key=lambda run: run.milliseconds, default=None)
    most = f", most of it {slowest.title} ({slowest.milliseconds:.0f} ms)" if slowest else ""
    return (
        f"import {times.importing:.0f} ms, passes {times.passes:.0f} ms{most}, export "
        f"{times.exporting:.0f} ms for {ops} operations; XLA's own time is in .retraces()"
    )


def _unrolled(graph: Graph) -> Iterator[str]:
    """Python loops that were written out op by op."""
    places = Counter(
        (op.location.frame, op.name)
        for op in walk(graph)
        if op.location.frame is not None and op.name != CONSTANT
    )
    lines: dict[object, tuple[int, str]] = {}
    for (frame, name), count in places.items():
        if count >= UNROLLED and count > lines.get(frame, (0, ""))[0]:
            lines[frame] = (count, name)
    for frame, (count, name) in lines.items():
        yield (
            f"{frame} was traced to {count} times {name}: as a jax.lax.scan or fori_loop it is "
            "compiled once"
        )


def _not_donated(graph: Graph) -> Iterator[str]:
    """Large inputs that are given back in the same type, and could be written over."""
    given = Counter(str(value.type) for value in graph.outputs)
    saved = 0
    for value, info in zip(graph.parameters, graph.parameter_info, strict=False):
        if not info.captured and given[str(value.type)] > 0:
            given[str(value.type)] -= 1
            saved += 0 if info.donated else nbytes(value)
    if saved >= WORTH_DONATING:
        peak = peak_memory(graph).nbytes
        yield (
            f"{quantity(saved, 'B')} of the arguments come back in the same types: with "
            f"donate_argnums they are written over (the peak is {quantity(peak, 'B')})"
        )


def _wide(graph: Graph) -> Iterator[str]:
    """Products in 64 bits, which accelerators do not have units for."""
    wide = [
        op
        for op in walk(graph)
        if op.name in _PRODUCTS and _dtype(op.result.type) in ("f64", "c128")
    ]
    if wide:
        yield f"{len(wide)} products run in 64 bits, the first at {wide[0].location}: f32 is faster"


def _dtype(type: object) -> str:
    dtype: DType | None = type.dtype if isinstance(type, ArrayType) else None
    return dtype_name(dtype) if dtype is not None else ""


def _total(values: Iterable[Value]) -> str:
    return quantity(sum(map(nbytes, values)), "B")


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}" if count else ""


def _is_derivative(graph: Graph) -> bool:
    return any("transpose(" in op.location.name_stack for op in walk(graph))
