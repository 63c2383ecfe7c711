"""Products of complex matrices, and of many tiny ones.

XLA's library for the CPU takes real matrices. Complex ones, and tiny ones in a batch, are left to
loops over single numbers.
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

from compiler.lowering.kernels.kernel import SINCE_0_10, Evidence, Kernel, function_with, product
from compiler.ops.parameters import dot_dimensions, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import COMPLEX, FLOAT, op, var
from compiler.rewrite.rule import Refusal, example

MIN_PRODUCTS: Final = 1 << 24
"""For fewer, four real products are no faster than the complex one."""

TINY: Final = range(4, 7)
"""Fewer terms XLA writes out by itself, more it has a loop for."""

MIN_BATCH: Final = 64


def _by_parts(m: Match) -> Callable[..., Any]:
    """Four real products; XLA's multiplication of complex infinities gives nan elsewhere."""
    parts = np.dtype(np.float64 if number_type(m.root.result).itemsize == 16 else np.float32)
    multiply = function_with(m.root, preferred_element_type=parts)

    def kernel(*operands: Any) -> Any:
        (a, b), (c, d) = ((lax.real(v), lax.imag(v)) for v in (operands[0], operands[-1]))
        return lax.complex(multiply(a, c) - multiply(b, d), multiply(a, d) + multiply(b, c))

    return kernel


def _written_out(m: Match) -> Callable[..., Any] | Refusal:
    dtype, terms = number_type(m.root.result), shape(m.root.operands[0])[-1]
    wide = np.dtype(np.float32) if dtype.itemsize < 4 else dtype
    if not terms:
        return Refusal("there is nothing to add up")

    def kernel(*operands: Any) -> Any:
        x, y = (value.astype(wide) for value in (operands[0], operands[-1]))
        total: Any = jnp.zeros((), wide)
        for i in range(terms):
            term = x[..., i : i + 1] * y[:, i : i + 1, :]
            total = total + term if i else term
        return total.astype(dtype)

    return kernel


def _is_much(m: Match) -> str | None:
    contracted = dot_dimensions(m.root)[0][0]
    sums = product(shape(m.root.result))
    found = sums * product([shape(m.root.operands[0])[d] for d in contracted])
    return None if found >= MIN_PRODUCTS else f"there are {found} products only"


def is_batch_of_matrices(m: Match) -> str | None:
    """Whether it is a batch of products of matrices, the batch first."""
    is_batch = dot_dimensions(m.root) == (((2,), (1,)), ((0,), (0,)))
    is_batch = is_batch and {len(shape(v)) for v in m.root.operands} == {3}
    return None if is_batch else "it is not a batch of products of matrices"


def _is_tiny(m: Match) -> str | None:
    batch, rows, columns = shape(m.root.result)
    if number_type(m.root.result) != np.float32:
        return "the elements are not 32-bit floats"
    if shape(m.root.operands[0])[2] not in TINY or max(rows, columns) > TINY[-1]:
        return "the matrices are not of the sizes that were measured"
    return None if batch >= MIN_BATCH else f"there are {batch} matrices only"


KERNELS: Final = (
    Kernel(
        name="complex-dot-by-parts",
        law="(A + iB)(C + iD) = (AC - BD) + i(AD + BC), four real products",
        pattern=op.dot_general(var("x", COMPLEX), var("y", COMPLEX)),
        form=_by_parts,
        numerics=Numerics.FINITE,
        pays=_is_much,
        since=SINCE_0_10,
        examples=(
            example(lambda x, y: x @ y, "c64[m,k]", "c64[k,n]"),
            example(lambda x, y: jnp.einsum("bij,bkj->bik", x, y), "c64[2,m,k]", "c64[2,n,k]"),
        ),
        evidence=(Evidence(example(lambda x, y: x @ y, "c64[512,512]", "c64[512,512]"), 2.6),),
    ),
    Kernel(
        name="tiny-dots-written-out",
        law="a product of tiny matrices is a sum of columns times rows, all of a batch at once",
        pattern=op.dot_general(var("x", FLOAT), var("y", FLOAT)),
        form=_written_out,
        numerics=Numerics.ROUNDING,
        guards=(is_batch_of_matrices,),
        pays=_is_tiny,
        examples=(example(lambda x, y: x @ y, "f32[n,4,k]", "f32[n,k,5]"),),
        rejects=(example(lambda x, y: x @ y, "f32[m,k]", "f32[k,n]"),),
        evidence=(Evidence(example(lambda x, y: x @ y, "f32[4096,4,4]", "f32[4096,4,4]"), 7.8),),
    ),
)
