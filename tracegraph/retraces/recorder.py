"""Enters the traces and compilations of one decorated function into its history."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from compiler.lowering import jax_compat
from tracegraph.retraces.clock import Spent
from tracegraph.retraces.described import Described, describe
from tracegraph.retraces.history import LISTENERS, Retrace, Retraces, history_of
from tracegraph.userlines import calling_line

if TYPE_CHECKING:
    from tracegraph.options import Settings
    from tracegraph.program import Program

jax_compat.hide_frames(__file__)

_identities: Final = itertools.count()


class Recorder:
    """Enters what happens to one decorated function.

    Args:
        fun: the user's function.
        jitted: its jit callable.
        settings: how it is traced and compiled, and what it may cost.
    """

    def __init__(self, fun: Callable[..., Any], jitted: Any, settings: Settings) -> None:
        self.budgets = settings.budgets
        self._settings = settings
        self._fun, self._jitted = fun, jitted
        self._name = jax_compat.function_name(jitted)
        self._history = history_of(fun, self)
        self._identity = next(_identities)
        self._traces = 0
        self._known: weakref.WeakKeyDictionary[Any, tuple[Retrace, Described]] = (
            weakref.WeakKeyDictionary()
        )

    def traced(
        self,
        traced: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        milliseconds: float,
        *,
        python_ran: bool,
    ) -> None:
        """Enters a trace, if it is a new one; as a compilation if the user's Python did not run.

        Raises:
            BudgetError: it is one too many.
        """
        if traced.jaxpr in self._known:
            return
        self._traces += python_ran  # first: what is said of a trace may be an error
        row = self._enter(traced, args, kwargs, is_trace=python_ran, milliseconds=milliseconds)
        self.budgets.check_trace(row, self._traces)

    def compiled(
        self,
        traced: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        spent: Spent,
        program_of: Callable[[Any], Program | None],
    ) -> None:
        """Enters what a call spent after its trace; nothing if XLA compiled nothing.

        Raises:
            BudgetError: it took too long.
        """
        if not spent.compiled:
            return
        known = self._known.get(traced.jaxpr)
        row = known[0] if known is not None else self._enter(traced, args, kwargs, is_trace=True)
        is_first = not row.compile_ms
        if not is_first:
            row = self._enter(traced, args, kwargs, is_trace=False)
        program = program_of(traced)
        times = None if program is None else program.times
        passes = 0.0 if times is None else times.importing + times.passes + times.exporting
        row.add(spent, passes if is_first else 0.0)
        self.budgets.check_compile(row)

    def check(self, traced: Any, program_of: Callable[[Any], Program | None]) -> None:
        """Raises if the graph of a trace is over a budget; without one no graph is asked for."""
        known = self._known.get(traced.jaxpr)
        if known is None or not self.budgets.concern_graphs:
            return
        program = program_of(traced)
        if program is not None:
            self.budgets.check_program(known[0], program)

    def has_compiled(self, traced: Any) -> bool:
        """Whether XLA compiled the program of a trace, as far as was entered."""
        known = self._known.get(traced.jaxpr)
        return known is not None and known[0].compile_ms > 0

    def rows(self) -> Retraces:
        """All that was entered for the function's code."""
        return Retraces(self._name, self._history.rows)

    def _enter(
        self,
        traced: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        is_trace: bool,
        milliseconds: float = 0.0,
    ) -> Retrace:
        call = describe(self._fun, self._jitted, args, kwargs, self._identity)
        call = replace(call, captured=(*call.captured, repr(self._settings.of_program)))
        number = next(self._history.numbers)
        changes = self._history.changes_to(call)
        row = Retrace(number, self._name, changes, calling_line(), is_trace, milliseconds)
        self._known[traced.jaxpr] = (row, call)
        for listener in tuple(LISTENERS):
            listener(row)
        self._history.add(row, call)
        return row
