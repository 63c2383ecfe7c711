"""What the machine can do: the best matrix product and the best stream of memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import jax
import numpy as np

_SIZE: Final = 2048
_STREAM: Final = 1 << 25


def limits() -> tuple[float, float]:
    """FLOP/s of a product of two 2048 x 2048 matrices, and bytes/s of ``a + 2 * b``, both f32."""
    return _product(), _triad()


def _product() -> float:
    a = np.random.default_rng(0).standard_normal((_SIZE, _SIZE)).astype(np.float32)
    b = jax.numpy.asarray(a)
    multiply = jax.jit(lambda x: x @ x)
    return 2 * _SIZE**3 / min(_best(lambda: a @ a), _best(lambda: multiply(b)))


def _triad() -> float:
    a, b = jax.numpy.ones(_STREAM), jax.numpy.ones(_STREAM)
    add = jax.jit(lambda x, y: x + 2 * y)
    return 3 * 4 * _STREAM / _best(lambda: add(a, b))


def _best(call: Callable[[], Any]) -> float:
    jax.block_until_ready(call())
    found: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return min(found)
