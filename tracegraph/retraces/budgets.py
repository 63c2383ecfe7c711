"""Budgets: what a function, or a block of a program, may cost before it is an error."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from compiler.analysis.liveness import peak_memory
from compiler.ir.errors import TracegraphError
from compiler.ir.walk import count_ops
from compiler.lowering import jax_compat
from tracegraph.retraces.history import LISTENERS, Retrace
from tracegraph.userlines import calling_line

if TYPE_CHECKING:
    from tracegraph.program import Program

jax_compat.hide_frames(__file__)


class BudgetError(TracegraphError):
    """Something costs more than it was allowed to."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a decorated function may cost; None for no limit.

    Attributes:
        max_traces: how often it may be traced.
        max_ops: operations of its optimized graph, bodies included, per signature.
        max_compile_seconds: seconds in XLA, per signature.
        max_peak_bytes: the most bytes alive at once in its graph, per signature, as if nothing
            were fused.
    """

    max_traces: int | None = None
    max_ops: int | None = None
    max_compile_seconds: float | None = None
    max_peak_bytes: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            limit = getattr(self, one.name)
            if limit is None or (isinstance(limit, (int, float)) and limit >= 0):
                continue
            raise TracegraphError(
                f"{one.name} is no budget",
                expected="a number that is not negative, or None",
                found=repr(limit),
                hint="leave it out for no limit",
            )

    @property
    def concern_graphs(self) -> bool:
        """Whether a graph has to be looked at."""
        return self.max_ops is not None or self.max_peak_bytes is not None

    def check_trace(self, row: Retrace, traces: int) -> None:
        """Raises if a function was traced too often."""
        if self.max_traces is not None and row.traced and traces > self.max_traces:
            _over(row, "traces", self.max_traces, f"trace number {traces}, for {row.cause}")

    def check_program(self, row: Retrace, program: Program) -> None:
        """Raises if a graph is too large."""
        if self.max_ops is not None:
            ops = count_ops(program.unmarked.graph)
            if ops > self.max_ops:
                _over(row, "operations", self.max_ops, f"{ops:,} operations")
        if self.max_peak_bytes is not None:
            peak = peak_memory(program.unmarked.graph).nbytes
            if peak > self.max_peak_bytes:
                _over(row, "bytes alive at once", self.max_peak_bytes, f"{peak:,} bytes")

    def check_compile(self, row: Retrace) -> None:
        """Raises if XLA took too long."""
        limit, seconds = self.max_compile_seconds, row.compile_ms / 1e3
        if limit is not None and seconds > limit:
            _over(row, "seconds of compilation", limit, f"{seconds:.3f} seconds")


NO_BUDGETS: Final = Budgets()


def _over(row: Retrace, what: str, limit: float, found: str) -> None:
    raise BudgetError(
        f"{row.function} is over its budget of {what}",
        where=row.site,
        expected=f"at most {limit:,}",
        found=found,
        hint="print(function.retraces()) lists its traces; raise the budget if this is right",
    )


@contextmanager
def expect(*, traces: int | None = None, compile_seconds: float | None = None) -> Generator[None]:
    """Checks at its end what all tracegraph functions did in this thread while it was open.

    Args:
        traces: exactly so many traces.
        compile_seconds: at most so many seconds in XLA.

    Raises:
        BudgetError: it was otherwise; each trace is named with its cause.
    """
    seen: list[Retrace] = []
    thread = threading.get_ident()

    def see(row: Retrace) -> None:
        if threading.get_ident() == thread:
            seen.append(row)

    LISTENERS.append(see)
    try:
        yield
    finally:
        LISTENERS.remove(see)
    rows = [row for row in seen if row.traced]
    if traces is not None and len(rows) != traces:
        listed = "".join(f"\n{row.function}, {'; '.join(map(str, row.changes))}" for row in rows)
        _unexpected(f"{traces} traces", f"{len(rows)}{':' if rows else ''}{listed}")
    seconds = sum(row.compile_ms for row in seen) / 1e3
    if compile_seconds is not None and seconds > compile_seconds:
        _unexpected(f"at most {compile_seconds} seconds of compilation", f"{seconds:.3f}")


def _unexpected(expected: str, found: str) -> None:
    raise BudgetError(
        "the block did other than was expected of it",
        where=calling_line(),
        expected=expected,
        found=found,
        hint="step.retraces() of each function named shows its traces",
    )
