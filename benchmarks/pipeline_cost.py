"""What import, passes and export cost beside what jit takes to trace, lower and compile the same.

Every round makes a fresh function and clears JAX's caches, so that neither side finds its work
done.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import jax
import numpy as np
import rich
from rich.table import Table

from benchmarks import transformer
from benchmarks.models import MODELS, Model, adam_step
from benchmarks.timing import Comparison
from compiler.lowering import jax_compat
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from tracegraph.collector import paused_collector
from tracegraph.demo import training
from tracegraph.program import Program

BAR: Final = 0.10
ROUNDS: Final = 5


def _transformer() -> Model:
    key = jax.random.key(0)
    arguments = (transformer.init(key), transformer.batch(key))
    return Model(jax.value_and_grad(transformer.loss), arguments)


def _demo_step() -> Model:
    train, _ = training.load_digits(0)
    optimizer = training.make_optimizer(1, len(train))
    state = training.new_state(optimizer, 0)
    batch = next(training.batches(train, np.random.default_rng(0)))
    step = training.make_train_step(optimizer).__wrapped__
    return Model(step, (state.model, state.optimizer_state, batch.images, batch.labels))


PROGRAMS: Final[dict[str, Callable[[], Model]]] = {
    **MODELS,
    "Adam step of 300 leaves": lambda: adam_step(300),
    "transformer of 12 layers": _transformer,
    "demo train step": _demo_step,
}


@dataclass(slots=True)
class Round:
    """The seconds of one round: jit's three stages together, and each of ours by name."""

    jit: float = 0.0
    ours: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def share(self) -> float:
        """Ours over jit's."""
        return sum(self.ours.values()) / self.jit


def run() -> Iterator[Comparison]:
    """One comparison per program; prints the share of each stage first."""
    measured = {name: [_round(make()) for _ in range(ROUNDS)] for name, make in PROGRAMS.items()}
    rich.print(_table(measured))
    for name, rounds in measured.items():
        yield Comparison(
            f"import, passes and export of jit's first call, {name}",
            statistics.median(one.jit for one in rounds),
            statistics.median(sum(one.ours.values()) for one in rounds),
            statistics.median(one.share for one in rounds),
            BAR,
        )


def _round(model: Model) -> Round:
    jax.clear_caches()
    gc.collect()
    found = Round()
    start = time.perf_counter()
    traced = jax.jit(_fresh(model.function)).trace(*model.arguments)
    traced.lower().compile()
    found.jit = time.perf_counter() - start
    gc.collect()
    program = Program(traced, jax_compat.low_jaxpr(traced), parse_pipeline(DEFAULT_PIPELINE))
    found.ours["import"] = program.times.importing / 1e3
    found.ours["export"] = program.times.exporting / 1e3
    passes = program.times.passes / 1e3
    for one in program.unmarked.runs:
        seconds = one.milliseconds / 1e3
        found.ours[one.title.split()[-1]] += seconds
        passes -= seconds
    found.ours["clone and count"] = passes
    found.ours["splice"] = _splice_seconds(program.jaxpr, jax.tree.leaves(model.arguments))
    return found


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that JAX has not seen yet."""
    return lambda *arguments: function(*arguments)


def _splice_seconds(jaxpr: Any, leaves: list[Any]) -> float:
    """What it takes to put the optimised equations into jit's own trace."""
    seconds = 0.0

    def body(*arguments: Any) -> Any:
        nonlocal seconds
        start = time.perf_counter()
        with paused_collector():
            results = jax_compat.splice(jaxpr, arguments)
        seconds = time.perf_counter() - start
        return results

    jax.jit(body).trace(*leaves)
    return seconds


def _table(measured: dict[str, list[Round]]) -> Table:
    stages = list(
        dict.fromkeys(n for rounds in measured.values() for one in rounds for n in one.ours)
    )
    table = Table(title="share of jit's trace, lower and compile, in %")
    table.add_column("program")
    for name in ("jit ms", *stages, "all", "bar"):
        table.add_column(name, justify="right")
    for name, rounds in measured.items():
        shares = [statistics.median(one.ours[s] / one.jit for one in rounds) for s in stages]
        jit = statistics.median(one.jit for one in rounds)
        whole = statistics.median(one.share for one in rounds)
        cells = [f"{share * 100:.2f}" for share in (*shares, whole)]
        table.add_row(name, f"{jit * 1e3:.0f}", *cells, f"{BAR * 100:.0f}")
    return table
