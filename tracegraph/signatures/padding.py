"""Arrays made longer with zeros, and cut back, outside compiled code.

On the CPU this happens in numpy, so that a new size compiles nothing. On other devices arrays stay
where they are, and each size compiles one small pad and one small slice.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from compiler.lowering import jax_compat

Shape = tuple[int, ...]


def pad_to(array: Any, shape: Shape) -> Any:
    """The array, or number, with zeros after its end, on the device where it was."""
    if np.shape(array) == shape:
        return array
    if jax_compat.is_extended_dtype(array.dtype):
        return _with_key_data(array, shape, pad_to)
    if not _on_host(array):
        widths = [(0, new - old) for old, new in zip(array.shape, shape, strict=True)]
        return jnp.pad(array, widths)
    longer = np.zeros(shape, array.dtype)
    longer[tuple(map(slice, array.shape))] = array
    return _back(longer, array)


def cut_to(array: Any, shape: Shape) -> Any:
    """The first elements of the array along each dimension, on the device where it was."""
    if tuple(array.shape) == shape:
        return array
    if jax_compat.is_extended_dtype(array.dtype):
        return _with_key_data(array, shape, cut_to)
    if not _on_host(array):
        return jax.lax.slice(array, [0] * len(shape), shape)
    cut = np.asarray(array)[tuple(map(slice, shape))]
    return _back(cut, array) if array.committed else jax.device_put(cut)


def _with_key_data(keys: Any, shape: Shape, change: Any) -> Any:
    data = jax.random.key_data(keys)
    changed = change(data, (*shape, *data.shape[keys.ndim :]))
    return jax.random.wrap_key_data(jnp.asarray(changed), impl=jax.random.key_impl(keys))


def _on_host(array: Any) -> bool:
    """Whether numpy sees the array without a copy between devices."""
    if not isinstance(array, jax.Array):
        return True
    if array.weak_type or len(array.sharding.device_set) != 1:
        return False
    return next(iter(array.sharding.device_set)).platform == "cpu"


def _back(array: Any, like: Any) -> Any:
    """The numpy array on the device of another, where that was put there on purpose."""
    if isinstance(like, jax.Array) and like.committed:
        return jax.device_put(array, like.sharding)
    return array
