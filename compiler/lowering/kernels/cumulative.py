"""Cumulative sums, products, extremes and log-sum-exp, row by row.

XLA makes a tree of some thirty slices and pads of them, with as many passes over the memory. On a
CPU one loop whose step combines whole rows reads and writes every element once. One after the
other, the roundings of a long sum add up, where a tree has few of them in a row. So a sum keeps
what its last step rounded away and adds it in the next one (Kahan 1965, the remainder by Knuth's
exact sum of two); sums and products of 16 bits are kept in 32.
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

from compiler.lowering.kernels.kernel import IS_EARLY, Evidence, Kernel
from compiler.ops.parameters import integer
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, op, var
from compiler.rewrite.rule import Example, example
from compiler.rules.reduction_terms import highest, lowest

MIN_ROWS: Final = 64
"""Along a shorter axis the tree is as good."""

MIN_WIDTH: Final = 4
"""Bytes of the numbers in which sums are kept, at least."""

_REAL: Final = FLOAT + INTEGER
_Combine = Callable[[Any, Any], Any]
_Add = Callable[[Any, Any, Any], tuple[Any, Any]]
"""A sum so far, what it rounded away, and a row: the next sum, and what that rounds away."""

_COMBINE: Final[dict[str, _Combine]] = {
    "cumsum": lax.add,
    "cumprod": lax.mul,
    "cummax": lax.max,
    "cummin": lax.min,
}


def row_by_row(m: Match) -> Callable[..., Any]:
    """One loop over the axis whose step combines whole rows."""
    axis, backwards = integer(m.root, "axis"), bool(m.root.attributes["reverse"])
    name = m.root.name

    def cumulative(x: Any) -> Any:
        if not x.size:
            return x
        rows = jnp.moveaxis(x, axis, 0)
        start = jnp.full(rows.shape[1:], neutral(name, x.dtype), x.dtype)
        add = _wide_step(name, x.dtype)
        if add is not None:
            found = summed_up(add, start, rows, backwards)
        else:
            wide = _width_in_place(x.dtype)
            found = _in_place(_COMBINE[name], start.astype(wide), rows.astype(wide), backwards)
            found = found.astype(x.dtype)
        # Stored in its own order: else all that read it walk through the loop's result in columns.
        return lax.optimization_barrier(jnp.moveaxis(found, 0, axis))

    return cumulative


def _width_in_place(dtype: Any) -> Any:
    """The type in which rows are combined where they lie.

    XLA's CPU backend computes bfloat16 and what is shorter in 32 bits, and converts an array of it
    whole, back and forth, in every step that changes one row.
    """
    is_short = jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < MIN_WIDTH
    return np.dtype(np.float32) if is_short else dtype


def _in_place(combine: _Combine, start: Any, rows: Any, backwards: bool) -> Any:
    """Each row combined with the one before where it lies: XLA compiles two functions less."""
    last = rows.shape[0] - 1

    def step(i: Any, found: Any) -> Any:
        at, before = (last - i, last - i + 1) if backwards else (i, i - 1)
        row = lax.dynamic_index_in_dim(found, at, keepdims=False)
        earlier = lax.dynamic_index_in_dim(found, jnp.clip(before, 0, last), keepdims=False)
        row = combine(jnp.where(i == 0, start, earlier), row)
        return lax.dynamic_update_index_in_dim(found, row, at, 0)

    return lax.fori_loop(0, last + 1, step, rows)


def summed_up(add: _Add, start: Any, rows: Any, backwards: bool) -> Any:
    """Running sums that carry what each step rounded away: read from one array, written to another.

    In place a running log-sum-exp takes seven times as long with jaxlib 0.12, which does not
    vectorise it there.
    """
    wide = rows.dtype if rows.dtype.itemsize >= MIN_WIDTH else np.dtype(np.float32)

    def step(carry: Any, row: Any) -> Any:
        before, left = carry
        total, rest = add(before, left, row)
        return (total, jnp.where(jnp.isfinite(rest), rest, 0)), total

    first = start.astype(wide), jnp.zeros(start.shape, wide)
    found = lax.scan(step, first, rows.astype(wide), reverse=backwards)[1]
    return found.astype(rows.dtype)


def plus(total: Any, rest: Any, row: Any) -> tuple[Any, Any]:
    """The sum, and what it rounded away."""
    row = row + rest
    found = total + row
    added = found - total
    return found, (total - (found - added)) + (row - added)


def _log_of_sum(total: Any, rest: Any, row: Any) -> tuple[Any, Any]:
    """The logarithm of the sum of exponentials, and what it rounded away."""
    far = lax.sub(total, row)
    more = jnp.log1p(jnp.exp(-jnp.abs(far)))
    found, left = plus(jnp.maximum(total, row), jnp.where(far >= 0, rest, 0), more)
    return jnp.where(jnp.isnan(far), total + row, found), left


def _times(total: Any, rest: Any, row: Any) -> tuple[Any, Any]:
    return total * row, rest


_STEPS: Final[dict[str, _Add]] = {"cumsum": plus, "cumlogsumexp": _log_of_sum, "cumprod": _times}


def _wide_step(name: str, dtype: Any) -> _Add | None:
    """The step of a run whose roundings would add up; None where a tree's add up as well."""
    if not jnp.issubdtype(dtype, jnp.floating) or (
        name == "cumprod" and dtype.itemsize >= MIN_WIDTH
    ):
        return None
    return _STEPS.get(name)


def neutral(name: str, dtype: Any) -> Any:
    """The number in front of the first row, as XLA has it: a running sum of -0.0 is 0.0."""
    if name in ("cumsum", "cumprod"):
        return 0 if name == "cumsum" else 1
    return highest(dtype) if name == "cummin" else lowest(dtype)


def _is_long(m: Match) -> str | None:
    sizes, axis = shape(m.root.result), integer(m.root, "axis")
    rows = sizes[axis]
    if IS_EARLY and axis == len(sizes) - 1 > 0 and m.root.name != "cumlogsumexp":
        return "along the last axis XLA is as fast before jaxlib 0.10"
    return None if rows >= MIN_ROWS else f"the axis has {rows} elements"


def _table(name: str) -> tuple[Example, ...]:
    run = getattr(lax, name)
    return (
        example(lambda x: run(x, axis=0), "f32[a]"),
        example(lambda x: run(x, axis=1, reverse=True), "f32[a,b,c]"),
    )


def _kernel(
    name: str,
    law: str,
    numerics: Numerics,
    pattern: Any,
    ratios: tuple[float, float],
    wide: str = "f32[64,8192]",
) -> Kernel:
    run = getattr(lax, name)
    programs = (
        example(lambda x: run(x, axis=0), "f32[1024,1024]"),
        example(lambda x: run(x, axis=1), wide),
    )
    return Kernel(
        name=f"{name}-by-rows",
        law=law,
        pattern=pattern,
        form=row_by_row,
        numerics=numerics,
        pays=_is_long,
        examples=_table(name),
        evidence=(
            Evidence(programs[0], ratios[0]),
            Evidence(programs[1], ratios[1], early=name == "cumlogsumexp"),
        ),
    )


_x = var("x", _REAL)

KERNELS: Final = (
    _kernel(
        "cumsum",
        "y[i] = y[i-1] + x[i], row by row",
        Numerics.ROUNDING,
        op.cumsum(_x),
        (4.9, 1.9),
        wide="f32[8,65536]",
    ),
    _kernel(
        "cumprod",
        "y[i] = y[i-1] * x[i], row by row",
        Numerics.ROUNDING,
        op.cumprod(_x),
        (20.1, 2.2),
    ),
    _kernel(
        "cummax", "y[i] = max(y[i-1], x[i]), row by row", Numerics.EXACT, op.cummax(_x), (57.2, 5.8)
    ),
    _kernel(
        "cummin", "y[i] = min(y[i-1], x[i]), row by row", Numerics.EXACT, op.cummin(_x), (57.2, 5.8)
    ),
    _kernel(
        "cumlogsumexp",
        "y[i] = log(exp(y[i-1]) + exp(x[i])), row by row",
        Numerics.ROUNDING,
        op.cumlogsumexp(var("x", FLOAT)),
        (40.0, 20.0),
    ),
)
