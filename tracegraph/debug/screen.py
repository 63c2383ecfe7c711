"""The quick look at a checked program: which stretches of it hold anything that could be bad.

To ask each op by itself takes several compiled kernels per op. Asked together, the ops of a stretch
share theirs. A stretch that holds a nan may have made it or been given it: ``Probe`` tells which.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import jax.numpy as jnp

from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.origins import enclosing
from compiler.lowering import jax_compat
from tracegraph.debug.detectors import DETECTORS, Facts, holds_any, is_inexact, may_go_bad

Values = Sequence[Any]

jax_compat.hide_frames(__file__)

LENGTH: Final = 32
"""So many ops make a stretch."""

_LOOPS: Final = frozenset({"scan", "while"})
_CONTENTS: Final = ("nan", "inf")


class Stretches:
    """A graph's ops in stretches that follow one another; none reaches across a region's edge.

    Args:
        graph: the graph.
        checks: the names of the checks; ops that none of them concerns are in no stretch.
    """

    def __init__(self, graph: Graph, checks: Sequence[str]) -> None:
        self._checks = checks
        self.of: dict[Operation, int] = {}
        self.within: dict[Region, range] = {}
        self._count = 0
        self._number(graph.body)
        self._ops: dict[int, list[Operation]] = {}
        for op, stretch in self.of.items():
            self._ops.setdefault(stretch, []).append(op)

    def first_units(self, bad: Sequence[int]) -> Iterator[frozenset[Operation]]:
        """The ops of bad stretches, the earliest first, more at a time.

        The stretches inside one loop go together: which of their ops comes first is a matter of
        iterations.
        """
        units: dict[object, list[int]] = {}
        for stretch in bad:
            units.setdefault(self._unit(stretch), []).append(stretch)
        waiting, many = list(units.values()), 1
        while waiting:
            taken, waiting, many = waiting[:many], waiting[many:], many * 2
            yield frozenset(op for unit in taken for stretch in unit for op in self._ops[stretch])

    def _unit(self, stretch: int) -> object:
        """The outermost loop that a stretch is in; the stretch itself if it is in none."""
        found: object = stretch
        at = enclosing(self._ops[stretch][0])
        while at is not None:
            found = at if at.name in _LOOPS else found
            at = enclosing(at)
        return found

    def _number(self, region: Region) -> None:
        first, filled = self._count, 0
        for op in region:
            if op.regions or filled == LENGTH:
                self._count, filled = self._count + (filled > 0), 0
            for inner in op.regions:
                self._number(inner)
            if may_go_bad(op, self._checks):
                self.of[op] = self._count
                filled += 1
        self._count += filled > 0
        self.within[region] = range(first, self._count)


class Screen:
    """Shown the ops of a graph, it notes which stretches hold something bad; see ``Onlooker``."""

    stacks: ClassVar[bool] = False

    def __init__(self, stretches: Stretches, checks: Sequence[str]) -> None:
        self.stretches = stretches
        self.contents = tuple(check for check in checks if check in _CONTENTS)
        self.detectors = tuple(DETECTORS[check] for check in checks if check not in _CONTENTS)

    def enter(self, region: Region, arguments: Values) -> _Visit:
        """A region begins to run."""
        del arguments
        return _Visit(self, region)

    def empty(self, region: Region) -> dict[int, Any]:
        """The notes of a region that did not run."""
        return {stretch: jnp.array(False) for stretch in self.stretches.within[region]}

    def again(
        self, depth: int, iteration: Any, before: Mapping[int, Any], now: Mapping[int, Any]
    ) -> dict[int, Any]:
        """The notes of a loop that has run once more."""
        del depth, iteration
        return {stretch: before[stretch] | now[stretch] for stretch in before}


class _Visit:
    """One run of one region."""

    def __init__(self, screen: Screen, region: Region) -> None:
        self._screen = screen
        self._region = region
        self._arrays: dict[tuple[int, tuple[int, ...]], list[Any]] = {}
        self._flags: dict[int, list[Any]] = {}
        self._facts = Facts()

    def see(self, op: Operation, operands: Values, results: Values) -> None:
        """An op has run."""
        stretch = self._screen.stretches.of.get(op)
        if stretch is None:
            return
        if self._screen.contents and may_go_bad(op, self._screen.contents):
            for value, array in zip(op.results, results, strict=True):
                if is_inexact(value):
                    self._arrays.setdefault((stretch, jnp.shape(array)), []).append(array)
        flags = (detect(op, operands, results, self._facts) for detect in self._screen.detectors)
        self._flags.setdefault(stretch, []).extend(flag for flag in flags if flag is not None)

    def made(self, op: Operation, results: Values) -> None:
        """An op has run; those that can go bad are seen."""
        del op, results

    def hear(self, notes: Mapping[int, Any]) -> None:
        """A region of an op has run."""
        for stretch, flag in notes.items():
            self._flags.setdefault(stretch, []).append(flag)

    def notes(self) -> dict[int, Any]:
        """Whether each stretch holds something bad."""
        for (stretch, _), arrays in self._arrays.items():
            masks = [holds_any(self._screen.contents, array) for array in arrays]
            bad = jnp.any(functools.reduce(operator.or_, masks))
            self._flags.setdefault(stretch, []).append(bad)
        every = self._screen.empty(self._region)
        return {
            stretch: functools.reduce(operator.or_, self._flags.get(stretch, []), nothing)
            for stretch, nothing in every.items()
        }
