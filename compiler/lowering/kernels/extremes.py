"""Reductions over the first axis of large arrays.

Before 32768 elements and more, jaxlib 0.10 reduces column by column, each across the whole array.
Slices give whole rows instead.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.ops.parameters import integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_KEPT: Final = 1 << 15
"""Before fewer elements the reduction goes row by row."""

ROWS: Final = range(4, 33)
"""So many slices: fewer were not measured, more take long to compile."""

_COMBINE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "reduce_sum": lax.add,
    "reduce_max": lax.max,
    "reduce_min": lax.min,
}
_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "reduce_sum": jnp.sum,
    "reduce_max": jnp.max,
    "reduce_min": jnp.min,
}


def _rows_combined(m: Match) -> Callable[..., Any]:
    """The rows combined one after the other."""
    combine = _COMBINE[m.root.name]
    return lambda x: reduce(combine, [x[row] for row in range(x.shape[0])])


def _over_first_axis(m: Match) -> str | None:
    sizes = shape(m.x)
    if integers(m.root, "axes") != (0,) or not sizes[0]:
        return "it reduces other axes than the first one"
    return None


def _rows_are_long(m: Match) -> str | None:
    sizes = shape(m.x)
    if number_type(m.x).itemsize != 4:
        return "only numbers of 32 bits were measured"
    if sizes[0] not in ROWS:
        return f"there are {sizes[0]} rows"
    return None if product(sizes[1:]) >= MIN_KEPT else "the rows are short"


def _by_rows(name: str, names: tuple[str, ...], numerics: Numerics, *ratios: float) -> Kernel:
    return Kernel(
        name=name,
        law="reduce(x, axis 0) = x[0] + x[1] + ..., and so for other reductions",
        pattern=op[names](_x),
        form=_rows_combined,
        numerics=numerics,
        guards=(_over_first_axis,),
        pays=_rows_are_long,
        since=(0, 10, 0),
        until=(0, 12, 0),
        examples=tuple(example(lambda x, f=_NUMPY[one]: f(x, 0), "f32[a,b,c]") for one in names),
        rejects=(example(lambda x: _NUMPY[names[0]](x, 1), "f32[a,b]"),),
        evidence=(
            Evidence(example(lambda x: _NUMPY[names[0]](x, 0), "f32[32,256,256]"), ratios[0]),
            Evidence(example(lambda x: _NUMPY[names[0]](x, 0), "f32[16,1024,64]"), ratios[1]),
        ),
    )


_x = var("x", FLOAT)

KERNELS: Final = (
    _by_rows("sum-by-rows", ("reduce_sum",), Numerics.ROUNDING, 40.2, 23.1),
    _by_rows("extreme-by-rows", ("reduce_max", "reduce_min"), Numerics.EXACT, 14.8, 11.9),
)
