"""The programs of one function under one pipeline, and who is tracing at this moment."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import jax
import jax.core

from compiler.lowering import jax_compat
from compiler.passes.pipeline import Pipeline
from tracegraph.donation import Donations
from tracegraph.program import OptimizationWarning, Program, warn_failed
from tracegraph.tuner import Tuned
from tracegraph.tuning import Choice


class _Capturing(threading.local):
    """Whether this thread is tracing the user's Python for a graph of ours."""

    active: bool = False

    @contextmanager
    def __call__(self) -> Generator[None]:
        before, self.active = self.active, True
        try:
            yield
        finally:
            self.active = before


capturing: Final = _Capturing()


class Programs:
    """The programs of one function under one pipeline, each made at the first request.

    Args:
        pipeline: the passes to run.
        donations: what is known of the arguments that are given away.
    """

    def __init__(self, pipeline: Pipeline, donations: Donations) -> None:
        self.pipeline = pipeline
        self._donations = donations
        self._tuned: weakref.WeakKeyDictionary[Any, Tuned] = weakref.WeakKeyDictionary()
        self._made: weakref.WeakKeyDictionary[Any, Program | None] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def of(self, traced: Any) -> Program | None:
        """The program of a trace; None where there can be none."""
        with self._lock:
            if traced.jaxpr not in self._made:
                self._made[traced.jaxpr] = self._make(traced)
            return self._made[traced.jaxpr]

    def alive(self) -> list[tuple[Any, Program]]:
        """The traces that jit still holds, each with its program, the oldest first."""
        with self._lock:
            return [(jaxpr, made) for jaxpr, made in self._made.items() if made is not None]

    def tuned(self, traced: Any) -> Tuned | None:
        """What was chosen for a trace by measurement, if that was done."""
        return self._tuned.get(traced.jaxpr)

    def choose(self, traced: Any, tuned: Tuned) -> bool:
        """From here on the program of a trace keeps to a choice; whether it was another before."""
        with self._lock:
            self._tuned[traced.jaxpr] = tuned
            return self._made.pop(traced.jaxpr, None) is not None and tuned.choice != Choice()

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._made.clear()
            self._tuned.clear()

    def _make(self, traced: Any) -> Program | None:
        try:
            jaxpr = jax_compat.low_jaxpr(traced)
            tuned = self._tuned.get(traced.jaxpr)
            pipeline = self.pipeline if tuned is None else tuned.choice.applied(self.pipeline)
            donated = self._donations.flags(traced)
            if jaxpr is None or any(map(_is_deleted, jaxpr.consts)):  # jit says so in its own words
                return None
            # A program that held its own key would never go: weak keys do not see such circles.
            return Program(traced, jax_compat.another(jaxpr), pipeline, donated)
        except OptimizationWarning:  # somebody has made warnings errors
            raise
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"optimising {traced.fun_name}", error)
            return None


def _is_deleted(constant: Any) -> bool:
    """Whether a captured array was given away or deleted since."""
    if isinstance(constant, jax.core.Tracer) or not isinstance(constant, jax.Array):
        return False
    return constant.is_deleted()
