"""Reductions within groups of channels, as group norm takes them: over the channels last.

XLA's CPU backend runs such a reduction along the few channels of a group, where little vectorises.
Reduced over all else first, whole rows of channels are combined, and a few numbers are left.
Sums of integers vectorise as they are.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp

from compiler.ir.graph import Operation
from compiler.ir.types import ArrayType
from compiler.lowering.kernels.kernel import (
    SINCE_0_10,
    Evidence,
    Kernel,
    function_of,
    function_with,
    inputs_of,
    product,
)
from compiler.ops.parameters import integers
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_SIZE: Final = 1 << 14
"""Smaller arrays are reduced in a few microseconds either way."""

MIN_ROWS: Final = 16
"""So many rows have to be combined before the first step is the larger one."""

MAX_SUMMED: Final = 20
"""At 64 channels in a group a sum along them is as fast."""

MAX_COMPARED: Final = 8
"""At 16 channels a maximum along them is hardly slower."""

_ROUNDED: Final = ("reduce_sum",)
_EXACT: Final = ("reduce_max", "reduce_min")


def _channels_last(m: Match) -> Callable[..., Any]:
    """Reduces whole rows of channels, then the channels of each group."""
    sizes, axes = shape(m.root.operands[0]), integers(m.root, "axes")
    first = tuple(axis for axis in axes if axis < len(sizes) - 2)
    kept = [size for axis, size in enumerate(sizes[:-2]) if axis not in first]
    rows = function_with(m.root, axes=first)
    group = function_with(m.root, axes=(len(kept) + 1,))

    elements = _elements(m.root.operands[0].producer)

    def reduced(*inputs: Any) -> Any:
        wide = [x.reshape(*sizes[:-2], sizes[-2] * sizes[-1]) for x in inputs]
        return group(rows(elements(*wide)).reshape(*kept, *sizes[-2:]))

    return reduced


def _elements(producer: Operation | None) -> Callable[..., Any]:
    """What is reduced, of the arrays whose channels are not split."""
    if producer is None or producer.name == "reshape":
        return lambda x: x
    combine, count = function_of(producer), len(producer.operands)
    return lambda *inputs: combine(*(inputs * count)[:count])


def _splits_the_channels(m: Match) -> str | None:
    sizes, axes = shape(m.root.operands[0]), integers(m.root, "axes")
    whole = [shape(value)[-1:] for value in inputs_of(m)]
    if len(sizes) < 3 or any(last != (sizes[-2] * sizes[-1],) for last in whole):
        return "the last axis is not split in two"
    if not product(sizes):
        return "the array is empty"
    last = len(sizes) - 1
    if last not in axes or last - 1 in axes or len(axes) < 2:
        return "it does not reduce each group and something before it"
    return None


def _groups_are_narrow(m: Match) -> str | None:
    sizes, axes = shape(m.root.operands[0]), integers(m.root, "axes")
    largest = MAX_SUMMED if m.root.name in _ROUNDED else MAX_COMPARED
    if not 2 <= sizes[-1] <= largest or sizes[-2] < 2:
        return f"a group has {sizes[-1]} channels"
    if product([sizes[axis] for axis in axes[:-1]]) < MIN_ROWS or product(sizes) < MIN_SIZE:
        return "there is little to reduce"
    type = m.root.operands[0].type
    wide = isinstance(type, ArrayType) and type.nbytes >= 4 * type.size
    return None if wide else "its numbers are narrow"


_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "reduce_sum": jnp.sum,
    "reduce_max": jnp.max,
    "reduce_min": jnp.min,
}


def _in_groups(reduction: str, count: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        groups = x.reshape(*x.shape[:-1], count, -1)
        return _NUMPY[reduction](groups, axis=(*range(1, x.ndim - 1), x.ndim))

    return run


def _of_squares(reduction: str, x: Any) -> Any:
    return _NUMPY[reduction](jnp.square(x.reshape(*x.shape[:-1], 2, -1)), axis=(1, 3))


def _of_products(reduction: str, x: Any, y: Any) -> Any:
    groups = [one.reshape(*x.shape[:-1], 2, -1) for one in (x, y)]
    return _NUMPY[reduction](groups[0] * groups[1], axis=(1, 3))


def _kernel(
    name: str, reductions: tuple[str, ...], numerics: Numerics, ratios: tuple[float, float]
) -> Kernel:
    grouped = _in_groups(reductions[0], 8)
    return Kernel(
        name=name,
        law="reduce(x, rows and channels of each group) = reduce(reduce(x, rows), channels)",
        pattern=op[reductions](_GROUPED)
        | op[reductions](op["square", "integer_pow"](_GROUPED).shared())
        | op[reductions](op.mul(_GROUPED, op.reshape(var("y", FLOAT)).shared()).shared()),
        form=_channels_last,
        numerics=numerics,
        guards=(_splits_the_channels,),
        pays=_groups_are_narrow,
        since=SINCE_0_10,
        examples=(
            *(example(_in_groups(one, 2), "f32[a,b,4]") for one in reductions),
            example(_in_groups(reductions[0], 3), "f32[2,a,b,6]"),
            example(lambda x: _of_squares(reductions[0], x), "f32[a,b,8]"),
            example(lambda x, y: _of_products(reductions[0], x, y), "f32[a,b,8]", "f32[a,b,8]"),
            example(lambda x: _of_products(reductions[0], x, x), "f32[a,b,8]"),
        ),
        rejects=(
            example(lambda x: _NUMPY[reductions[0]](x.reshape(6, 4, 2), (0, 1)), "f32[6,8]"),
            example(lambda x: _NUMPY[reductions[0]](x.reshape(6, 4, 2), (1, 2)), "f32[6,8]"),
            example(lambda x: _NUMPY[reductions[0]](x.reshape(4, 3, 4), (0, 2)), "f32[6,8]"),
        ),
        evidence=(
            Evidence(example(grouped, "f32[8,32,32,64]"), ratios[0]),
            Evidence(example(_in_groups(reductions[0], 32), "f32[8,32,32,64]"), ratios[1]),
        ),
    )


_GROUPED = op.reshape(var("x", FLOAT)).shared()

KERNELS: Final = (
    _kernel("sum-of-groups-by-rows", _ROUNDED, Numerics.ROUNDING, (6.0, 14.0)),
    _kernel("extreme-of-groups-by-rows", _EXACT, Numerics.EXACT, (1.8, 4.6)),
)
