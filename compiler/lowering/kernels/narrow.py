"""Reductions of arrays whose last axis has a handful of elements: points, colours, small vectors.

XLA's CPU loops run along the last axis, and with three elements there they neither vectorise nor
keep the other axes in order. Slices of one element each give whole planes instead, which fuse with
whatever computes the array.
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

from compiler.ir.graph import Operation, Value
from compiler.lowering.kernels.kernel import Evidence, Kernel, function_of, product
from compiler.lowering.kernels.offsets import offsets
from compiler.ops.parameters import integers
from compiler.ops.reduction import REDUCTIONS
from compiler.passes.fuse import LOOPED
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, INTEGER, op, var
from compiler.rewrite.rule import example

MIN_SIZE: Final = 4096
"""Smaller arrays are reduced before the difference can be measured."""

MAX_REDUCED: Final = 8
"""At 16 elements along the axis the slices are seven times slower than the loop."""

MAX_KEPT: Final = 3
"""At 4 elements one reduction for each is twice slower than the loop where they are computed."""

MAX_OPS: Final = 64
"""So many ops behind the reduction are looked at, and so many before it."""

_COMBINE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "reduce_sum": lax.add,
    "reduce_prod": lax.mul,
    "reduce_max": lax.max,
    "reduce_min": lax.min,
}
_ROUNDED: Final = ("reduce_sum", "reduce_prod")
_EXACT: Final = ("reduce_max", "reduce_min")


def _slices(x: Any) -> list[Any]:
    return [lax.index_in_dim(x, i, x.ndim - 1, keepdims=False) for i in range(x.shape[-1])]


def _combined(m: Match) -> Callable[..., Any]:
    """The slices along the reduced axis combined one after the other."""
    combine = _COMBINE[m.root.name]
    return lambda x: reduce(combine, _slices(x))


def _one_by_one(m: Match) -> Callable[..., Any]:
    """Each slice along the last axis reduced by itself."""
    reduced = function_of(m.root)

    def kernel(x: Any) -> Any:
        last = x.ndim - 1
        parts = [lax.dynamic_index_in_dim(x, i, last, False) for i in offsets(range(x.shape[-1]))]
        return jnp.stack([reduced(part) for part in parts], -1)

    return kernel


def _over_the_narrow_axis(m: Match) -> str | None:
    sizes, axes = shape(m.x), integers(m.root, "axes")
    if not sizes or axes != (len(sizes) - 1,) or not sizes[-1]:
        return "it reduces other axes than the last one"
    return None


def _beside_the_narrow_axis(m: Match) -> str | None:
    sizes, axes = shape(m.x), integers(m.root, "axes")
    if len(sizes) < 2 or axes != (len(sizes) - 2,) or not sizes[-1]:
        return "it reduces other axes than the one before the last"
    return None


def _few_are_reduced(m: Match) -> str | None:
    return (
        _is_narrow(m, MAX_REDUCED)
        or _feeds_another_reduction(m.root.result)
        or _is_of_a_moving_slice(m.x)
    )


def _is_of_a_moving_slice(value: Value) -> str | None:
    """Whether a ``dynamic_slice`` as large is computed in the loop of what is reduced.

    Where such a slice begins is asked for each element, and the loop is not vectorised: 0.4 to 0.65
    of the speed below an exponential or for an extreme, up to 1.8 for a sum alone.
    """
    size = product(shape(value))
    pending, seen = [value], set[Operation]()
    while pending and len(seen) < MAX_OPS:
        found = pending.pop()
        producer = found.producer
        if producer is None or producer in seen or product(shape(found)) != size:
            continue
        seen.add(producer)
        if producer.name == "dynamic_slice":
            return "a slice that begins anywhere is computed in the same loop"
        if producer.name in LOOPED:
            pending += producer.operands
    return None


def _feeds_another_reduction(value: Value) -> str | None:
    """Whether a reduction along a longer axis computes it, element by element, in its own loop.

    XLA makes one reduction of two in a row, and of slices a loop that does not vectorise.
    """
    pending, seen = list(value.readers), set[Operation]()
    while pending and len(seen) < MAX_OPS:
        op = pending.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.name in REDUCTIONS and max(shape(op.operands[0])[-1:], default=0) > MAX_REDUCED:
            return "what is left is reduced once more"
        if op.name in LOOPED:
            pending += [reader for result in op.results for reader in result.readers]
    return None


def _few_are_kept(m: Match) -> str | None:
    return _is_narrow(m, MAX_KEPT)


def _is_narrow(m: Match, largest: int) -> str | None:
    sizes = shape(m.x)
    if not 2 <= sizes[-1] <= largest:
        return f"the last axis has {sizes[-1]} elements"
    return None if product(sizes) >= MIN_SIZE else "the array is small"


def _over(name: str, reductions: tuple[str, ...], numerics: Numerics, ratio: float) -> Kernel:
    return Kernel(
        name=name,
        law="reduce(x, last axis) = x[..., 0] + x[..., 1] + ..., and so for other reductions",
        pattern=op[reductions](_x),
        form=_combined,
        numerics=numerics,
        guards=(_over_the_narrow_axis,),
        pays=_few_are_reduced,
        examples=tuple(
            example(lambda x, f=_NUMPY[one]: f(x, axis=-1), "f32[a,b]") for one in reductions
        ),
        rejects=(example(lambda x, f=_NUMPY[reductions[0]]: f(x, axis=0), "f32[a,b]"),),
        evidence=(
            Evidence(
                example(lambda x, f=_NUMPY[reductions[0]]: f(x, axis=-1), "f32[1024,256,3]"), ratio
            ),
        ),
    )


def _beside(name: str, reductions: tuple[str, ...], numerics: Numerics, ratio: float) -> Kernel:
    return Kernel(
        name=name,
        law="reduce(x, axis -2)[..., i] = reduce(x[..., i], last axis)",
        pattern=op[reductions](_x),
        form=_one_by_one,
        numerics=numerics,
        guards=(_beside_the_narrow_axis,),
        pays=_few_are_kept,
        examples=tuple(
            example(lambda x, f=_NUMPY[one]: f(x, axis=-2), "f32[a,b,c]") for one in reductions
        ),
        rejects=(example(lambda x, f=_NUMPY[reductions[0]]: f(x, axis=0), "f32[a,b,c]"),),
        evidence=(
            Evidence(
                example(
                    lambda x, y, f=_NUMPY[reductions[0]]: f((x[:, None] - y) ** 2, axis=-2),
                    *("f32[1024,3]", "f32[1024,3]"),
                ),
                ratio,
            ),
        ),
    )


_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "reduce_sum": jnp.sum,
    "reduce_prod": jnp.prod,
    "reduce_max": jnp.max,
    "reduce_min": jnp.min,
}
_x = var("x", FLOAT + INTEGER)

KERNELS: Final = (
    _over("sum-over-narrow-axis", _ROUNDED, Numerics.ROUNDING, 11.5),
    _over("extreme-over-narrow-axis", _EXACT, Numerics.EXACT, 11.5),
    _beside("sum-beside-narrow-axis", _ROUNDED, Numerics.ROUNDING, 6.1),
    _beside("extreme-beside-narrow-axis", _EXACT, Numerics.EXACT, 6.1),
)
