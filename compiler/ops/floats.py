"""When a host's floating-point result has the bits that every device would give.

IEEE-754 fixes a correctly rounded operation to the bit, with three exceptions, and each is refused
with ``NotExact``: denormals (devices flush them), nan (its sign and payload are free), and maximum
or minimum of zeros of both signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ml_dtypes
import numpy as np

from compiler.ir.attributes import Array
from compiler.ops.definition import NotExact

WIDE: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
"""Computed by every IEEE device in their own precision."""

NARROW: Final = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})
"""Computed in float32, then rounded: for one sum, difference or product that rounds correctly."""

FLOATS: Final = WIDE | NARROW

_SMALLEST_NORMAL: Final[dict[np.dtype[Any], float]] = {
    np.dtype(np.float16): 2.0**-14,
    np.dtype(ml_dtypes.bfloat16): 2.0**-126,
    np.dtype(np.float32): 2.0**-126,
    np.dtype(np.float64): 2.0**-1022,
}


def is_float(array: Array) -> bool:
    """Whether the elements are of one of the four float types that are evaluated."""
    return array.dtype in FLOATS


def check_no_denormal(*arrays: Array) -> None:
    """Raises NotExact if any element is a denormal."""
    for array in arrays:
        if bool(np.any((array != 0) & (np.abs(array) < _SMALLEST_NORMAL[array.dtype]))):
            raise NotExact("denormals are flushed to zero on some devices")


def check_no_nan(*arrays: Array) -> None:
    """Raises NotExact if any element is nan."""
    if any(bool(np.isnan(array).any()) for array in arrays):
        raise NotExact("the bits of a nan depend on the device")


def check_results(arrays: Sequence[Array]) -> None:
    """Raises NotExact if any element of a rounded result is a denormal, or might have been, or nan.

    The smallest normal number is refused too: some devices flush before they round.
    """
    check_no_denormal(*arrays)
    check_no_nan(*arrays)
    if any(bool(np.any(np.abs(array) == _SMALLEST_NORMAL[array.dtype])) for array in arrays):
        raise NotExact("denormals are flushed to zero on some devices")


def check_zero_signs(*arrays: Array) -> None:
    """Raises NotExact if somewhere zeros of both signs meet; the arrays broadcast."""
    negative = positive = np.asarray(False)
    for array in arrays:
        zero = array == 0
        negative = negative | (zero & np.signbit(array))
        positive = positive | (zero & ~np.signbit(array))
    if bool(np.any(negative & positive)):
        raise NotExact("which of 0.0 and -0.0 is the larger depends on the device")
