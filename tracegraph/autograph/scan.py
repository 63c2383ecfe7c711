"""A ``for`` over a known number of traced items: ``jax.lax.scan``, its appended lists stacked."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import jax
import jax.numpy as jnp

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.carry import Carry
from tracegraph.autograph.exactness import check_exact
from tracegraph.autograph.iteration import Steps
from tracegraph.autograph.lists import Growing, Touched, listed, stacked
from tracegraph.autograph.values import Mismatch, Slot

jax_compat.hide_frames(__file__)


_OWN_REFERENCES: Final = 3
"""References to a list that only one variable holds: the variable's, ours, the count's own."""


class Loop(Protocol):
    """A loop of the user's, as a scan needs it."""

    @property
    def names(self) -> Sequence[str]:
        """The variables that it changes."""
        ...

    @property
    def get(self) -> Callable[[], Sequence[Any]]:
        """Reads them."""
        ...

    @property
    def set(self) -> Callable[[Sequence[Any]], None]:
        """Writes them."""
        ...

    def iterate(self, item: Any) -> None:
        """One iteration."""
        ...


def scan(loop: Loop, steps: Steps) -> None:
    """Runs a loop as a scan.

    Where a variable settles on its type in the first iteration, that one stands before the scan.

    Raises:
        Mismatch: a variable does not settle.
        Inexact: whole numbers of Python's would not stay exact.
    """
    if not steps.length:
        return
    before = list(loop.get())
    try:
        _scan_or_carry_lists(loop, steps, before)
    except Mismatch:
        loop.set(before)
        if steps.length == 1:
            loop.iterate(steps.at(0))
            return
        loop.iterate(steps.at(0))
        _scan_or_carry_lists(loop, steps.rest(), list(loop.get()))


def _scan_or_carry_lists(loop: Loop, steps: Steps, before: list[Any]) -> None:
    """Stacks the lists that are only appended to; else they are variables like others."""
    try:
        _Scan(loop, steps, before, _lists(before)).run()
    except Touched:
        loop.set(before)
        _Scan(loop, steps, before, []).run()


def _lists(before: Sequence[Any]) -> list[int]:
    return [place for place, value in enumerate(before) if isinstance(value, list | Growing)]


class _Scan:
    """One attempt: which variables are carried, and which lists are extended."""

    def __init__(self, loop: Loop, steps: Steps, before: list[Any], lists: list[int]) -> None:
        self._loop, self._steps = loop, steps
        self._before, self._lists = before, lists
        self._shared = {
            place for place in lists if sys.getrefcount(before[place]) > _OWN_REFERENCES
        }
        self._carried = [place for place in range(len(before)) if place not in lists]

    def run(self) -> None:
        first = jnp.asarray(0)
        given = [first, *(each[0] for each in self._steps.arrays)]
        names = [self._loop.names[place] for place in self._carried]
        initial = [self._before[place] for place in self._carried]
        try:
            carry = Carry(names, initial, self._step, given, certain=True)
            check_exact(carry.jaxpr, self._steps.largest, counting=carry.counts)
            _check_rows(carry.extra)
            arrays, rows = self._scanned(carry, first)
        finally:
            self._loop.set(self._before)
        after = list(self._before)
        for place, value in zip(self._carried, carry.after(arrays, initial), strict=True):
            after[place] = value
        for place, row in zip(self._lists, rows, strict=True):
            after[place] = self._extended(after[place], row, shared=place in self._shared)
        self._loop.set(after)

    def _step(self, variables: list[Any], given: Sequence[Any]) -> Sequence[Any]:
        state: list[Any] = [Growing() for _ in self._before]
        for place, value in zip(self._carried, variables, strict=True):
            state[place] = value
        self._loop.set(state)
        self._loop.iterate(self._steps.item(given[0], given[1:]))
        after = self._loop.get()
        self._loop.set(self._before)  # the variables outlive the trace, what it made must not
        for place in self._lists:
            if not isinstance(after[place], Growing):
                raise Touched("assigned")
        rows = [after[place].growing_items for place in self._lists]
        return [*(after[place] for place in self._carried), *rows]

    def _scanned(self, carry: Carry, first: Any) -> tuple[list[Any], list[Any]]:
        """The carried arrays after all iterations, and what each list was given by each."""

        def one(state: Any, slices: Any) -> Any:
            counter, arrays = state
            carried, outputs = carry.run(arrays, [counter, *slices])
            rows = values.join(carry.extra, outputs)
            rows = jax.tree.map(jnp.asarray, rows)
            return (counter + 1, carried), rows

        initial = (first, carry.arrays)
        length = self._steps.length
        (_, arrays), rows = jax.lax.scan(one, initial, list(self._steps.arrays), length=length)
        return arrays, rows

    def _extended(self, old: Any, rows: list[Any], *, shared: bool) -> Any:
        """A list after the loop; inside another traced loop it goes on growing."""
        length = self._steps.length
        if isinstance(old, Growing):
            return Growing([*old.growing_items, *listed(rows, length)])
        new = stacked(list(old), rows, length) if rows else old
        if shared:  # somebody else holds the list, and sees it grow
            old.extend(listed(rows, length))
        return new


def _check_rows(rows: Sequence[Any]) -> None:
    """Everything that is appended has to be made of arrays and numbers."""
    for leaf in jax.tree.leaves(list(rows)):
        if not (isinstance(leaf, Slot) or values.is_number(leaf)):
            raise Touched("an item that is no array")
