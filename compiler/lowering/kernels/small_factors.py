"""Cholesky factors and triangular systems of many small matrices, written out.

XLA's CPU backend calls a library once for each matrix of a batch, one after the other on one
thread. For a handful of rows such a call takes longer than the arithmetic. Written out, each number
of a factor is an elementwise op over the batch. What the library makes of infinities, and of
matrices that are not positive, is its own; so where a result is not finite, the library is asked
after all.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.kernel import Evidence, Kernel, function_of, product
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MAX_ROWS: Final = 4
"""More rows take too long to compile, and few matrices of them are slower."""

MIN_COLUMNS: Final = 512
"""Fewer right sides in all are solved before the difference can be measured."""

MIN_MATRICES: Final = 64
"""Of fewer systems with more right sides each, five with 256 or 1,500 took 1.3 to 1.9 times as long
as in the library, whose calls are few then."""

MIN_BATCH: Final = 512

MAX_SIZE: Final = 1 << 21
"""The solution is stored once more beside the library's copies, which nothing larger shall be."""


def _substituted(m: Match) -> Callable[..., Any]:
    """One row after the other, each less what the rows that are known give."""
    said = m.root.attributes
    is_left, is_transposed, is_unit = (
        bool(said[name]) for name in ("left_side", "transpose_a", "unit_diagonal")
    )
    # x a = b is transpose(a) transpose(x) = transpose(b); the rows of that are columns of x.
    is_flipped = is_left == is_transposed
    is_lower = bool(said["lower"]) != is_flipped
    axis = -2 if is_left else -1
    library = function_of(m.root)

    def kernel(a: Any, b: Any) -> Any:
        a, b = lax.optimization_barrier((a, b))  # else each row computes what makes them
        known: dict[int, Any] = {}
        for row in range(a.shape[-1])[:: 1 if is_lower else -1]:
            rest = lax.index_in_dim(b, row, b.ndim + axis, keepdims=False)
            for column, value in known.items():
                place = (column, row) if is_flipped else (row, column)
                rest = rest - a[..., *place, None] * value
            found = rest if is_unit else rest / a[..., row, row, None]
            known[row] = lax.optimization_barrier(found)  # else each row computes all before it
        rows = [known[row] for row in range(len(known))]
        join = partial(jnp.stack, axis=axis)
        return lax.cond(_are_finite(rows), lambda: join(rows), lambda: library(a, b))

    return kernel


def _are_finite(parts: Sequence[Any]) -> Any:
    return jnp.sum(reduce(operator.add, [part - part for part in parts])) == 0


def _factored(m: Match) -> Callable[..., Any]:
    library = function_of(m.root)

    def kernel(a: Any) -> Any:
        a = lax.optimization_barrier(a)
        known, least = _cholesky(a)
        is_usual = _are_finite([*known.values()]) & (jnp.min(least) > 0)
        return lax.cond(is_usual, lambda: _lower(known, a), lambda: library(a))

    return kernel


def _cholesky(a: Any) -> tuple[dict[tuple[int, int], Any], Any]:
    """The elements of the lower factors, and the least number under a root of each."""
    known: dict[tuple[int, int], Any] = {}
    squares: list[Any] = []
    for column in range(a.shape[-1]):
        squares.append(_less_products(a, known, column, column))
        root = known[column, column] = lax.optimization_barrier(jnp.sqrt(squares[-1]))
        for row in range(column + 1, a.shape[-1]):
            found = _less_products(a, known, row, column) / root
            known[row, column] = lax.optimization_barrier(found)
    return known, reduce(jnp.minimum, squares)


def _lower(known: Any, a: Any) -> Any:
    """The matrices with these elements, and zeros above the diagonal."""
    nothing, places = jnp.zeros(a.shape[:-2], a.dtype), range(a.shape[-1])
    rows = [[known.get((i, j), nothing) for j in places] for i in places]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def _less_products(a: Any, known: Any, row: int, column: int) -> Any:
    found = a[..., row, column]
    for inner in range(column):
        found = found - known[row, inner] * known[column, inner]
    return found


def _has_rows(m: Match) -> str | None:
    return None if all(map(product, map(shape, m.root.operands))) else "there is no matrix"


def _are_few_rows(m: Match) -> str | None:
    rows, size = shape(m.a)[-1], product(shape(m.a)) + product(shape(m.b))
    if rows > MAX_ROWS or size > MAX_SIZE:
        return f"{rows} rows, or so many matrices, are no better written out"
    matrices, columns = product(shape(m.a)[:-2]), product(shape(m.b)) // rows
    if matrices < MIN_MATRICES:
        return f"{matrices} systems are few"
    return None if columns >= MIN_COLUMNS else f"{columns} right sides are few"


def _is_small(m: Match) -> str | None:
    rows, batch = shape(m.a)[-1], product(shape(m.a)[:-2])
    if rows > MAX_ROWS or product(shape(m.a)) > MAX_SIZE:
        return f"{rows} rows, or so many matrices, are no better written out"
    return None if batch >= MIN_BATCH else f"{batch} matrices are few"


def _solve(side: str = "L", **options: Any) -> Callable[..., Any]:
    """A system whose diagonal is far from zero."""

    def solved(a: Any, b: Any) -> Any:
        a = jnp.tanh(a) + 2 * jnp.eye(a.shape[-1], dtype=a.dtype)
        return lax.linalg.triangular_solve(a, b, left_side=side == "L", **options)

    return solved


def _factor(a: Any) -> Any:
    """The factors of matrices that are positive."""
    a = 0.2 * jnp.tanh(a).astype(np.float32) + 2 * jnp.eye(a.shape[-1], dtype=np.float32)
    return lax.linalg.cholesky(a)


def _systems(*sizes: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"f32[{','.join(map(str, one))}]" for one in sizes)


KERNELS: Final = (
    Kernel(
        name="triangular-solve-written-out",
        law="x[i] = (b[i] - a[i, 0] x[0] - .. - a[i, i-1] x[i-1]) / a[i, i]",
        pattern=op.triangular_solve(var("a", FLOAT), var("b", FLOAT)),
        form=_substituted,
        guards=(_has_rows,),
        numerics=Numerics.ROUNDING,
        pays=_are_few_rows,
        examples=(
            example(_solve(lower=True), "f32[k,n,n]", "f32[k,n,m]"),
            example(_solve(lower=False, unit_diagonal=True), "f32[n,n]", "f32[n,m]"),
            example(_solve("R", lower=True), "f32[k,n,n]", "f32[k,m,n]"),
            example(_solve("R", transpose_a=True), "f32[n,n]", "f32[m,n]"),
            example(_solve(lower=True, transpose_a=True), "f32[2,k,n,n]", "f32[2,k,n,m]"),
        ),
        rejects=(example(_solve(lower=True), "f32[0,3,3]", "f32[0,3,2]"),),
        evidence=(
            Evidence(example(_solve(lower=True), *_systems((4096, 4, 4), (4096, 4, 4))), 1.9),
            Evidence(example(_solve(lower=True), *_systems((512, 2, 2), (512, 2, 1))), 4.4),
            Evidence(example(_solve(lower=True), *_systems((512, 4, 4), (512, 4, 1))), 2.4),
        ),
    ),
    Kernel(
        name="cholesky-written-out",
        law="l[i, j] = (a[i, j] - sum of l[i, k] l[j, k] over k < j) / l[j, j]",
        pattern=op.cholesky(var("a", FLOAT)),
        form=_factored,
        guards=(_has_rows,),
        numerics=Numerics.ROUNDING,
        pays=_is_small,
        examples=(
            example(_factor, "f32[k,n,n]"),
            example(lambda a: lax.linalg.cholesky(a.astype(np.float32)), "f32[k,n,n]"),
            example(_factor, "f32[n,n]"),
        ),
        rejects=(example(_factor, "f32[0,3,3]"),),
        evidence=(
            Evidence(example(_factor, "f32[4096,4,4]"), 2.5),
            Evidence(example(_factor, "f32[4096,2,2]"), 2.7),
            Evidence(example(_factor, "f32[512,4,4]"), 1.8),
        ),
    ),
)
