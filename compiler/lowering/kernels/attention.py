"""Attention: weights that a softmax makes, times values.

A softmax divides every weight by its row's sum. The division leaves the loop that adds the
exponentials up, so the weights are written twice, the second time for the product alone. The
product's rows are divided instead: they have as many elements as a head, not as the sequence.

A sum of as many values as a row is long may be too large where their mean is not. So the values are
divided by a power of two before the product, and the sums with them.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.lowering.kernels.kernel import Evidence, Kernel, function_with, product
from compiler.ops.parameters import dot_dimensions, integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, Pattern, op, var
from compiler.rewrite.rule import example

MIN_WEIGHTS: Final = 1 << 16
"""Fewer are divided before the difference can be measured."""


_HALF: Final = np.dtype(np.float16)

_KEEP: Final = ("broadcast_in_dim", "max", "reshape", "stop_gradient")
"""Ops whose result is at least as large as each operand, and in its order if it has as many."""


def _weights(m: Match) -> Value:
    """The operand of the product that holds the weights."""
    return m.root.operands[0] if m.root.operands[0] is not m.values else m.root.operands[1]


def _divided_after(m: Match) -> Callable[..., Any]:
    """The product of the exponentials and the values, its rows divided by the sums."""
    left = m.root.operands[0]
    weights = _weights(m)
    dimensions = dot_dimensions(m.root)
    (summed, summed_values), (batch, batch_values) = (
        dimensions if weights is left else tuple(pair[::-1] for pair in dimensions)
    )
    multiply = function_with(
        m.root, dimension_numbers=((summed, summed_values), (batch, batch_values))
    )
    sizes = shape(weights)
    scale = 0.5 ** (sizes[-1] - 1).bit_length()
    rows = [axis for axis in range(len(sizes) - 1) if axis not in batch]
    columns = len(shape(m.values)) - len(batch) - 1
    last = len(batch) + len(rows)
    order = (*range(len(batch)), *range(last, last + columns), *range(len(batch), last))

    def attend(*inputs: Any) -> Any:
        exponentials, values, sums = inputs
        found = multiply(exponentials.reshape(sizes), values * jnp.asarray(scale, values.dtype))
        each = (sums * jnp.asarray(scale, sums.dtype)).reshape(sizes[:-1])
        each = each.transpose(*batch, *rows)
        found = found / each.reshape(*each.shape, *(1 for _ in range(columns)))
        return found if weights is left else found.transpose(order)

    return lambda *inputs: attend(*_in_order(m, inputs))


def _in_order(m: Match, inputs: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """The exponentials, the values and the sums, from what ``inputs_of`` names."""
    if m.root.operands[0] is m.values:
        values, exponentials, sums = inputs
    else:
        exponentials, sums, values = inputs
    return exponentials, values, sums


def _is_softmax(m: Match) -> str | None:
    """Whether exponentials are divided by their own sums along the last axis."""
    exponentials, sums = m.exponentials, m.sums
    if exponentials.producer is None or exponentials.producer.name != "exp":
        return "what is divided is no exponential"
    if sums.producer is None or sums.producer.name != "reduce_sum":
        return "it is divided by no sum"
    last = len(shape(exponentials)) - 1
    if sums.producer.operands[0] is not exponentials or integers(sums.producer, "axes") != (last,):
        return "it is divided by another sum than its own along the last axis"
    return None if shape(exponentials)[last] else "there is nothing to sum up"


def _is_bounded(m: Match) -> str | None:
    """Whether the largest element was taken away, so that no exponential is above one."""
    assert m.exponentials.producer is not None
    difference = m.exponentials.producer.operands[0].producer
    if difference is None or difference.name != "sub":
        return "the exponentials may be large"
    x, limit = difference.operands
    return None if _is_maximum_of(limit, x) else "what is taken away is not the largest element"


def _is_maximum_of(value: Value, x: Value) -> bool:
    """Whether every element is at least the maximum of its own row of ``x``, the last axis."""
    sizes = shape(x)
    if shape(value) == (*sizes[:-1], 1):
        return _are_maxima(value, x)
    op = value.producer
    if op is None or shape(value) != sizes:
        return False
    if op.name == "broadcast_in_dim":
        return _repeats_rows(op) and _are_maxima(op.operands[0], x)
    return op.name in _KEEP and any(_is_maximum_of(operand, x) for operand in op.operands)


def _repeats_rows(op: Operation) -> bool:
    """Whether a broadcast repeats each of its elements along the last axis, and along no other."""
    (source,), sizes = op.operands, shape(op.result)
    dims = integers(op, "broadcast_dimensions")
    kept = dict(zip(dims, shape(source), strict=True))
    return [kept.get(dim, 1) for dim in range(len(sizes))] == [*sizes[:-1], 1]


def _are_maxima(value: Value, x: Value) -> bool:
    """Whether a value has an element for each row of ``x``, in order, at least its maximum."""
    op = value.producer
    if op is None or product(shape(value)) != product(shape(x)[:-1]):
        return False
    if op.name == "reduce_max":
        (source,) = op.operands
        is_of_rows = integers(op, "axes") == (len(shape(source)) - 1,)
        return is_of_rows and _same_rows(source) is _same_rows(x)
    return op.name in _KEEP and any(_are_maxima(operand, x) for operand in op.operands)


def _same_rows(value: Value) -> Value:
    """The value whose rows these are, in their order, before it was given another shape."""
    while (op := value.producer) is not None and op.name == "reshape":
        if shape(op.operands[0])[-1:] != shape(value)[-1:]:
            break
        value = op.operands[0]
    return value


def _has_exponents(m: Match) -> str | None:
    """Whether a power of two may be taken from every number that matters."""
    kinds = {number_type(m.values), number_type(m.exponentials)}
    return "a power of two takes bits from small half-precision numbers" if _HALF in kinds else None


def _is_summed_along_rows(m: Match) -> str | None:
    """Whether the product sums along the axis of the softmax."""
    if m.values in (m.exponentials, m.sums):
        return "the values are the exponentials themselves"
    weights = _weights(m)
    if shape(weights)[-1:] != shape(m.exponentials)[-1:]:
        return "the weights are taken apart otherwise"
    place = 0 if weights is m.root.operands[0] else 1
    summed, _ = dot_dimensions(m.root)
    return None if summed[place] == (len(shape(weights)) - 1,) else "it sums along another axis"


def _is_large(m: Match) -> str | None:
    count = product(shape(_weights(m)))
    if count < MIN_WEIGHTS:
        return "there are few weights"
    return None if count >= product(shape(m.root.result)) else "the product is the larger one"


def _softmax() -> Pattern:
    divided = op.div(_exponentials, op.broadcast_in_dim(_sums))
    return divided | op.reshape(divided)


def _attention(q: Any, k: Any, v: Any) -> Any:
    weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k), -1)
    return jnp.einsum("bhst,bthd->bshd", weights, v)


def _in_one_head(q: Any, k: Any, v: Any) -> Any:
    return jax.nn.softmax(q @ k.T, -1) @ v


def _in_halves(x: Any, v: Any) -> Any:
    e = jnp.exp(x - jnp.max(x, -1, keepdims=True))
    sums = lax.reduce(e, np.float16(0), lax.add, (1,))
    return (e / sums[:, None]) @ v


def _across(x: Any, v: Any) -> Any:
    return lax.dot_general(jax.nn.softmax(x, -1), v, (((0,), (0,)), ((), ())))


def _unbounded(x: Any, v: Any) -> Any:
    return (jnp.exp(x) / jnp.sum(jnp.exp(x), -1, keepdims=True)) @ v


def _bounded_otherwise(x: Any, v: Any) -> Any:
    e = jnp.exp(x - jnp.max(x, 0))
    return (e / jnp.sum(e, -1, keepdims=True)) @ v


def _grouped(q: Any, k: Any, v: Any) -> Any:
    weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k)[None], -1)
    return jnp.einsum("bhst,bthd->bshd", weights.reshape(weights.shape[1:]), v)


_exponentials, _sums, _values = var("exponentials", FLOAT), var("sums", FLOAT), var("values", FLOAT)

KERNELS: Final = (
    Kernel(
        name="softmax-divided-after",
        law="softmax(x) @ v = (e @ v) / sum(e), where e = exp(x - max(x)) lies between 0 and 1",
        pattern=op.dot_general(_softmax(), _values) | op.dot_general(_values, _softmax()),
        form=_divided_after,
        numerics=Numerics.ROUNDING,
        guards=(_is_softmax, _is_bounded, _is_summed_along_rows, _has_exponents),
        pays=_is_large,
        examples=(
            example(_attention, "f32[2,a,b,c]", "f32[2,d,b,c]", "f32[2,d,b,e]"),
            example(_in_one_head, "f32[a,b]", "f32[c,b]", "f32[c,d]"),
            example(_grouped, "f32[2,a,b,c]", "f32[2,d,b,c]", "f32[2,d,b,e]"),
            example(lambda x: jax.nn.softmax(x, -1) @ jnp.ones((x.shape[-1],)), "f32[a,b]"),
        ),
        rejects=(
            example(lambda x, v: jax.nn.softmax(x, 0) @ v, "f32[a,b]", "f32[b,c]"),
            example(_across, "f32[a,b]", "f32[a,c]"),
            example(_unbounded, "f32[a,b]", "f32[b,c]"),
            example(_bounded_otherwise, "f32[a,b]", "f32[b,c]"),
            example(_in_halves, "f16[a,b]", "f16[b,c]"),
            example(lambda x, v: (x / jnp.sum(x, -1, keepdims=True)) @ v, "f32[a,b]", "f32[b,c]"),
        ),
        evidence=(
            Evidence(example(_attention, *3 * ("f32[8,256,8,64]",)), 4.9),
            Evidence(example(_attention, *3 * ("f32[1,1024,8,64]",)), 1.6),
            Evidence(example(_attention, *3 * ("f32[8,128,4,32]",)), 2.4),
        ),
    ),
)
