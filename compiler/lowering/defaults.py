"""Parameters that are None: graph texts leave them out, and JAX insists on them.

Which parameters a primitive takes differs between versions of JAX, so the names are learned from
the installed one, by tracing a small program that uses the primitives which have such parameters.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from compiler.lowering import jax_compat


@cache
def none_parameters() -> dict[str, frozenset[str]]:
    """The names of the parameters that are usually None, by primitive."""
    found: dict[str, frozenset[str]] = {}
    with jax_compat.own_settings():
        x = jax.ShapeDtypeStruct((4, 4), jnp.float32)
        for sample in (_elementwise, _shapes, _products, _indexing, _loops):
            _collect(jax.make_jaxpr(sample)(x), found)
    return found


def _collect(jaxpr: Any, found: dict[str, frozenset[str]]) -> None:
    for equation in jax_compat.split_jaxpr(jaxpr).equations:
        names = frozenset(name for name, value in equation.params.items() if value is None)
        known = found.setdefault(equation.primitive.name, names)
        found[equation.primitive.name] = known | names
        for value in equation.params.values():
            if jax_compat.is_jaxpr(value):
                _collect(value, found)


def _elementwise(x: jax.Array) -> Any:
    unary = (
        jnp.exp, jnp.exp2, jnp.expm1, jnp.log, jnp.log1p, jnp.sin, jnp.cos, jnp.tan, jnp.tanh,
        jnp.sqrt, jnp.cbrt, lax.rsqrt, lax.logistic, lax.erf, lax.neg,
    )  # fmt: skip
    binary = (lax.add, lax.sub, lax.mul, lax.div, lax.max, lax.min, lax.pow, lax.rem)
    whole = x.astype(jnp.int32)
    integer = (lax.add, lax.mul, lax.shift_left, lax.bitwise_and)
    return (
        [f(x) for f in unary],
        [f(x, x) for f in binary],
        [f(whole, whole) for f in integer],
        jnp.where(x > 0, x, -x),
        lax.integer_pow(x, 3),
    )


def _shapes(x: jax.Array) -> Any:
    return (
        jnp.broadcast_to(x, (2, 4, 4)),
        lax.reshape(x, (16,)),
        lax.iota(jnp.int32, 4) + 1,
        lax.slice(x, (0, 0), (2, 2)),
        lax.pad(x, x[0, 0], ((1, 1, 0), (0, 0, 0))),
        lax.concatenate([x, x], 0),
        lax.split(x, (2, 2), 0),
        jnp.transpose(x),
        jnp.squeeze(x[None], 0),
    )


def _products(x: jax.Array) -> Any:
    image = jnp.zeros((1, 4, 4, 1))
    kernel = jnp.zeros((3, 3, 1, 1))
    reductions = (jnp.sum, jnp.max, jnp.min, jnp.prod, jnp.argmax, jnp.argmin)
    return (
        x @ x,
        lax.dot_general(x, x, (((1,), (0,)), ((), ()))),
        lax.conv_general_dilated(
            image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        [f(x, axis=0) for f in reductions],
        jnp.cumsum(x, 0),
        jnp.sort(x, 0),
    )


def _indexing(x: jax.Array) -> Any:
    index = jnp.argmax(x[0])
    rows = jnp.array([0, 2])
    return x[index], x[rows], x.at[rows].set(0.0), x.at[rows].add(1.0), x.at[index].set(1.0)


def _loops(x: jax.Array) -> Any:
    return (
        lax.scan(lambda c, a: (c + a, c), x[0], x),
        lax.while_loop(lambda c: c[0, 0] < 0, lambda c: c + 1, x),
        lax.cond(x[0, 0] > 0, lambda c: c, lambda c: -c, x),
        jax.checkpoint(lambda c: c + 1)(x),
    )
