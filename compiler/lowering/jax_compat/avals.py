"""Abstract values: what of them JAX's public API does not say."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import jax
from jax._src import config, core, dtypes

_KEY_IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg")


def is_shaped(aval: Any) -> bool:
    """Whether the abstract value is an ordinary array (of any element type)."""
    return type(aval) is core.ShapedArray


def make_shaped(shape: tuple[Any, ...], dtype: Any, weak_type: bool) -> Any:
    """The abstract value of an array whose sharding the program does not say."""
    return core.ShapedArray(shape, dtype, weak_type)


def aval_sharding_text(aval: Any) -> str:
    """All that an array's abstract value says beyond shape, dtype and weak type; mostly nothing.

    That is the sharding over explicit mesh axes, the manual axes it varies over, the memory space
    and the layout, in the words that JAX itself uses.
    """
    plain = core.ShapedArray(aval.shape, aval.dtype, aval.weak_type)
    if aval == plain:
        return ""
    parts: list[str] = []
    for slot in ("sharding", "vma", "manual_axis_type", "memory_space", "layout"):
        value = getattr(aval, slot, None)
        if value != getattr(plain, slot, None):
            parts.append(f"{slot}={_describe(value)}")
    return " ".join(parts)


def key_dtype(name: str) -> Any:
    """The element type of PRNG keys that prints as ``name``, for example ``key<fry>``; or None."""
    for implementation in _KEY_IMPLEMENTATIONS:
        make = partial(jax.random.key, 0, impl=implementation)
        dtype = jax.eval_shape(make).dtype
        if str(dtype) == name:
            return dtype
    return None


def with_64_bit_types() -> AbstractContextManager[Any]:
    """Within it, JAX takes 64-bit types for what they are."""
    return config.enable_x64(True)


def _describe(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    return str(value)


def is_extended_dtype(value: object) -> bool:
    """Whether the value is an element type that only JAX knows, such as a PRNG key's."""
    return isinstance(value, dtypes.ExtendedDType)


def canonical_constant(value: Any) -> Any:
    """The form of an array or scalar in which a jaxpr may hold it as a constant."""
    return dtypes.canonicalize_value(value)
