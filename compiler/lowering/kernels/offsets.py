"""Numbers that XLA finds when the program runs, so that it compiles what differs in them once.

XLA's CPU backend compiles every slice to a function of its own, which takes 15 to 30 ms, but gives
the same function to slices whose offsets it does not know. A constant is known to it, and one that
a barrier hides is known again when operations are fused. What a reduction of several arrays gives
is not.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from jax import lax

DTYPE: Final = np.dtype(np.uint32)
"""Of unsigned offsets nobody asks whether they count from the end."""


def offsets(values: Sequence[int]) -> list[Any]:
    """The values, as scalars that are the sums of arrays behind a barrier.

    Args:
        values: what is zero or more; at least two.
    """
    zero = DTYPE.type(0)
    arrays = lax.optimization_barrier([np.array([value, 0], DTYPE) for value in values])
    return list(lax.reduce(tuple(arrays), (zero,) * len(arrays), _added, (0,)))


def _added(one: Sequence[Any], other: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(lax.add(a, b) for a, b in zip(one, other, strict=True))
