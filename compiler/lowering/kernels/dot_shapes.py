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

from compiler.lowering.kernels.kernel import Evidence, Kernel, function_with, inputs_of, product
from compiler.ops.parameters import dot_dimensions, integers
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import example

MIN_ELEMENTS: Final = 1 << 18
"""Of each operand: smaller ones are copied in no time."""

MIN_RESULT: Final = 1 << 14
"""Elements of a batch of products from which on the order of its operands can be measured."""


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


def _in_result_order(m: Match) -> Callable[..., Any]:
    """The same batch of products with the operands the other way round."""
    (left, right), (batch, other) = dot_dimensions(m.dot)
    numbers = ((right, left), (other, batch))
    multiply = function_with(m.dot, dimension_numbers=numbers)
    order = _swapped(m)
    first, second = m.dot.operands

    def swapped(*operands: Any) -> Any:
        values = dict(zip(inputs_of(m), operands, strict=True))
        return multiply(values[second], values[first]).transpose(order)

    return swapped


def _free(m: Match) -> tuple[int, int, int]:
    """How many dimensions of the product are of the batch, of the left and of the right operand."""
    (left, right), (batch, _) = dot_dimensions(m.dot)
    counts = [len(shape(value)) - len(batch) for value in m.dot.operands]
    return len(batch), counts[0] - len(left), counts[1] - len(right)


def _swapped(m: Match) -> list[int]:
    """The permutation that follows the product once its operands are swapped."""
    batch, left, right = _free(m)
    place = [*range(batch), *range(batch + right, batch + right + left)]
    place += range(batch, batch + right)
    return [place[dim] for dim in integers(m.root, "permutation")]


def _is_turned_round(m: Match) -> str | None:
    batch, left, right = _free(m)
    if not batch or not left or not right:
        return "it is no batch of products of matrices"
    free = [dim for dim in integers(m.root, "permutation") if dim >= batch]
    in_order = [*range(batch + left, batch + left + right), *range(batch, batch + left)]
    return None if free == in_order else "the result has the operands' dimensions in their order"


def _result_is_large(m: Match) -> str | None:
    return None if product(shape(m.root.result)) >= MIN_RESULT else "the result is small"


def _is_large(m: Match) -> str | None:
    smallest = min(product(shape(value)) for value in m.root.operands)
    return None if smallest >= MIN_ELEMENTS else "an operand is small"


_x, _y = var("x", FLOAT), var("y", FLOAT)


def _gradient(x: Any, y: Any) -> Any:
    return jnp.einsum("bsd,bsh->dh", x, y)


def _weighted(weights: Any, values: Any) -> Any:
    return jnp.einsum("bhst,bthd->bshd", weights, values)


def _attention(q: Any, k: Any, v: Any) -> Any:
    return _weighted(jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k), -1), v)


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
        name="dots-in-result-order",
        law="transpose(x @ y) with the dimensions of y first = transpose(y^T @ x^T) as they come",
        pattern=op.transpose(op.dot_general(_x, _y).named("dot")),
        form=_in_result_order,
        numerics=Numerics.ROUNDING,
        guards=(_is_turned_round,),
        pays=_result_is_large,
        examples=(
            example(_weighted, "f32[2,a,b,c]", "f32[2,c,a,d]"),
            example(lambda x: _weighted(x, x), "f32[2,3,3,3]"),
        ),
        rejects=(example(lambda x, y: (x @ y).T, "f32[a,b]", "f32[b,c]"),),
        evidence=(
            Evidence(example(_attention, *3 * ("f32[8,256,8,64]",)), 2.9),
            Evidence(example(_attention, *3 * ("f32[1,1024,8,64]",)), 2.6),
        ),
    ),
)
