"""A way out of a kernel: another form of an op, for numbers that the kernel is not for."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax


def or_else(value: Any, fails: Any, other: Callable[[], Any]) -> Any:
    """What was computed, or the other form of it where that does not hold for these numbers.

    The other form is the body of a loop that runs at most once. In a branch XLA's CPU backend
    computes it on one thread, and a selection computes both. The loop is also where XLA stops to
    fuse: what comes after is not computed again with it, or put into loops that do not vectorise.

    The barrier keeps the body from choosing the order of the value in memory, as the layout that
    suits the other form would hold for what was computed, too.

    Args:
        value: what was computed.
        fails: a boolean scalar, whether the other form is needed.
        other: computes the other form, of the same shape and type.
    """

    def again(_: Any) -> tuple[Any, Any]:
        in_order = lax.optimization_barrier(other().reshape(-1))
        return jnp.zeros((), bool), in_order.reshape(value.shape)

    return lax.while_loop(lambda state: state[0], again, (fails, value))[1]
