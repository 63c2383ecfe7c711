"""What keeps XLA's CPU backend from computing a value somewhere else than where it is written.

A barrier keeps the first passes from moving operations across it. XLA takes it away before it fuses
operations, and before it gives some of them to its library of reductions and products.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.offsets import offsets


def apart(x: Any) -> Any:
    """The same numbers, bit for bit, behind an operation that changes nothing.

    Where a sum or a maximum reads a value, XLA's library takes over the last few operations before
    it, but not what these read, which is stored: of 25 slices that are added up, five arrays. It
    does not know this operation, which LLVM leaves out when that has been decided.

    Args:
        x: an array; of other numbers than floats, of which the library is not, it is left out.
    """
    if not jnp.issubdtype(x.dtype, np.floating):
        return x
    kind = jnp.finfo(x.dtype)
    return lax.reduce_precision(x, kind.nexp, kind.nmant)


def stored(x: Any) -> Any:
    """A value that is computed once, and read by all that need it.

    XLA computes operations on single elements anew in every loop that reads what they give. It does
    not look into a loop that may change the value, which this one would if it ever ran.

    Args:
        x: an array of numbers.
    """
    never = offsets([0, 0])[0] > 0

    def changed(state: Any) -> tuple[Any, Any]:
        return jnp.zeros((), bool), lax.neg(state[1])

    return lax.while_loop(lambda state: state[0], changed, (never, x))[1]
