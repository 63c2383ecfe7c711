"""Where the time of a call goes that is traced or compiled, as JAX itself reports it."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import jax.monitoring

_LOWERING: Final = "/jax/core/compile/jaxpr_to_mlir_module_duration"
_COMPILING: Final = "/jax/core/compile/backend_compile_duration"


@dataclass(slots=True)
class Spent:
    """Milliseconds, each kind together.

    Attributes:
        lowering: from the jaxpr to StableHLO.
        compiling: in XLA.
        compiled: how many programs XLA compiled, or read from JAX's own cache.
    """

    lowering: float = 0.0
    compiling: float = 0.0
    compiled: int = 0


class _Running(threading.local):
    spent: Spent | None = None


_running = _Running()
_listening: list[bool] = []
_lock = threading.Lock()


@contextmanager
def measuring() -> Generator[Spent]:
    """What is spent while it is open, by this thread, but for what an inner one measures."""
    _begin_listening()
    before, spent = _running.spent, Spent()
    _running.spent = spent
    try:
        yield spent
    finally:
        _running.spent = before


def _begin_listening() -> None:
    """Asks JAX to report times, once in a process: each listener would count them again."""
    with _lock:
        if not _listening:
            jax.monitoring.register_event_duration_secs_listener(_listen)
            _listening.append(True)


def _listen(event: str, duration_secs: float, **_: Any) -> None:
    spent = _running.spent
    if spent is None:
        return
    if event == _LOWERING:
        spent.lowering += duration_secs * 1e3
    elif event == _COMPILING:
        spent.compiling += duration_secs * 1e3
        spent.compiled += 1
