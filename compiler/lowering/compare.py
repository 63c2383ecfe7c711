"""How far two arrays of one type are apart: in steps between floats, relatively, and in their nans.

Measures only. What is still allowed is judged in ``compiler.lowering.yardstick``.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.errors import TracegraphError

_COMPONENTS: Final = {"complex64": np.dtype(np.float32), "complex128": np.dtype(np.float64)}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an array is from the one that was expected.

    Attributes:
        same_bits: no element differs in a bit; all nans count as one.
        ulps: the largest number of steps, each to the next float of the element type, between two
            finite elements at one place; of integers the difference. Zeros of different sign are
            one step apart.
        absolute: the largest distance of two finite elements at one place.
        relative: that distance over the largest finite magnitude that was expected.
        misplaced: at how many places only one of the two is nan, or only one is infinite, or both
            are infinite with different signs.
        index: the place where it differs most; None where nothing differs.
    """

    same_bits: bool = True
    ulps: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    misplaced: int = 0
    index: tuple[int, ...] | None = None

    @property
    def rank(self) -> tuple[bool, int, float, int]:
        """Sorts differences from none to the worst."""
        return (not self.same_bits, self.misplaced, self.relative, self.ulps)


SAME: Final = Difference()


def differences(expected: Sequence[Any], found: Sequence[Any]) -> list[Difference]:
    """The difference of each array from the expected one at its place.

    Raises:
        TracegraphError: there are more of one than of the other, or two differ in type.
    """
    if len(expected) != len(found):
        raise _not_comparable("lists of arrays", len(expected), len(found))
    return [difference(a, b) for a, b in zip(expected, found, strict=True)]


def difference(expected: Any, found: Any) -> Difference:
    """The difference of an array from the expected one.

    Raises:
        TracegraphError: they differ in shape or element type.
    """
    a, b = host(expected), host(found)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        raise _not_comparable("arrays", _describe(a), _describe(b))
    if a.size == 0 or a.dtype.itemsize == 0 or a.tobytes() == b.tobytes():
        return SAME
    worst = _difference(components(a), components(b))
    if a.dtype.name not in _COMPONENTS or worst.index is None:
        return worst
    return replace(worst, index=worst.index[:-1])


def host(array: Any) -> Array:
    """The elements of an array on the host; of random keys the numbers behind them."""
    if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(array))
    return np.asarray(array)


def components(array: Array) -> Array:
    """A complex array as real numbers, the two parts along a last dimension; others unchanged."""
    if array.dtype.name not in _COMPONENTS:
        return array
    parts = np.ascontiguousarray(array).view(_COMPONENTS[array.dtype.name])
    return parts.reshape(*array.shape, 2)


def _difference(a: Array, b: Array) -> Difference:
    if not jnp.issubdtype(a.dtype, np.floating):
        return _of_integers(a, b)
    with np.errstate(all="ignore"):
        wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        nan_a, nan_b = np.isnan(wide_a), np.isnan(wide_b)
        differ = (_bits(a) != _bits(b)) & ~(nan_a & nan_b)
        finite = np.isfinite(wide_a) & np.isfinite(wide_b)
        misplaced = differ & ~finite
        distance = np.where(finite, np.abs(wide_a - wide_b), 0.0)
    if not differ.any():
        return SAME
    steps = np.where(finite & differ, np.maximum(_steps(a, b), 1), 0)
    scale = float(np.abs(wide_a, where=np.isfinite(wide_a), out=np.zeros_like(wide_a)).max())
    largest = float(distance.max())
    return Difference(
        same_bits=False,
        ulps=int(steps.max()),
        absolute=largest,
        relative=_ratio(largest, scale),
        misplaced=int(np.count_nonzero(misplaced)),
        index=_worst(misplaced, distance, steps),
    )


def _of_integers(a: Array, b: Array) -> Difference:
    steps = _steps(a, b)
    largest = int(steps.max())
    if not largest:
        return SAME
    scale = float(np.abs(a.astype(np.float64)).max())
    ratio = _ratio(float(largest), scale)
    return Difference(False, largest, float(largest), ratio, 0, _worst(steps))


def _ratio(distance: float, scale: float) -> float:
    if distance == 0.0:
        return 0.0
    return distance / scale if scale > 0.0 else float("inf")


def _worst(*measures: Array) -> tuple[int, ...] | None:
    """The place of the largest element of the first measure that is not zero everywhere."""
    for measure in measures:
        if measure.any():
            return tuple(int(i) for i in np.unravel_index(np.argmax(measure), measure.shape))
    return None


def _steps(a: Array, b: Array) -> Array:
    x, y = _ordered(a), _ordered(b)
    return np.maximum(x, y) - np.minimum(x, y)


def _ordered(a: Array) -> Array:
    """Unsigned numbers in the order of the elements, neighbours one apart; nans anywhere."""
    floating = jnp.issubdtype(a.dtype, np.floating)
    if floating and a.dtype.itemsize == 1:
        return _ranked(a)
    if not floating:
        top = np.uint64(1 << 63)
        wide = a if a.dtype == np.uint64 else a.astype(np.int64).view(np.uint64) ^ top
        return wide.astype(np.uint64)
    bits = _bits(a)
    top = bits.dtype.type(1 << (8 * a.dtype.itemsize - 1))
    return np.where(bits & top, ~bits, bits | top).astype(np.uint64)


def _ranked(a: Array) -> Array:
    """Places among the finite numbers of a one-byte type, in whichever bits it puts its sign."""
    with np.errstate(all="ignore"):
        every = np.arange(256, dtype=np.uint8).view(a.dtype).astype(np.float64)
        ranks = np.searchsorted(np.unique(every[np.isfinite(every)]), a.astype(np.float64))
    return ranks.astype(np.uint64)


def _bits(a: Array) -> Array:
    return np.ascontiguousarray(a).view(np.dtype(f"u{a.dtype.itemsize}")).reshape(a.shape)


def _describe(a: Array) -> str:
    return f"{a.dtype}{list(a.shape)}"


def _not_comparable(what: str, expected: object, found: object) -> TracegraphError:
    return TracegraphError(
        f"these {what} cannot be compared",
        expected=str(expected),
        found=str(found),
        hint="compare the results of one signature",
    )
