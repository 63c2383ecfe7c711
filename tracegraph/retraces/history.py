"""The traces of a function, kept with the code that it was compiled from.

A function that is decorated again and again (in a loop, in a method) is a new object each time and
one function to its author: the history belongs to the code.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tracegraph.retraces.causes import ADVICE, Change, is_needless, nearest_changes
from tracegraph.retraces.clock import Spent
from tracegraph.retraces.described import Described, closed_over, layers_of
from tracegraph.userlines import is_in_loop, user_level

WARN_AT: Final = 3
"""After so many traces for one cause comes the one warning about it."""

_KEPT: Final = 256
"""So many rows a history holds: the first and the newest."""


class RetraceWarning(UserWarning):
    """A function is traced again and again for one cause."""


@dataclass(slots=True)
class Retrace:
    """One trace, or one more compilation, of a function.

    Attributes:
        number: counted from 1, for all of the function.
        function: the function's name.
        changes: what differs from the nearest call before; the first is the cause.
        site: the user's file and line of the call.
        traced: whether Python ran; if not, the same trace was compiled again.
        trace_ms: milliseconds in the user's Python, under JAX's tracing.
        passes_ms: in the import, the passes and the export.
        lowering_ms: from the jaxpr to StableHLO.
        compile_ms: in XLA.
    """

    number: int
    function: str
    changes: tuple[Change, ...]
    site: str
    traced: bool
    trace_ms: float = 0.0
    passes_ms: float = 0.0
    lowering_ms: float = 0.0
    compile_ms: float = 0.0

    @property
    def cause(self) -> Change:
        """The first difference."""
        return self.changes[0]

    def add(self, spent: Spent, passes_ms: float = 0.0) -> None:
        """What the call spent behind the trace."""
        self.passes_ms += passes_ms
        self.lowering_ms += spent.lowering
        self.compile_ms += spent.compiling

    def __str__(self) -> str:
        kind = "trace" if self.traced else "compile"
        times = (self.trace_ms, self.passes_ms, self.lowering_ms, self.compile_ms)
        return (
            f"{self.number:>3} {kind:<7} {' '.join(f'{ms:>9.1f}' for ms in times)}  "
            f"{'; '.join(map(str, self.changes))}  ({self.site})"
        )


class Retraces(Sequence[Retrace]):
    """The traces of a function in order; ``print`` shows them as a table.

    Of very many, the first and the newest are kept, and the numbers show the gap.
    """

    def __init__(self, function: str, rows: Sequence[Retrace]) -> None:
        self.function = function
        self._rows = tuple(rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]  # pyright: ignore[reportUnknownVariableType]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Retrace]:
        return iter(self._rows)

    def __str__(self) -> str:
        traces = sum(row.traced for row in self._rows)
        head = f"{self.function}: {traces} traces, {len(self._rows) - traces} more compilations"
        columns = f"  # {'':<7} {'trace ms':>9} {'passes':>9} {'lowering':>9} {'compile':>9}  cause"
        lost = self._rows[-1].number - len(self._rows) if self._rows else 0
        gap = [f"... {lost} more were left out"] if lost > 0 else []
        first, rest = self._rows[:1], self._rows[1:]
        return "\n".join([head, columns, *map(str, first), *gap, *map(str, rest)])

    __repr__ = __str__


class _Cause(NamedTuple):
    """What is counted: a cause at one function object, or function objects made for one line."""

    owner: str
    kind: str
    path: str


@dataclass(slots=True)
class History:
    """All that is known of the traces of one piece of code.

    Attributes:
        rows: the traces and further compilations, the first and the newest.
        calls: what each of them was called with.
        causes: how often each avoidable cause came up.
        numbers: the number of the next row.
    """

    rows: list[Retrace] = field(default_factory=list[Retrace])
    calls: list[Described] = field(default_factory=list[Described])
    causes: Counter[_Cause] = field(default_factory=Counter[_Cause])
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, row: Retrace, call: Described) -> None:
        """Adds a trace, and warns at the ``WARN_AT``-th for one cause."""
        with _lock:
            self.rows.append(row)
            self.calls.append(call)
            if len(self.rows) > _KEPT:  # the first stays: it is what all others came after
                del self.rows[1], self.calls[1]
        if row.cause.kind == "first" or not row.traced or not self._is_avoidable(row, call):
            return
        owner = row.site if row.cause.kind == "function" else str(call.identity)
        cause = _Cause(owner, row.cause.kind, row.cause.path)
        self.causes[cause] += 1
        if self.causes[cause] == WARN_AT:
            _warn(row, WARN_AT)

    def changes_to(self, call: Described) -> tuple[Change, ...]:
        """What differs from the nearest call before."""
        return nearest_changes(call, self.calls)

    def _is_avoidable(self, row: Retrace, call: Described) -> bool:
        """Function objects of one code are one function only if they close over the same things.

        And only a loop makes so many of them, one after the other, that it is worth a word.
        """
        if row.cause.kind != "function":
            return True
        return is_in_loop() and is_needless(self.calls[-2], call)


_lock = threading.Lock()
_histories: weakref.WeakKeyDictionary[Any, dict[tuple[Any, ...], History]] = (
    weakref.WeakKeyDictionary()
)
LISTENERS: Final[list[Callable[[Retrace], None]]] = []
"""Called with each trace: the open ``expect`` blocks."""


def history_of(fun: Callable[..., Any], fallback: Any) -> History:
    """The history of a function's code, or of ``fallback`` where there is no code.

    Args:
        fun: the user's function.
        fallback: an object that lives as long as the decorated function.
    """
    layers = layers_of(fun)
    code = getattr(layers[-1], "__code__", None)
    with _lock:
        known = _histories.setdefault(fallback if code is None else code, {})
        return known.setdefault(_home(layers), History())


def _home(layers: Sequence[Any]) -> tuple[Any, ...]:
    """Where a function was written, and all that wraps it; code of two files may be equal.

    A decorator may have its own way to wrap, as JAX's have: what it does is what that closes over.
    """
    wrappers = layers[:-1]
    inside = [one for layer in wrappers for one in closed_over(layer) if inspect.isfunction(one)]
    return tuple(map(_place, [*inside, *layers]))


def _place(layer: Any) -> tuple[Any, ...]:
    code = getattr(layer, "__code__", None)
    if code is None:
        return (type(layer).__qualname__,)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def _warn(row: Retrace, times: int) -> None:
    warnings.warn(
        f"{row.function} was traced again {times} times for one cause: {row.cause}. The last time "
        f"took {row.trace_ms:.0f} ms before compilation. What to do: {ADVICE[row.cause.kind]}. "
        "All traces: print(function.retraces())",
        RetraceWarning,
        stacklevel=user_level(),
    )
