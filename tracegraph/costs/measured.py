"""This machine's CPU, measured: a matrix product and a pass over memory, once in a process."""

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
_LONG: Final = 1 << 24
"""Elements of the pass: 64 MB, more than most caches hold."""

_ROUNDS: Final = 10
"""The fastest of so many counts: a machine has other work, too."""


@functools.cache
def this_cpu() -> DeviceSpec:
    """What this CPU was measured to do with f32, by XLA; other element types are taken as f32."""
    with jax.default_device(jax.devices("cpu")[0]):
        square = jnp.full((_SIDE, _SIDE), 1 / _SIDE, jnp.float32)  # its powers are itself
        long = jnp.ones(_LONG, jnp.float32)
        nbytes = long.nbytes
        product = _fastest(jax.jit(functools.partial(jnp.matmul, square)), square)
        # In place: a new array costs page faults, which are not the memory's own speed.
        passed = _fastest(jax.jit(jnp.negative, donate_argnums=0), long)
    peaks = {"f32": 2 * _SIDE**3 / product}
    bandwidth = 2 * nbytes / passed
    source = "measured in this process: a matrix product and a pass over 64 MB, in f32"
    return DeviceSpec("this CPU", MappingProxyType(peaks), bandwidth, source)


def _fastest(function: Callable[[Any], Any], start: Any) -> float:
    """The seconds of the fastest call, each on what the one before gave.

    The first, which compiles, does not count.
    """
    value = jax.block_until_ready(function(start))
    spent: list[float] = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        value = jax.block_until_ready(function(value))
        spent.append(time.perf_counter() - began)
    return min(spent)
