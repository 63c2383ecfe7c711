"""This machine's CPU, measured: a matrix product and a copy, once in a process."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import jax
import jax.numpy as jnp

from tracegraph.costs.devices import DeviceSpec

_SIDE: Final = 1024
_COPIED: Final = 1 << 24
"""Elements of the copy: 64 MB, more than caches hold."""

_ROUNDS: Final = 4


@functools.cache
def this_cpu() -> DeviceSpec:
    """What this CPU was measured to do with f32, by XLA; other element types are taken as f32."""
    with jax.default_device(jax.devices("cpu")[0]):
        square = jnp.ones((_SIDE, _SIDE), jnp.float32)
        long = jnp.ones(_COPIED, jnp.float32)
        product = _fastest(jax.jit(jnp.matmul), square, square)
        copy = _fastest(jax.jit(jnp.negative), long)
    peaks = {"f32": 2 * _SIDE**3 / product}
    bandwidth = 2 * long.nbytes / copy
    source = "measured in this process: a matrix product and a pass over 64 MB, in f32"
    return DeviceSpec("this CPU", MappingProxyType(peaks), bandwidth, source)


def _fastest(function: Callable[..., Any], *args: Any) -> float:
    """The seconds of the fastest call; the first, which compiles, does not count."""
    jax.block_until_ready(function(*args))
    spent: list[float] = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(function(*args))
        spent.append(time.perf_counter() - start)
    return min(spent)
