"""Where the extreme of an axis lies, and reductions over the first axis of large arrays.

XLA's CPU backend finds an index by a reduction of pairs, which does not vectorise: two plain
reductions are faster. Over a first axis before 32768 elements and more, jaxlib 0.10 reduces column
by column, each across the whole array; slices give whole rows instead.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.ops.parameters import dtype, integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example, example

MIN_AXIS: Final = 32
"""Along a shorter axis the reduction of pairs is up to twenty times faster."""

MIN_SIZE: Final = 8192
"""Smaller arrays are searched before the difference can be measured."""

MAX_SIZE: Final = 1 << 21
"""Larger arrays that are computed on the way must be stored, and are read twice."""

MIN_KEPT: Final = 1 << 15
"""Before fewer elements the reduction goes row by row."""

ROWS: Final = range(4, 33)
"""So many slices: fewer were not measured, more take long to compile."""

_EXTREMES: Final[dict[str, Callable[..., Any]]] = {"argmax": jnp.max, "argmin": jnp.min}
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


def _first_that_is_extreme(m: Match) -> Callable[..., Any]:
    """The least index of what equals the extreme, or is nan."""
    (axis,), index = integers(m.root, "axes"), dtype(m.root, "index_dtype")
    extreme = _EXTREMES[m.root.name]

    def first(x: Any) -> Any:
        is_found = lax.bitwise_or(x == extreme(x, axis, keepdims=True), x != x)
        places = lax.broadcasted_iota(index, x.shape, axis)
        last = lax.full_like(places, x.shape[axis] - 1)
        return jnp.min(lax.select(is_found, places, last), axis)

    return first


def _places_fit(m: Match) -> str | None:
    (axis,), index = integers(m.root, "axes"), dtype(m.root, "index_dtype")
    if shape(m.x)[axis] - 1 <= np.iinfo(index).max:
        return None
    return f"the axis is longer than {index} can count"


def _search_is_slow(m: Match) -> str | None:
    (axis,), sizes = integers(m.root, "axes"), shape(m.x)
    if sizes[axis] < MIN_AXIS:
        return f"the axis has {sizes[axis]} elements"
    if axis not in (0, len(sizes) - 1):
        return "the axis is neither the first nor the last"
    return None if MIN_SIZE <= product(sizes) <= MAX_SIZE else "the array is too small or too large"


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


def _find(name: str, arguments: str, axis: int, index: Any = np.int32) -> Example:
    find = getattr(lax, name)
    return example(lambda x: find(x, axis, index), arguments)


def _search(name: str, kind: str) -> Kernel:
    return Kernel(
        name=f"{name}-by-{kind}",
        law=f"{name}(x) = the least i where x[i] = {kind}(x), or x[i] is nan",
        pattern=op[name](_x),
        form=_first_that_is_extreme,
        guards=(_places_fit,),
        pays=_search_is_slow,
        examples=(
            _find(name, "f32[9,a]", 0),
            _find(name, "f32[a,9]", 1),
            _find(name, "f32[a,9,b]", 1, np.uint8),
        ),
        rejects=(_find(name, "f32[300]", 0, np.int8),),
        evidence=(
            Evidence(_find(name, "f32[512,4096]", 1), 4.7),
            Evidence(_find(name, "f32[64,1000]", 1), 5.4),
            Evidence(_find(name, "f32[4096,512]", 0), 3.6),
            Evidence(_find(name, "bf16[64,1000]", 1), 30.0),
        ),
    )


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
    _search("argmax", "max"),
    _search("argmin", "min"),
    _by_rows("sum-by-rows", ("reduce_sum",), Numerics.ROUNDING, 40.2, 23.1),
    _by_rows("extreme-by-rows", ("reduce_max", "reduce_min"), Numerics.EXACT, 14.8, 11.9),
)
