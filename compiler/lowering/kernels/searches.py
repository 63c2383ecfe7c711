"""Where the extreme of an axis lies.

XLA's CPU backend finds an index by a reduction of pairs, which does not vectorise. A plain maximum
takes a tenth of its time: the maxima of parts of a row say in which part the extreme lies, and only
that part is searched. Where rows cannot be parted, two plain reductions find the index.

The maximum of jaxlib 0.10 loses nans in large arrays. A sum keeps them, so it tells where there may
be any, and XLA's own search is left to find the first.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.kernel import (
    IS_EARLY,
    Evidence,
    Kernel,
    function_of,
    function_with,
    product,
)
from compiler.ops.parameters import dtype, integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example, example

MIN_AXIS: Final = 32
"""Along a shorter axis the reduction of pairs is up to twenty times faster."""

MIN_PART: Final = 8
"""Elements of a part, and parts of a row, at least."""

MIN_SIZE: Final = 8192
"""Smaller arrays are searched before the difference can be measured."""

MIN_ROW: Final = 2048 if IS_EARLY else 256
"""Elements of a row that is parted: for shorter ones the steps cost more than they save."""

MIN_PARTED: Final = 1 << 17
"""Elements of an array whose rows are searched part by part."""

LARGE: Final = 1 << 20
"""Elements of an array whose axis has to be twice as long: 32 rows of 65536 took longer."""

MAX_SIZE: Final = 1 << 21
"""Larger arrays that are computed on the way must be stored, and are read twice."""

_EXTREMES: Final[dict[str, Callable[..., Any]]] = {"argmax": jnp.max, "argmin": jnp.min}


def _in_its_part(m: Match) -> Callable[..., Any]:
    """The first part whose extreme is that of the row, and the first place of it there."""
    index, extreme = dtype(m.root, "index_dtype"), _EXTREMES[m.root.name]
    size, as_it_is = _part(shape(m.x)[-1]), function_of(m.root)

    def search(x: Any) -> Any:
        find = function_with(m.root, axes=(x.ndim - 1,), index_dtype=np.dtype(np.int32))
        return find(x)

    def in_parts(x: Any) -> Any:
        parts = x.reshape(*x.shape[:-1], x.shape[-1] // size, size)
        part = search(extreme(parts, -1))
        found = jnp.take_along_axis(parts, part[..., None, None], -2, mode="promise_in_bounds")
        return lax.convert_element_type(part * size + search(found[..., 0, :]), index)

    def first(x: Any) -> Any:
        return lax.cond(jnp.isnan(jnp.sum(x)), as_it_is, in_parts, x)

    return first


def _part(length: int) -> int:
    """How many elements of a row are a part: so that parts and elements are few; 0 for none."""
    sizes = [n for n in range(MIN_PART, length // MIN_PART + 1) if length % n == 0]
    return min(sizes, key=lambda n: n + length // n, default=0)


def _first_that_is_extreme(m: Match) -> Callable[..., Any]:
    """The least index of a nan, or else of what equals the extreme.

    A nan's index counts as less than any other: the maximum of jaxlib 0.10 may have lost it.
    """
    (axis,), index = integers(m.root, "axes"), dtype(m.root, "index_dtype")
    extreme = _EXTREMES[m.root.name]

    def first(x: Any) -> Any:
        length = x.shape[axis]
        places = lax.broadcasted_iota(np.int32, x.shape, axis)
        is_found = x == extreme(x, axis, keepdims=True)
        found = jnp.where(is_found, places, np.int32(length - 1))
        least = jnp.min(jnp.where(x != x, places - np.int32(length), found), axis)
        return lax.convert_element_type(jnp.where(least < 0, least + length, least), index)

    return first


def _is_along_rows(m: Match) -> str | None:
    axes = integers(m.root, "axes")
    return None if axes == (len(shape(m.x)) - 1,) else "it searches another axis than the last one"


def _has_parts(m: Match) -> str | None:
    length = shape(m.x)[-1]
    return None if _part(length) else f"{length} elements have no even parts"


def _places_fit(m: Match) -> str | None:
    (axis,), index = integers(m.root, "axes"), dtype(m.root, "index_dtype")
    if shape(m.x)[axis] - 1 <= np.iinfo(index).max:
        return None
    return f"the axis is longer than {index} can count"


def _is_large(m: Match) -> str | None:
    if shape(m.x)[-1] < MIN_ROW:
        return f"the rows have {shape(m.x)[-1]} elements"
    if IS_EARLY and number_type(m.x).itemsize == 2:
        return "of 16 bits XLA searches as fast before jaxlib 0.10"
    is_large = MIN_PARTED <= product(shape(m.x)) <= MAX_SIZE
    return None if is_large else "the array is too small or too large"


def _search_is_slow(m: Match) -> str | None:
    """Along rows two reductions were faster for numbers of 16 bits only, and not before 0.10."""
    (axis,), sizes = integers(m.root, "axes"), shape(m.x)
    if sizes[axis] < MIN_AXIS * (1 + (product(sizes) > LARGE)):
        return f"the axis has {sizes[axis]} elements"
    if axis and (IS_EARLY or axis != len(sizes) - 1 or number_type(m.x).itemsize != 2):
        return "the axis is not the first"
    is_moderate = MIN_SIZE <= product(sizes) <= MAX_SIZE
    return None if is_moderate else "the array is too small or too large"


def _find(name: str, arguments: str, axis: int, index: Any = np.int32) -> Example:
    find = getattr(lax, name)
    return example(lambda x: find(x, axis, index), arguments)


def _by_parts(name: str, kind: str) -> Kernel:
    return Kernel(
        name=f"{name}-by-parts",
        law=f"{name}(x) lies in the first part of x that has {kind}(x), or a nan",
        pattern=op[name](_x),
        form=_in_its_part,
        guards=(_is_along_rows, _has_parts, _places_fit),
        pays=_is_large,
        examples=(
            _find(name, "f32[a,64]", 1),
            _find(name, "f32[a,b,72]", 2, np.uint8),
            _find(name, "f32[80]", 0),
        ),
        rejects=(
            _find(name, "f32[64,a]", 0),
            _find(name, "f32[a,61]", 1),
            _find(name, "f32[a,300]", 1, np.int8),
        ),
        evidence=(
            Evidence(_find(name, "f32[512,4096]", 1), 3.4),
            Evidence(_find(name, "f32[256,1000]", 1), 2.0, early=False),
            Evidence(_find(name, "f32[4096,512]", 1), 3.0, early=False),
            Evidence(_find(name, "f32[1048576]", 0), 6.3),
            Evidence(_find(name, "bf16[512,4096]", 1), 7.1, early=False),
        ),
    )


def _by_extreme(name: str, kind: str) -> Kernel:
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
            Evidence(_find(name, "f32[4096,512]", 0), 4.7),
            Evidence(_find(name, "bf16[64,1009]", 1), 7.9, early=False),
        ),
    )


_x = var("x", FLOAT)

KERNELS: Final = (
    _by_parts("argmax", "max"),
    _by_parts("argmin", "min"),
    _by_extreme("argmax", "max"),
    _by_extreme("argmin", "min"),
)
