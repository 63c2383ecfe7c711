"""Products of arrays of more than two dimensions, handed to XLA as products of matrices.

A weight's gradient sums over batch and time at once. XLA's CPU backend brings the summed dimensions
of such a product into place by copies, which it then computes together with whatever made the
operand, element by element. Of matrices it reads the transposed operand as it lies.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp

from compiler.lowering.kernels.kernel import Evidence, Kernel, function_with, product
from compiler.ops.parameters import dot_dimensions
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_ELEMENTS: Final = (1 << 10, 1 << 14)
"""Of the smaller operand and of the larger one: what is smaller is copied in no time.

The gradients of layers of 64 over 1,440 and 2,400 points took 1.2 times as long as their arrays
were, of a layer of one feature three times as long."""

MIN_RESULT: Final = 1 << 18
"""Elements of a batch of products from which on the order of its operands can be measured.

Weights times values, as einsum writes attention, comes as values times weights: XLA's library then
computes the softmax along the wrong dimension."""


def _as_matrices(m: Match) -> Callable[..., Any]:
    """Merges the summed dimensions, which come first in both operands, and the others."""
    summed = len(dot_dimensions(m.root)[0][0])
    multiply = function_with(m.root, dimension_numbers=(((0,), (0,)), ((), ())))

    def flat(x: Any) -> Any:
        sizes = x.shape
        return x.reshape(product(sizes[:summed]), product(sizes[summed:]))

    return lambda x, y: multiply(flat(x), flat(y)).reshape(*x.shape[summed:], *y.shape[summed:])


def _sums_leading_dimensions(m: Match) -> str | None:
    (left, right), (batch, _) = dot_dimensions(m.root)
    if batch:
        return "it is a batch of products"
    if len(left) < 2:
        return "it sums over one dimension"
    leading = tuple(range(len(left)))
    return None if left == right == leading else "the summed dimensions do not come first"


def _swapped(m: Match) -> Callable[..., Any]:
    """The same batch of products with the operands the other way round."""
    (left, right), (batch, other) = dot_dimensions(m.root)
    multiply = function_with(m.root, dimension_numbers=((right, left), (other, batch)))
    free = [len(shape(value)) - len(batch) - len(left) for value in m.root.operands]
    first, last = len(batch), len(batch) + free[1]
    order = (*range(first), *range(last, last + free[0]), *range(first, last))

    return lambda x, y: multiply(y, x).transpose(order)


def _reads_across(m: Match) -> str | None:
    """Whether only the right operand is summed along its last dimension."""
    (left, right), (batch, _) = dot_dimensions(m.root)
    if not batch or len(left) != 1:
        return "it is no batch of products of matrices"
    last = [len(shape(value)) - 1 for value in m.root.operands]
    return None if left[0] != last[0] and right[0] == last[1] else "it reads both as they lie"


def _result_is_large(m: Match) -> str | None:
    return None if product(shape(m.root.result)) >= MIN_RESULT else "the result is small"


def _is_large(m: Match) -> str | None:
    sizes = sorted(product(shape(value)) for value in m.root.operands)
    are_enough = all(size >= least for size, least in zip(sizes, MIN_ELEMENTS, strict=True))
    return None if are_enough else "an operand is small"


_x, _y = var("x", FLOAT), var("y", FLOAT)


def _gradient(x: Any, y: Any) -> Any:
    return jnp.einsum("bsd,bsh->dh", x, y)


def _weighted(weights: Any, values: Any) -> Any:
    return jnp.einsum("bhst,bthd->bshd", weights, values)


def _attention(q: Any, k: Any, v: Any) -> Any:
    return _weighted(jax.nn.sigmoid(jnp.einsum("bshd,bthd->bhst", q, k)), v)


KERNELS: Final = (
    Kernel(
        name="dot-of-matrices",
        law="sum over b, s of x[b, s, d] * y[b, s, h] = x[(b, s), d]^T @ y[(b, s), h]",
        pattern=op.dot_general(_x, _y),
        form=_as_matrices,
        numerics=Numerics.ROUNDING,
        guards=(_sums_leading_dimensions,),
        pays=_is_large,
        examples=(
            example(_gradient, "f32[a,b,c]", "f32[a,b,d]"),
            example(lambda x: _gradient(x, x), "f32[a,b,c]"),
            example(
                lambda x, y: jnp.einsum("absd,abshe->dhe", x, y), "f32[2,3,a,b]", "f32[2,3,a,c,d]"
            ),
        ),
        rejects=(example(lambda x, y: x @ y, "f32[a,b,c]", "f32[c,d]"),),
        evidence=(
            Evidence(
                example(lambda x, y: _gradient(x * 2.0, y), "f32[8,256,512]", "f32[8,256,512]"), 1.6
            ),
        ),
    ),
    Kernel(
        name="dots-swapped",
        law="x^T @ y^T = transpose(y @ x), for batches of products",
        pattern=op.dot_general(_x, _y),
        form=_swapped,
        numerics=Numerics.ROUNDING,
        guards=(_reads_across,),
        pays=_result_is_large,
        examples=(
            example(_weighted, "f32[2,a,b,c]", "f32[2,c,a,d]"),
            example(lambda x: _weighted(x, x), "f32[2,3,3,3]"),
        ),
        rejects=(example(lambda x, y: (x @ y).T, "f32[a,b]", "f32[b,c]"),),
        evidence=(
            Evidence(example(_attention, *3 * ("f32[8,256,8,64]",)), 1.2),
            Evidence(example(_attention, *3 * ("f32[1,1024,8,64]",)), 1.8),
        ),
    ),
)
