"""Chooses by measurement between forms of a program that the cost model cannot tell apart."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
from rich.console import Console
from rich.progress import Progress

from compiler.ir.errors import TracegraphError
from compiler.ir.printer import print_graph
from compiler.lowering import jax_compat
from compiler.lowering.code_generator import Option
from compiler.lowering.heaps import keep_freed_memory
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.pipeline import Pipeline
from tracegraph.boundary import boundary
from tracegraph.program import Program
from tracegraph.tuning import Choice, Store, alternatives, joined, key_of

jax_compat.hide_frames(__file__)

MIN_GAIN: Final = 1.03
"""An alternative has to be faster by this much, or what tables and model say stays."""

ROUNDS: Final = 7
SECONDS_PER_SAMPLE: Final = 0.01
DEFAULT_SECONDS: Final = 30.0


@boundary
@dataclass(frozen=True, slots=True)
class Autotune:
    """How a function is tuned at the first call of each signature.

    Attributes:
        seconds: how long that may take; what has been found by then is kept. The alternative that
            is being compiled when the time is over is still finished.
        progress: whether to show a bar on standard error while it goes on.
        folder: where choices are kept between processes; None for the user's cache folder. A text
            is a path.

    Raises:
        TracegraphError: the time is not a number of seconds that is at least 0.
    """

    seconds: float = DEFAULT_SECONDS
    progress: bool = True
    folder: Path | str | None = None

    def __post_init__(self) -> None:
        seconds: Any = self.seconds
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise TracegraphError(
                "a function cannot be tuned in that time",
                expected="a number of seconds, at least 0",
                found=repr(seconds),
                hint="write Autotune(seconds=30), for example",
            )


@dataclass(frozen=True, slots=True)
class Tuned:
    """The outcome for one signature.

    Attributes:
        choice: what is used.
        gain: how many times faster than without it, as measured here; 1.0 if it was found on disk.
        tried: how many alternatives were timed.
        from_disk: whether it was chosen by an earlier process.
    """

    choice: Choice
    gain: float = 1.0
    tried: int = 0
    from_disk: bool = False

    def __str__(self) -> str:
        if self.from_disk:
            return f"{self.choice}, as measured before"
        return f"{self.choice}; {self.tried} alternatives timed, {self.gain:.2f} times faster"


def tune(
    traced: Any,
    pipeline: Pipeline,
    leaves: Sequence[Any],
    settings: Autotune,
    options: dict[str, Any],
    *,
    in_blocks: bool = False,
) -> Tuned:
    """The best choice for a traced signature, from disk or by timing.

    Args:
        traced: the plain function's trace.
        pipeline: what to depart from.
        leaves: the arguments to time it on, in the order of the jaxpr; none is given away.
        settings: how long it may take, and where to keep the choice.
        options: what the user says to XLA.
        in_blocks: whether it is told, as well, in which blocks of memory to compute.
    """
    jaxpr = jax_compat.low_jaxpr(traced)
    store = Store(None if settings.folder is None else Path(settings.folder))
    key = key_of(import_jaxpr(jaxpr, name=traced.fun_name), pipeline, options)
    known = store.find(key)
    if known is not None:
        return Tuned(known, from_disk=True)
    search = _Search(traced, jaxpr, pipeline, leaves, options)
    found = search.run(settings, in_blocks=in_blocks)
    store.keep(key, found.choice)
    return found


class _Search:
    """Tries one departure after the other, each on top of those that were taken."""

    def __init__(
        self,
        traced: Any,
        jaxpr: Any,
        pipeline: Pipeline,
        leaves: Sequence[Any],
        options: dict[str, Any],
    ) -> None:
        self._options = options
        self._traced = traced
        self._jaxpr = jaxpr
        self._pipeline = pipeline
        self._leaves = leaves
        self._program = Program(traced, jaxpr, pipeline)
        first = (print_graph(self._program.unmarked.graph), ())
        self._known: set[tuple[str, tuple[Option, ...]]] = {first}

    def run(self, settings: Autotune, *, in_blocks: bool) -> Tuned:
        """The choice, within the time that the settings allow."""
        if in_blocks and (blocks := self._program.heap_options):
            keep_freed_memory()
            self._options = {**dict(blocks), **self._options}
        end = time.perf_counter() + settings.seconds
        best, chosen, gain, tried = self._compiled(self._program, {}), Choice(), 1.0, 0
        options = list(alternatives(self._program))
        with _bar(settings.progress) as bar:
            task = bar.add_task(f"tuning {self._traced.fun_name}", total=len(options))
            for option in options:
                if time.perf_counter() > end:
                    break
                attempt = joined(chosen, option)
                other = self._form(attempt)
                ratio = 0.0 if other is None else self._gain(best, other)
                tried += other is not None
                if other is not None and ratio >= MIN_GAIN:
                    best, chosen, gain = other, attempt, gain * ratio
                bar.advance(task)
        return Tuned(chosen, gain, tried)

    def _form(self, choice: Choice) -> Callable[..., Any] | None:
        """The program under a choice; None if it cannot be made, or was timed before."""
        try:
            program = Program(self._traced, self._jaxpr, choice.applied(self._pipeline))
            form = (print_graph(program.unmarked.graph), choice.options)
            if form in self._known:
                return None
            self._known.add(form)
            return self._compiled(program, dict(choice.options))
        except Exception:  # a form that cannot be compiled is no alternative
            return None

    def _gain(self, best: Callable[..., Any], other: Callable[..., Any]) -> float:
        try:
            return _ratio(best, other, self._leaves)
        except Exception:  # nor is one that fails when it runs, for want of memory as a rule
            return 0.0

    def _compiled(self, program: Program, options: dict[str, Any]) -> Callable[..., Any]:
        run = jax.jit(jax_compat.jaxpr_function(program.jaxpr))
        told: dict[str, Any] = {**options, **self._options}
        return run.lower(*self._leaves).compile(told)


def _bar(shown: bool) -> Progress:
    return Progress(transient=True, disable=not shown, console=Console(stderr=True))


def _ratio(best: Callable[..., Any], other: Callable[..., Any], leaves: Sequence[Any]) -> float:
    """How many times faster the other one is: the median over pairs, each in the other order."""
    calls = max(1, round(SECONDS_PER_SAMPLE / max(1e-7, _seconds(best, leaves, 1))))
    _seconds(other, leaves, 1)
    ratios: list[float] = []
    for turn in range(ROUNDS):
        first, second = (best, other) if turn % 2 else (other, best)
        a, b = _seconds(first, leaves, calls), _seconds(second, leaves, calls)
        ratios.append(a / b if turn % 2 else b / a)
    return statistics.median(ratios)


def _seconds(run: Callable[..., Any], leaves: Sequence[Any], calls: int) -> float:
    result: Any = None
    start = time.perf_counter()
    for _ in range(calls):
        result = run(*leaves)
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / calls
