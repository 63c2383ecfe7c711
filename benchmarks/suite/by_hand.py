"""What somebody would write instead, who knows where plain jit leaves time on a CPU.

Each has the arguments and the results of its workload's function, written with JAX alone. Adam is
the exception: it keeps what it is given and what it gives as flat vectors, from call to call.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from benchmarks.suite.workload import Array
from compiler.lowering.jax_compat import with_64_bit_types

_BLOCK: Final = 64
_MAGNITUDE: Final = np.int32(0x7FFFFFFF)


def product_with_vector_first(a: Array, b: Array, v: Array) -> Array:
    """The product with the vector before that of the matrices."""
    return a @ (b @ v)


def cumsum_by_triangles(x: Array) -> Array:
    """Sums within blocks by a product with a triangle of ones, then the sums of the blocks."""
    blocks = x.reshape(x.shape[0], -1, _BLOCK)
    within = blocks @ jnp.triu(jnp.ones((_BLOCK, _BLOCK), x.dtype))
    before = jnp.cumsum(within[..., -1], 1) - within[..., -1]
    return (within + before[..., None]).reshape(x.shape)


def argmax_by_max(x: Array) -> Array:
    """The least place that holds the maximum or a nan, which is a maximum too."""
    is_found = (x == x.max(-1, keepdims=True)) | jnp.isnan(x)
    places = lax.broadcasted_iota(np.int32, x.shape, 1)
    return jnp.where(is_found, places, x.shape[1] - 1).min(-1)


def sort_by_integers(x: Array) -> Array:
    """Floats as integers in the same order, for rows without nans and negative zeros."""
    ordered = lax.sort(_folded(lax.bitcast_convert_type(x, np.int32)), is_stable=False)
    return lax.bitcast_convert_type(_folded(ordered), x.dtype)


def argsort_by_packing(x: Array) -> Array:
    """The number in the upper half of an integer, its place in the lower one."""
    order = _folded(lax.bitcast_convert_type(x, np.int32))
    with with_64_bit_types():
        upper = lax.shift_left(order.astype(np.int64), np.int64(32))
        packed = lax.bitwise_or(upper, lax.broadcasted_iota(np.int64, x.shape, 1))
        return lax.sort(packed, is_stable=False).astype(np.int32)


def depthwise_by_shifts(x: Array, w: Array) -> Array:
    """Nine shifted images, each times one row of weights."""
    padded = lax.optimization_barrier(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    height, width = x.shape[1:3]
    shifts = [(i, j) for i in range(3) for j in range(3)]
    terms = [padded[:, i : i + height, j : j + width] * w[i, j, 0] for i, j in shifts]
    return reduce(jnp.add, terms)


def pool_gradient_by_places(x: Array) -> tuple[Array]:
    """The gradient of a 2x2 max pool's squares: each window gives to its first maximum."""
    batch, height, width, features = x.shape
    windows = x.reshape(batch, height // 2, 2, width // 2, 2, features)
    places = [windows[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]
    top = jnp.maximum(jnp.maximum(places[0], places[1]), jnp.maximum(places[2], places[3]))
    is_taken = jnp.zeros(top.shape, bool)
    shares: list[Array] = []
    for place in places:
        is_first = (place == top) & ~is_taken
        is_taken = is_taken | is_first
        shares.append(jnp.where(is_first, 2 * top, 0))
    rows = [jnp.stack(shares[:2], 3), jnp.stack(shares[2:], 3)]
    return (jnp.stack(rows, 2).reshape(x.shape),)


def attention_by_head(q: Array, k: Array, v: Array) -> Array:
    """Heads beside the batch before the products, and back behind them."""
    q, k, v = (one.transpose(0, 2, 1, 3) for one in (q, k, v))
    scores = q @ k.transpose(0, 1, 3, 2) / q.shape[-1] ** 0.5
    return (jax.nn.softmax(scores, -1) @ v).transpose(0, 2, 1, 3)


def gelu_gradient_in_matrices(params: list[Array], x: Array) -> tuple[Array, list[Array]]:
    """The activations as one matrix, so that every product is of two matrices."""

    def loss(params: list[Array], x: Array) -> Array:
        x = x.reshape(-1, x.shape[-1])
        for up in params:
            x = x + jax.nn.gelu(x @ up) @ up.T
        return (x**2).mean()

    return jax.value_and_grad(loss)(params, x)


def flat(tree: Any) -> Any:
    """A tree in which each dictionary of leaves is one vector."""

    def is_table(value: Any) -> bool:
        return isinstance(value, dict)

    return jax.tree.map(lambda v: ravel_pytree(v)[0] if is_table(v) else v, tree, is_leaf=is_table)


def _folded(bits: Array) -> Array:
    """Integers in the order of the numbers that have these bits; twice, the bits."""
    return bits ^ ((bits >> 31) & _MAGNITUDE)
