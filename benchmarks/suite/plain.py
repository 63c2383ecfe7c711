"""Programs without any pattern to improve: they must not get slower."""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.models import lstm_of_a_sum
from benchmarks.suite.workload import Array, Call, Workload, normal


def _chain() -> Call:
    return Call(
        lambda x, y: jnp.tanh(x) * y + jnp.exp(-(y**2)),
        (normal(0, 1024, 1024), normal(1, 1024, 1024)),
    )


def _matrix_product() -> Call:
    return Call(lambda a, b: jnp.tanh(a @ b), (normal(0, 1024, 1024), normal(1, 1024, 1024)))


def _softmax() -> Call:
    return Call(lambda x: jax.nn.softmax(x, -1), (normal(0, 512, 4096),))


def _layer_norm() -> Call:
    def norm(x: Array) -> Array:
        centered = x - x.mean(-1, keepdims=True)
        return centered * lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5)

    return Call(norm, (normal(0, 4096, 512),))


def _gather() -> Call:
    places = jax.random.randint(jax.random.key(1), (4096,), 0, 8192)
    return Call(lambda x, i: x[i] + 1.0, (normal(0, 8192, 64), places))


def _loop() -> Call:
    def run(x: Array) -> Array:
        return lax.while_loop(lambda s: s[1] < 100, lambda s: (jnp.cos(s[0]), s[1] + 1), (x, 0))[0]

    return Call(run, (normal(0, 64, 64),))


def _tiny() -> Call:
    return Call(lambda x, y: x * y + 1.0, (normal(0, 8), normal(1, 8)))


def _gates_of_a_sum() -> Call:
    weights = tuple(normal(i, 128, 512, scale=0.1) for i in (1, 2))
    return Call(lstm_of_a_sum, (weights, normal(0, 64, 16, 128)))


PLAIN: Final = (
    Workload("elementwise chain", _chain),
    Workload("matrix product", _matrix_product),
    Workload("softmax", _softmax),
    Workload("layer norm", _layer_norm),
    Workload("gather of rows", _gather),
    Workload("while loop", _loop),
    Workload("tiny program", _tiny),
    Workload("LSTM, gates cut out of a sum", _gates_of_a_sum),
)
