"""Loops: plain Python where that is what they go over, ``scan`` and ``while_loop`` where traced."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.carry import Carry
from tracegraph.autograph.conditionals import if_stmt
from tracegraph.autograph.errors import (
    assigned_before,
    assigned_in,
    control_flow_error,
    readable,
)
from tracegraph.autograph.exactness import Inexact
from tracegraph.autograph.iteration import KnownRange, Steps, TracedRange, as_steps
from tracegraph.autograph.scan import scan
from tracegraph.autograph.undefined import Unreturned
from tracegraph.autograph.values import Mismatch

jax_compat.hide_frames(__file__)

_GUARDED: Final = 1000
"""How many iterations are written out whose end is known only when the program runs."""
_ENDLESS: Final = (itertools.count, itertools.cycle, itertools.repeat)
_PYTHONS_NUMBERS: Final = (
    Inexact,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
)
_FLAGS: Final = ("break_", "do_return")


@dataclass(frozen=True)
class Loop:
    """A ``for`` of the user's: its blocks and its variables."""

    body: Callable[[Any], Any]
    goes_on: Callable[[], Any] | None
    get: Callable[[], Sequence[Any]]
    set: Callable[[Sequence[Any]], None]
    names: Sequence[str]

    def iterate(self, item: Any) -> None:
        """One iteration, unless the loop has been left."""
        if self.goes_on is None:
            self.body(item)
            return
        if_stmt(
            self.goes_on(),
            lambda: self.body(item),
            lambda: None,
            self.get,
            self.set,
            self.names,
            len(self.names),
        )


def for_stmt(
    iterated: Any,
    goes_on: Callable[[], Any] | None,
    body: Callable[[Any], Any],
    get_state: Callable[[], Sequence[Any]],
    set_state: Callable[[Sequence[Any]], None],
    names: Sequence[str],
    options: dict[str, str],
) -> None:
    """Runs a block for each item.

    Args:
        iterated: what the loop goes over.
        goes_on: whether it has not been left by break or return; None if it cannot be.
        body: the block.
        get_state: reads the variables that the loop changes.
        set_state: writes them.
        names: the variables.
        options: the text of the target, by ``iterate_names``.
    """
    loop = Loop(body, goes_on, get_state, set_state, names)
    try:
        if isinstance(iterated, KnownRange):
            _known_range(loop, iterated, options.get("iterate_names", ""))
        elif isinstance(iterated, TracedRange):
            _traced_range(loop, iterated)
        elif (steps := as_steps(iterated)) is not None:
            _scan_or_unroll(loop, steps)
        else:
            _python(loop, iter(iterated), None)
    except Mismatch as found:
        raise _loop_error(found, body) from None


def while_stmt(
    test: Callable[[], Any],
    body: Callable[[], Any],
    get_state: Callable[[], Sequence[Any]],
    set_state: Callable[[Sequence[Any]], None],
    names: Sequence[str],
    options: dict[str, str],  # noqa: ARG001 - the engine passes it
) -> None:
    """Runs a block as long as a test holds: by Python until the test is traced.

    Args:
        test: the test.
        body: the block.
        get_state: reads the variables that the loop changes.
        set_state: writes them.
        names: the variables.
        options: none.
    """
    while True:
        known = values.truth(test())
        if known is None:
            break
        if not known:
            return
        body()
    loop = Loop(lambda _: body(), test, get_state, set_state, names)
    try:
        _while(loop, lambda _: None, None)
    except Mismatch as found:
        raise _loop_error(found, body) from None


def _scan_or_unroll(loop: Loop, steps: Steps) -> None:
    """A scan; Python's own loop where the body needs the numbers that Python counts."""
    before = list(loop.get())
    try:
        scan(loop, steps)
    except _PYTHONS_NUMBERS:
        loop.set(before)
        _python(loop, iter(steps), None)


def _python(loop: Loop, items: Iterator[Any], known: KnownRange | None) -> None:
    """A loop run by Python; once it is traced whether it goes on, each iteration is a branch."""
    done = 0
    while True:
        going = True if loop.goes_on is None else values.truth(loop.goes_on())
        if going is False:
            return
        if going is None:
            break
        try:
            item = next(items)
        except StopIteration:
            return
        loop.body(item)
        done += 1
    if known is not None and _staged(loop, known, done):
        return
    for count, item in enumerate(items):
        if count == _GUARDED or isinstance(items, _ENDLESS):
            raise _endless()
        loop.iterate(item)


def _endless() -> Exception:
    return control_flow_error(
        "a loop over a Python iterable is left on a traced condition",
        expected=f"at most {_GUARDED} items, each of which is written out as a branch",
        hint="loop with while, or over an array",
    )


def _known_range(loop: Loop, known: KnownRange, target: str) -> None:
    """A scan if nothing but arrays changes, else Python's own loop."""
    if target in loop.names:  # it is used after the loop, as a Python number
        _python(loop, iter(known), None)
    elif loop.goes_on is not None or not _staged(loop, known, 0):
        _python(loop, iter(known), known)


def _staged(loop: Loop, known: KnownRange, first: int) -> bool:
    """Makes a scan of what is left of a range, if its body takes a traced number."""
    before = list(loop.get())
    traced = any(map(values.is_traced, jax.tree.leaves(before)))
    if not traced or not all(map(_may_be_carried, loop.names, before)):
        return False
    try:
        scan(loop, known.steps(first))
    except Exception:  # the body wants Python's number: it gets it, and its errors are Python's
        loop.set(before)
        return False
    return True


def _may_be_carried(name: str, value: Any) -> bool:
    if name.startswith(_FLAGS) or isinstance(value, Unreturned):
        return True
    return not isinstance(value, list) and all(map(values.is_array, jax.tree.leaves(value)))


def _traced_range(loop: Loop, numbers: TracedRange) -> None:
    length = numbers.length()
    if values.truth(length > 0) is False:
        return
    _while(loop, numbers.item, length)


def _while(loop: Loop, item: Callable[[Any], Any], length: Any) -> None:
    """A loop whose number of iterations is known when the program runs."""
    before = list(loop.get())
    first = jnp.asarray(0)

    def step(variables: list[Any], given: Sequence[Any]) -> Sequence[Any]:
        loop.set(variables)
        loop.body(item(given[0]))
        after = loop.get()
        loop.set(before)  # the variables outlive the trace, what it made must not
        return after

    def goes_on(state: tuple[Any, list[Any]]) -> Any:
        counter, arrays = state
        loop.set(values.join(carry.trees, arrays))
        going = True if loop.goes_on is None else loop.goes_on()
        loop.set(before)
        counted = True if length is None else counter < length
        return jnp.logical_and(counted, values.scalar_test(going))

    def iteration(state: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        counter, arrays = state
        return counter + (0 if length is None else 1), carry.run(arrays, [counter])[0]

    try:
        carry = Carry(loop.names, before, step, [first], certain=False)
        _, arrays = jax.lax.while_loop(goes_on, iteration, (first, carry.arrays))
    finally:
        loop.set(before)
    loop.set(carry.after(arrays, before))


def _loop_error(found: Mismatch, body: Callable[..., Any]) -> Exception:
    name, inside = readable(found.name), assigned_in(body.__code__, found.name)
    if values.is_undefined(found.first):
        return control_flow_error(
            f"{name} is defined only inside a traced loop, and used after it or in its test",
            expected="a value before the loop, which may have no iteration",
            found=f"its first value at {inside}",
            hint=f"give {name} a value of the same type before the loop",
        )
    lists = isinstance(found.first, list) or isinstance(found.second, list)
    return control_flow_error(
        f"{name} changes its type in a traced loop",
        expected=f"{values.described(found.first)}, as at {assigned_before(found.name)}",
        found=f"{values.described(found.second)} after an iteration, at {inside}",
        hint=_LIST_HINT if lists else f"give {name} one shape and dtype, before the loop and in it",
    )


_LIST_HINT = (
    "a list grows in a traced loop only where each of a known number of iterations appends to it "
    "and does not read it; else write into an array of a known size: x[i] = value"
)
