"""Fingerprints of arrays: their bits, and what tells them apart from others of the same bits."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import jax
import jax.core
import numpy as np

from tracegraph.warm.digester import (
    Digester,
    UnfingerprintableError,
    add_kind,
    is_library_class,
)


def is_plain_array(value: Any) -> bool:
    """Whether an array is all that its elements, shape and type say: no mask, no matrix."""
    if isinstance(value, jax.Array):
        return True
    own = isinstance(value, np.generic) and is_library_class(type(value))
    return own or type(value) is np.ndarray


def add_array(digester: Digester, value: Any, path: str) -> None:
    """Adds a plain array: its class, type, shape, placement and elements."""
    if isinstance(value, jax.core.Tracer):
        raise UnfingerprintableError(f"{path} is a value of a running trace")
    add_kind(digester, value, path)
    if isinstance(value, jax.Array):
        value = _without_placement(digester, value, path)
    array = _on_host(value, path)
    if array.dtype.hasobject:
        raise UnfingerprintableError(f"{path} is an array of Python objects")
    digester.mark("array", f"{array.dtype.str} {array.dtype.name} {array.shape}")
    if array.dtype.names or array.dtype.metadata:  # neither text says how fields are called
        digester.add(array.dtype, f"the type of {path}")
    digester.mark("weak", getattr(value, "weak_type", False))
    digester.hash.update(np.ascontiguousarray(array).tobytes())


def _without_placement(digester: Digester, value: jax.Array, path: str) -> jax.Array:
    """Adds where an array has to stay; the numbers of a random key in place of the key."""
    digester.mark("committed", value.committed)
    if value.committed:
        digester.add(value.sharding, f"the sharding of {path}")
    if jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        digester.mark("key", str(value.dtype))
        return jax.random.key_data(value)
    return value


def _on_host(value: Any, path: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except Exception as error:  # it was donated, or lies in part on other machines
        raise UnfingerprintableError(f"{path} cannot be read: {error}") from None
