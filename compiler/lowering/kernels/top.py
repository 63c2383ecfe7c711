"""The largest few numbers of each row, looked for in the blocks that hold them.

XLA's CPU backend compares every element of a row with the largest so far, one after the other. The
largest k of the blocks' own largest numbers name k blocks, outside of which none of the row's
largest k can lie: each block that is named has a number that is larger, or as large and before it.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.kernel import Evidence, Kernel, lies_in_rows, product
from compiler.ops.parameters import integer, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

BLOCKS: Final = (32, 16, 8, 4, 2)
"""So many elements of a row make a block: the largest number that divides it and saves enough.

They are powers of two, so that places are taken apart without divisions."""

MIN_SIZE: Final = 1 << 16
"""Of fewer elements the largest are found before the difference can be measured."""

MIN_GAIN: Final = 1.5
"""How much less there must be to compare."""

PER_CHANGE: Final = 18.0
"""What it costs to keep one of the largest so far, in comparisons."""

PER_LARGEST: Final = 0.3
"""What it costs to let an element count in its block's largest number, in comparisons."""

_MAGNITUDE: Final = np.int32(0x7FFFFFFF)


def _by_blocks(m: Match) -> Callable[..., Any]:
    """The largest of the blocks with the largest numbers, in the blocks' order."""
    count, size = integer(m.root, "k"), shape(m.x)[-1]
    block = max(_block(size, count), 1)
    digits = block.bit_length() - 1

    def largest(x: Any) -> tuple[Any, Any]:
        blocks = x.reshape(*x.shape[:-1], size // block, block)
        heads = _folded(jnp.max(_folded(_bits(blocks)), -1))
        named = lax.top_k(lax.bitcast_convert_type(heads, x.dtype), count)[1]
        starts = jnp.sort(named << digits, -1)  # shifted here, the last loop takes LLVM a quarter
        candidates = _taken(blocks, (starts >> digits)[..., None], -2)
        numbers, places = lax.top_k(candidates.reshape(*x.shape[:-1], count * block), count)
        return numbers, _taken(starts, places >> digits, -1) | (places & (block - 1))

    return largest


def _taken(x: Any, places: Any, axis: int) -> Any:
    return jnp.take_along_axis(x, places, axis, mode="promise_in_bounds")


def _bits(x: Any) -> Any:
    return lax.bitcast_convert_type(x, np.int32)


def _folded(bits: Any) -> Any:
    """Integers in the order of the numbers, in which XLA takes them; twice, what it was."""
    sign = lax.shift_right_arithmetic(bits, lax.full_like(bits, 31))
    return lax.bitwise_xor(bits, lax.bitwise_and(sign, lax.full_like(bits, _MAGNITUDE)))


def _block(size: int, count: int) -> int:
    """How many elements make a block; 0 where none saves enough."""
    for block in BLOCKS:
        fits = size % block == 0 and size // block >= max(count, 1)
        if fits and _cost(size, count) > MIN_GAIN * _cost_by_blocks(size, count, block):
            return block
    return 0


def _cost_by_blocks(size: int, count: int, block: int) -> float:
    named, left = _cost(size // block, count), _cost(count * block, count)
    return PER_LARGEST * size + named + left


def _cost(size: int, count: int) -> float:
    """Comparisons, and how often one of the largest so far is likely to change."""
    return size + PER_CHANGE * count * (1.0 + log(max(size, 1) / max(count, 1)))


def _is_of_last_axis(m: Match) -> str | None:
    """Whether XLA has a function of its own for it, whose order of nans and zeros is known."""
    sizes, axis = shape(m.x), m.root.attributes.get("axis", -1)
    if number_type(m.x) != np.float32 or axis not in (-1, len(sizes) - 1):
        return "it is not of 32-bit floats along the last axis"
    if number_type(m.root.results[1]) != np.int32:
        return "the places are not counted in 32 bits"
    return None if sizes[-1] and integer(m.root, "k") else "there is nothing to look for"


def _saves(m: Match) -> str | None:
    sizes, count = shape(m.x), integer(m.root, "k")
    if product(sizes) < MIN_SIZE:
        return "the array is small"
    return None if _block(sizes[-1], count) else "too many are looked for"


def _largest(x: Any, count: int = 8) -> Any:
    return lax.top_k(x, count)


KERNELS: Final = (
    Kernel(
        name="top-of-blocks",
        law="top_k(x) lies in the k blocks whose own largest numbers are the largest k",
        pattern=op.top_k(var("x", FLOAT)),
        form=_by_blocks,
        guards=(_is_of_last_axis,),
        pays=lambda m: _saves(m) or lies_in_rows(m),
        examples=(
            example(lambda x: _largest(x, 1), "f32[a,96]"),
            example(lambda x: _largest(x, 2), "f32[a,4096]"),
            example(lambda x: _largest(x, 3), "f32[4090]"),
        ),
        rejects=(example(lambda x: _largest(x, 2), "f16[a,64]"),),
        evidence=(
            Evidence(example(_largest, "f32[512,4096]"), 1.6),
            Evidence(example(_largest, "f32[64,32768]"), 3.2),
            Evidence(example(lambda x: _largest(x, 1), "f32[512,4096]"), 2.9),
            Evidence(example(lambda x: _largest(x, 50), "f32[16,50000]"), 2.2),
        ),
    ),
)
