"""The onlooker behind ``check``: remembers the first op that went bad, and what it was given."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.origins import enclosing
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.lowering.arguments import numeric_dtype
from tracegraph.debug.detectors import DETECTORS, Detector, Facts

Values = Sequence[Any]
Ops = frozenset[Operation] | None
"""Some of a graph's ops; None for all of them."""

jax_compat.hide_frames(__file__)

SHOWN: Final = 8
"""The ranges of so many results and operands are kept."""

_LOOPS: Final = frozenset({"scan", "while"})
_NUMBERS: Final = 4


class Report(NamedTuple):
    """The first op that went bad.

    Attributes:
        code: 0 for none; else which op and which check, see ``Numbering``.
        iterations: the iteration of each loop around it, the outermost first.
        ranges: per result and operand the least and the greatest number, and how many nans and
            infinities there are.
    """

    code: Any
    iterations: Any
    ranges: Any


class Numbering:
    """Gives each op of a graph and each check a number, and takes them apart again."""

    def __init__(self, graph: Graph, checks: Sequence[str]) -> None:
        self._ops = [op for op in walk(graph) if not op.is_terminator]
        self._checks = checks
        self._numbers = {op: i for i, op in enumerate(self._ops)}

    def code(self, op: Operation, check: int) -> int:
        """The number of a check, by its place, at an op; never 0."""
        return self._numbers[op] * len(self._checks) + check + 1

    def read(self, code: int) -> tuple[Operation, str]:
        """The op and the check of a number."""
        op, check = divmod(code - 1, len(self._checks))
        return self._ops[op], self._checks[check]


class Probe:
    """Shown the ops of a graph, it reports the first that went bad; see ``Onlooker``.

    Args:
        graph: what runs.
        checks: the names of the checks.
        recorded: the ops whose ranges are kept when they go bad; None for all.
        asked: the ops that are looked at; None for all.
    """

    stacks: ClassVar[bool] = False

    def __init__(
        self, graph: Graph, checks: Sequence[str], *, recorded: Ops = None, asked: Ops = None
    ) -> None:
        self.numbering = Numbering(graph, checks)
        self.detectors: Mapping[int, Detector] = {
            i: DETECTORS[name] for i, name in enumerate(checks)
        }
        self.asked = asked
        self._recorded = recorded
        self._depth = max((_depth(op) for op in walk(graph)), default=0)
        shown = walk(graph) if recorded is None else recorded
        self._rows = min(max((len(_shown(op)) for op in shown), default=0), SHOWN)

    def enter(self, region: Region, arguments: Values) -> _Visit:
        """A region begins to run."""
        del region, arguments
        return _Visit(self)

    def empty(self, region: Region | None = None) -> Report:
        """The report of a region that did not run, or in which nothing went bad."""
        del region
        return Report(
            jnp.int32(0),
            jnp.zeros(self._depth, jnp.int32),
            jnp.zeros((self._rows, _NUMBERS), jnp.float32),
        )

    def again(self, depth: int, iteration: Any, before: Report, now: Report) -> Report:
        """The report of a loop that has run once more."""
        placed = now._replace(iterations=now.iterations.at[depth].set(jnp.int32(iteration)))
        return _choose(before.code != 0, before, placed)

    def report(self, code: Any, op: Operation, operands: Values, results: Values) -> Report:
        """The report of an op, with ranges where it went bad and they are wanted."""
        nothing = self.empty()
        if self._recorded is not None and op not in self._recorded:
            return nothing._replace(code=code)
        arrays = dict(zip((*op.results, *op.operands), (*results, *operands), strict=True))
        rows = [arrays[value] for value in _shown(op)]
        ranges = lax.cond(code != 0, lambda: _ranges(rows, self._rows), lambda: nothing.ranges)
        return nothing._replace(code=code, ranges=ranges)


class _Visit:
    """One run of one region."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._facts = Facts()
        self._reports: list[Report] = []

    def see(self, op: Operation, operands: Values, results: Values) -> None:
        """An op has run."""
        if self._probe.asked is not None and op not in self._probe.asked:
            return
        code: Any = None
        for check, detect in self._probe.detectors.items():
            bad = detect(op, operands, results, self._facts)
            if bad is None:
                continue
            found = jnp.where(bad, jnp.int32(self._probe.numbering.code(op, check)), 0)
            code = found if code is None else jnp.where(code != 0, code, found)
        if code is not None:
            self._reports.append(self._probe.report(code, op, operands, results))

    def made(self, op: Operation, results: Values) -> None:
        """An op has run; those that can go bad are seen."""
        del op, results

    def hear(self, notes: Report) -> None:
        """A region of an op has run."""
        self._reports.append(notes)

    def notes(self) -> Report:
        """The first report of something bad."""
        if not self._reports:
            return self._probe.empty()
        stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *self._reports)
        first = jnp.argmax(stacked.code != 0)
        return jax.tree.map(lambda parts: parts[first], stacked)


def shown_values(op: Operation) -> Sequence[Value]:
    """The results and operands, each once, whose ranges a report holds, in its order."""
    return _shown(op)[:SHOWN]


def _shown(op: Operation) -> list[Value]:
    values = dict.fromkeys((*op.results, *op.operands))
    return [value for value in values if numeric_dtype(value.type) is not None]


def _depth(op: Operation) -> int:
    """How many loops an op is in, itself counted."""
    depth = 0
    at: Operation | None = op
    while at is not None:
        depth += at.name in _LOOPS
        at = enclosing(at)
    return depth


def _choose(first: Any, one: Report, other: Report) -> Report:
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), one, other)


def _ranges(arrays: Values, rows: int) -> Any:
    """A row of numbers for each array, filled up to as many rows as every report has."""
    found = [_range(array) for array in arrays[:rows]]
    return jnp.stack([*found, *[jnp.zeros(_NUMBERS, jnp.float32)] * (rows - len(found))])


def _range(array: Any) -> Any:
    """Least and greatest number, nans and infinities; of a complex array its absolute values."""
    array = jnp.asarray(array)
    real = jnp.abs(array) if jnp.iscomplexobj(array) else array
    numbers = real.astype(jnp.float32)
    nans = jnp.isnan(numbers)
    least = jnp.min(jnp.where(nans, jnp.inf, numbers), initial=jnp.inf)
    greatest = jnp.max(jnp.where(nans, -jnp.inf, numbers), initial=-jnp.inf)
    counts = [jnp.sum(nans), jnp.sum(jnp.isinf(real.astype(jnp.float32)))]
    return jnp.stack([least, greatest, *[count.astype(jnp.float32) for count in counts]])
