"""How import, each pass and export grow with the graph: time and memory for 1,000 to 50,000 ops.

Each size runs in a process of its own, because the peak of a process's memory never falls.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import jax
import rich
from rich.table import Table

from benchmarks import scale_program
from benchmarks.memory import peak_bytes
from benchmarks.timing import Comparison
from compiler.ir.graph import Graph
from compiler.ir.walk import count_ops
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.instruments import Event, Instrument
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from tracegraph.collector import paused_collector

SIZES: Final = (1_000, 5_000, 20_000, 50_000)
MAX_SECONDS: Final = 60
MAX_MEGABYTES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its seconds, and the peak memory of the process when it had run."""

    name: str
    seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One size: the ops of the imported graph, JAX's own stages, and ours."""

    ops: int
    jax: list[Stage]
    ours: list[Stage]

    @property
    def seconds(self) -> float:
        """Import, all passes and export."""
        return sum(stage.seconds for stage in self.ours)

    @property
    def megabytes(self) -> float:
        """The peak of the process, JAX's own trace and lowering included."""
        return max(stage.megabytes for stage in self.ours)


def run() -> Iterator[Comparison]:
    """The largest size over its bars in time and memory; prints the stages of every size."""
    measured = [_in_a_process(size) for size in SIZES]
    rich.print(_table(measured))
    largest = measured[-1]
    jit = sum(stage.seconds for stage in largest.jax)
    what = f"import, passes and export of {SIZES[-1]} ops"
    name = f"{what}, over {MAX_SECONDS} s (jit: trace and lowering)"
    yield Comparison(name, jit, largest.seconds, largest.seconds / MAX_SECONDS, 1.0)
    share = largest.megabytes / MAX_MEGABYTES
    yield Comparison(
        f"peak memory of it, over {MAX_MEGABYTES} MB", jit, largest.seconds, share, 1.0
    )


def measure(ops: int) -> Measurement:
    """Traces a program of about that many ops and takes it through the default pipeline."""
    small = import_jaxpr(jax.make_jaxpr(scale_program.program(1))(*scale_program.arguments()))
    function = scale_program.program(max(1, ops // count_ops(small)))
    traced, trace = _timed("trace", lambda: jax.jit(function).trace(*scale_program.arguments()))
    with paused_collector():
        captured, ours = _through_the_pipeline(traced.jaxpr)
    _, lowering = _timed("lower", traced.lower)
    return Measurement(count_ops(captured), [trace, lowering], ours)


def _through_the_pipeline(jaxpr: Any) -> tuple[Graph, list[Stage]]:
    captured, importing = _timed("import", lambda: import_jaxpr(jaxpr).freeze())
    passes = _Passes()
    manager = PassManager(parse_pipeline(DEFAULT_PIPELINE), (passes,))
    result, whole = _timed("passes", lambda: manager.run(captured))
    _, exporting = _timed("export", lambda: export_jaxpr(result.graph))
    rest = whole.seconds - sum(stage.seconds for stage in passes.stages)
    clone = Stage("clone and count", rest, whole.megabytes)
    return captured, [importing, *passes.stages, clone, exporting]


class _Passes(Instrument):
    """Notes the time and the memory of each pass."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._start = 0.0

    def before(self, event: Event) -> None:  # noqa: ARG002 as the manager calls it
        self._start = time.perf_counter()

    def after(self, event: Event) -> None:
        seconds = time.perf_counter() - self._start
        self.stages.append(Stage(event.title, seconds, _peak_megabytes()))


def _timed(name: str, call: Callable[[], Any]) -> tuple[Any, Stage]:
    start = time.perf_counter()
    result = call()
    return result, Stage(name, time.perf_counter() - start, _peak_megabytes())


def _peak_megabytes() -> float:
    return peak_bytes() / 1e6


def _in_a_process(ops: int) -> Measurement:
    command = [sys.executable, "-m", "benchmarks.pipeline_scale", str(ops)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    data = json.loads(done.stdout)
    jax_stages, ours = ([Stage(**stage) for stage in data[side]] for side in ("jax", "ours"))
    return Measurement(data["ops"], jax_stages, ours)


def _table(measured: list[Measurement]) -> Table:
    table = Table(title="microseconds per op (milliseconds), and peak memory")
    table.add_column("stage")
    for result in measured:
        table.add_column(f"{result.ops} ops", justify="right")
    table.add_column("per op, largest / smallest", justify="right")
    names = [stage.name for stage in (*measured[0].jax, *measured[0].ours)]
    for index, name in enumerate(names):
        stages = [((*result.jax, *result.ours)[index], result.ops) for result in measured]
        table.add_row(name, *_cells([(stage.seconds, ops) for stage, ops in stages]))
    totals = [(result.seconds, result.ops) for result in measured]
    table.add_row("ours", *_cells(totals))
    table.add_row("peak MB", *(f"{result.megabytes:.0f}" for result in measured), "")
    return table


def _cells(times: list[tuple[float, int]]) -> list[str]:
    per_op = [seconds / ops * 1e6 for seconds, ops in times]
    cells = [
        f"{one:.2f} ({seconds * 1e3:.0f})" for one, (seconds, _) in zip(per_op, times, strict=True)
    ]
    return [*cells, f"{per_op[-1] / per_op[0]:.2f}"]


if __name__ == "__main__":
    print(json.dumps(asdict(measure(int(sys.argv[1])))))
