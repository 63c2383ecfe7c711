"""What an explanation says in plain words: what a function is, what to change, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from compiler.analysis.cost import nbytes
from compiler.analysis.liveness import peak_memory
from compiler.ir.graph import CONSTANT, Graph, Value
from compiler.ir.types import ArrayType, DType, dtype_name
from compiler.ir.walk import walk
from compiler.passes.manager import PassRun
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
    return (*_unrolled(graph), *_not_donated(graph), *_wide(graph))


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
