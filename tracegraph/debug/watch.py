"""``watch``: the values of a function's own variables, from inside the compiled program."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.core import Tracer

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.lowering import jax_compat
from compiler.lowering.convert_types import to_jax_dtype
from compiler.lowering.onlooker import Watched
from compiler.ops.parameters import integer
from tracegraph.boundary import boundary
from tracegraph.debug.names import named_values
from tracegraph.debug.nearest import nearest
from tracegraph.debug.target import Call, target_of, trace_call

T = TypeVar("T")
Values = Sequence[Any]

jax_compat.hide_frames(__file__)


class Seen(NamedTuple):
    """A value that is watched.

    Attributes:
        ran: whether it was computed, for each iteration of the scans around it.
        array: what it was; filled up where it was not computed.
    """

    ran: Any
    array: Any


@boundary
def name(value: T, name: str) -> T:
    """The value, a tree of arrays, under a name by which ``watch`` finds it.

    Changes nothing else. Under ``jax.checkpoint`` the name is one for its policies, too.
    """
    return checkpoint_name(value, name)


@boundary
def watch(step: Callable[..., Any], *names: str) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A function like ``step`` that also returns what its variables held.

    Args:
        step: a decorated function, or any other.
        *names: names of variables that ``step``, or a function it calls, assigns; of its
            arguments; of values under ``tg.debug.name``; or names that the captured graph shows.

    Returns:
        A function of the same arguments that returns ``(result, values)``. ``values`` has an entry
        for each name: the array, or a list where the name was assigned several times, in order.

        A value inside a ``scan`` has the iterations as its first dimension, in the order of what is
        scanned; inside a ``while`` it is that of the last iteration. A value that was never
        computed is None; where it was not in some iterations of a scan, these hold nan, or zero if
        it is no floating-point number.

    Raises:
        TracegraphError: at the call, the function has no such name; or ``step`` is no function.
    """
    target = target_of(step)
    programs: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    @functools.wraps(target.fun)
    def watched(*args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        call = trace_call(target, args, kwargs)
        if call.jaxpr not in programs:
            programs[call.jaxpr] = _Program(call.graph(), names)
        return programs[call.jaxpr](call)

    return boundary(watched)


class _Program:
    """One signature, compiled with the values that are watched as further results."""

    def __init__(self, graph: Graph, names: Sequence[str]) -> None:
        self._places = _find(graph, names)
        wanted = dict.fromkeys(value for values in self._places.values() for value in values)
        numbers = {value: i for i, value in enumerate(wanted)}
        self._numbers = numbers
        self._run = jax.jit(Watched(graph, _Watcher(numbers)))

    def __call__(self, call: Call) -> tuple[Any, dict[str, Any]]:
        results, notes = self._run(*call.inputs)
        found = {number: _outcome(seen) for number, seen in notes.items()}
        values = {
            name: [found[self._numbers[value]] for value in places]
            for name, places in self._places.items()
        }
        single = {name: one[0] if len(one) == 1 else one for name, one in values.items()}
        return call.result(results), single


def _find(graph: Graph, names: Sequence[str]) -> dict[str, list[Value]]:
    known = {
        name: arrays
        for name, values in named_values(graph).items()
        if (arrays := [value for value in values if isinstance(value.type, ArrayType)])
    }
    for name in names:
        if name not in known:
            raise _unknown(graph, str(name), known)
    return {name: known[name] for name in names}


def _unknown(graph: Graph, name: str, known: Mapping[str, object]) -> TracegraphError:
    return TracegraphError(
        f"{graph.name} has no value named {name}",
        expected=f"one of {', '.join(known)}" if known else "a function that computes something",
        found=name,
        hint=nearest(
            name, known, f'mark the value in the function: x = tg.debug.name(x, "{name}")'
        ),
    )


def _outcome(seen: Seen) -> Any:
    """The array; None where it was never computed and that can be known."""
    if isinstance(seen.ran, Tracer) or bool(jnp.any(seen.ran)):
        return seen.array
    return seen.array if seen.ran.size == 0 else None


class _Watcher:
    """Keeps the values that are wanted; see ``Onlooker``."""

    stacks: ClassVar[bool] = True

    def __init__(self, numbers: Mapping[Value, int]) -> None:
        self._numbers = numbers
        self._within: dict[Region, dict[int, tuple[Value, tuple[int, ...]]]] = {}
        for value, number in numbers.items():
            self._enter_in_all(value, number)

    def _enter_in_all(self, value: Value, number: int) -> None:
        """Enters a value in each region it is in, with the lengths of the scans between."""
        lengths: tuple[int, ...] = ()
        region = value.region
        while region is not None:
            self._within.setdefault(region, {})[number] = (value, lengths)
            op = region.owner
            if not isinstance(op, Operation):
                return
            lengths = (integer(op, "length"), *lengths) if op.name == "scan" else lengths
            region = op.parent

    def enter(self, region: Region, arguments: Values) -> _Visit:
        """A region begins to run."""
        visit = _Visit(self._numbers)
        visit.keep(region.parameters, arguments)
        return visit

    def empty(self, region: Region) -> dict[int, Seen]:
        """What there is of a region that did not run."""
        inside = self._within.get(region, {})
        return {number: _nothing(value, lengths) for number, (value, lengths) in inside.items()}

    def again(
        self, depth: int, iteration: Any, before: dict[int, Seen], now: dict[int, Seen]
    ) -> dict[int, Seen]:
        """The last value that was computed."""
        del depth, iteration
        return {number: _later(before[number], now[number]) for number in before}


class _Visit:
    """One run of one region."""

    def __init__(self, numbers: Mapping[Value, int]) -> None:
        self._numbers = numbers
        self._seen: dict[int, Seen] = {}

    def keep(self, values: Sequence[Value], arrays: Values) -> None:
        """Keeps those of the values that are wanted."""
        for value, array in zip(values, arrays, strict=True):
            if value in self._numbers:
                self._seen[self._numbers[value]] = Seen(jnp.array(True), jnp.asarray(array))

    def see(self, op: Operation, operands: Values, results: Values) -> None:
        """An op has run; ``made`` tells of it, too."""
        del op, operands, results

    def made(self, op: Operation, results: Values) -> None:
        """An op has run."""
        self.keep(op.results, results)

    def hear(self, notes: dict[int, Seen]) -> None:
        """A region of an op has run."""
        self._seen.update(notes)

    def notes(self) -> dict[int, Seen]:
        """All that was kept, in the order of the numbers."""
        return dict(sorted(self._seen.items()))


def _nothing(value: Value, lengths: tuple[int, ...]) -> Seen:
    type = value.type
    assert isinstance(type, ArrayType), "others are not watched"
    dtype = to_jax_dtype(type.dtype)
    fill = jnp.nan if jnp.issubdtype(dtype, jnp.inexact) else 0
    array = lax.full((*lengths, *type.shape), fill, dtype)
    return Seen(jnp.zeros(lengths, bool), array)


def _later(before: Seen, now: Seen) -> Seen:
    ran = now.ran.reshape(now.ran.shape + (1,) * (jnp.ndim(now.array) - jnp.ndim(now.ran)))
    return Seen(before.ran | now.ran, jnp.where(ran, now.array, before.array))
