"""What a ``for`` goes over: arrays, ranges, and Python's zip, enumerate and reversed of them."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.errors import control_flow_error

jax_compat.hide_frames(__file__)

UNROLLED: Final = 4
"""A range of Python numbers up to this length is left to Python."""

_INT32: Final = 2**31


@dataclass(frozen=True)
class Steps:
    """Something with a known number of items that a scan can go over.

    Attributes:
        length: how many items.
        arrays: what is sliced along its first axis, an item at a time.
        item: an item from the number of the step and the slices.
        largest: the largest number that it counts to; 0 if it does not count.
    """

    length: int
    arrays: tuple[Any, ...]
    item: Callable[[Any, Sequence[Any]], Any]
    largest: int = 0

    def at(self, step: int) -> Any:
        """One item."""
        return self.item(step, [each[step] for each in self.arrays])

    def rest(self) -> Steps:
        """All items but the first."""
        arrays = tuple(each[1:] for each in self.arrays)
        length, largest = self.length - 1, self.largest
        return Steps(length, arrays, lambda step, slices: self.item(step + 1, slices), largest)

    def __iter__(self) -> Iterator[Any]:
        return (self.at(step) for step in builtins.range(self.length))


@dataclass(frozen=True)
class KnownRange:
    """A range of Python numbers that may become a scan."""

    numbers: range

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def steps(self, first: int = 0) -> Steps:
        """The numbers from one on, as traced numbers."""
        left = self.numbers[first:]
        largest = max((abs(each) for each in (left.start, left.stop)), default=0)
        return Steps(len(left), (), lambda step, _: _number(left, step), max(1, largest))


def _number(numbers: range, step: Any) -> Any:
    """The number at a step; traced or not."""
    return numbers.start + (step if numbers.step == 1 else step * numbers.step)


@dataclass(frozen=True)
class TracedRange:
    """A range with traced bounds: how many steps it takes is known when the program runs."""

    start: Any
    stop: Any
    step: Any

    def length(self) -> Any:
        """How many steps, as a traced number."""
        distance = self.stop - self.start  # of unsigned numbers only where it is ahead
        if isinstance(self.step, int) and self.step == 1:
            return jnp.where(self.stop > self.start, distance, 0)
        ahead = jnp.where(self.step > 0, self.stop > self.start, self.stop < self.start)
        return jnp.where(ahead, (distance + self.step - jnp.sign(self.step)) // self.step, 0)

    def item(self, step: Any) -> Any:
        """The number at a step."""
        return self.start + step * self.step


def steps(function: Any, *args: Any) -> Any:
    """What a loop's head makes whose body assigns to names and does nothing else."""
    made = iterated(function, *args)
    if not isinstance(made, range) or len(made) <= UNROLLED:
        return made
    fits = min(made[0], made[-1]) >= -_INT32 and max(made[0], made[-1]) < _INT32
    return KnownRange(made) if fits else made


def iterated(function: Any, *args: Any) -> Any:
    """What one of Python's iterations gives, in a form that a scan can go over."""
    if function is builtins.range:
        return _range(*args)
    if function is builtins.zip and args and any(map(_is_traced, args)):
        parts = [_steps_or_none(each) for each in args]
        known = [each for each in parts if each is not None]
        return _zipped(known) if len(known) == len(parts) else zip(*args)  # noqa: B905
    if function is builtins.enumerate and _is_traced(args[0]):
        return _enumerated(_known_steps(args[0]), *args[1:])
    if function is builtins.reversed and _is_traced(args[0]):
        return _known_steps(args[0][::-1]) if isinstance(args[0], jax.Array) else reversed(args[0])
    return _call(function, args)


def _call(function: Any, args: tuple[Any, ...]) -> Any:
    from tracegraph.autograph.calls import converted_call

    return converted_call(function, args, None)


def _range(*args: Any) -> Any:
    if not any(values.is_traced(each) for each in args):
        return range(*args)
    for each in args:
        if jnp.shape(each) or not jnp.issubdtype(jnp.result_type(each), jnp.integer):
            raise control_flow_error(
                "a range needs whole numbers",
                expected="scalars of an integer dtype",
                found=values.described(each),
                hint="convert it: x.astype(jnp.int32)",
            )
    start, stop, step = {1: (0, *args, 1), 2: (*args, 1), 3: args}[len(args)]
    start, stop, step = map(_wide, (start, stop, step))
    return TracedRange(start, stop, step)


def _wide(number: Any) -> Any:
    """A bound of a range in at least 32 bits: Python's numbers do not wrap round."""
    if not isinstance(number, jax.Array) or number.dtype.itemsize >= 4:
        return number
    return number.astype(jnp.int32)


def _is_traced(value: Any) -> bool:
    return isinstance(value, Steps) or values.is_traced(value)


def _known_steps(value: Any) -> Steps:
    """The steps of an array or of steps."""
    if isinstance(value, Steps):
        return value
    return Steps(value.shape[0], (value,), lambda _, slices: slices[0])


def _steps_or_none(value: Any) -> Steps | None:
    if isinstance(value, range):
        return KnownRange(value).steps()
    array = isinstance(value, jax.Array | np.ndarray) and np.ndim(value) > 0
    return _known_steps(value) if array or isinstance(value, Steps) else None


def as_steps(value: Any) -> Steps | None:
    """The steps of what a loop goes over; None if Python should go over it.

    A concrete JAX array is gone over by Python, unless somebody is tracing.
    """
    if isinstance(value, Steps):
        return value
    if not isinstance(value, jax.Array) or not value.ndim:
        return None
    traced = values.is_traced(value) or not jax_compat.at_top_level()
    return _known_steps(value) if traced else None


def _zipped(parts: Sequence[Steps]) -> Steps:
    length = min(each.length for each in parts)
    ends = np.cumsum([0, *(len(each.arrays) for each in parts)])

    def item(step: Any, slices: Sequence[Any]) -> Any:
        own = [slices[a:b] for a, b in itertools.pairwise(ends)]
        return tuple(part.item(step, mine) for part, mine in zip(parts, own, strict=True))

    arrays = tuple(array[:length] for part in parts for array in part.arrays)
    return Steps(length, arrays, item, max(each.largest for each in parts))


def _enumerated(part: Steps, start: Any = 0) -> Steps:
    known = abs(start) if isinstance(start, int) else 0
    largest = max(1, part.largest, known + part.length)

    def item(step: Any, slices: Sequence[Any]) -> Any:
        return start + step, part.item(step, slices)

    return Steps(part.length, part.arrays, item, largest)
