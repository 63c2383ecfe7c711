"""Arguments to run a graph on: drawn from nothing, or moved away from given ones.

The same seed gives the same arguments in every process.
"""

# jax and ml_dtypes annotate their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Value
from compiler.ir.types import ArrayType, ExtendedDType
from compiler.lowering.compare import components
from compiler.lowering.on_host import device_array

LARGEST_INTEGER: Final = 9
"""Random integers stay small, so that they may serve as labels and indices."""

FEW_ULPS: Final = 4
RELATIVE: Final = 1e-2
EDGE_SHARE: Final = 0.2
"""The share of elements that become an edge value; at least one does."""

_KEY_IMPLEMENTATIONS: Final = ("threefry2x32", "rbg", "unsafe_rbg")

Move = Callable[[Array, np.random.Generator], Array]
"""Gives a floating-point array of the same type with other numbers."""


def random_arguments(graph: Graph, seed: int) -> list[Any]:
    """A value for each parameter, captured ones too, drawn from its name, its type and the seed.

    Floats are drawn from the standard normal distribution, integers from 0 to 9. The other
    parameters have no part in it, so dropping one changes nothing for the rest.

    Raises:
        TracegraphError: no value of a parameter's type can be made.
    """
    return [_random(value, seed) for value in graph.parameters]


def few_ulps(array: Array, rng: np.random.Generator) -> Array:
    """Each number but zero moved by up to four steps, each to the next one of its type."""
    steps = rng.integers(-FEW_ULPS, FEW_ULPS + 1, array.shape)
    if array.dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        return _stepped(array, steps)
    scale = 1.0 + steps * float(ml_dtypes.finfo(array.dtype).eps)
    return _scaled(array, scale)


def one_percent(array: Array, rng: np.random.Generator) -> Array:
    """Each number scaled by up to one percent, up or down."""
    return _scaled(array, 1.0 + rng.uniform(-RELATIVE, RELATIVE, array.shape))


def edge_values(array: Array, rng: np.random.Generator) -> Array:
    """Some numbers replaced by nan, an infinity or a negative zero, if the type has them."""
    if not array.size:
        return array
    count = max(1, int(EDGE_SHARE * array.size))
    places = rng.choice(array.size, count, replace=False)
    with np.errstate(all="ignore"):
        edges = np.array([np.nan, np.inf, -np.inf, -0.0]).astype(array.dtype)
    result = array.reshape(-1).copy()
    result[places] = edges[rng.integers(0, len(edges), count)]
    return result.reshape(array.shape)


def few_numbers(value: Any, *, negative_zeros: bool = True) -> Any:
    """An argument of the same type made of few distinct numbers near zero: many are equal.

    Booleans and random keys come back as they are.

    Args:
        value: the argument, of random numbers.
        negative_zeros: whether some of the zeros may be negative, if the type has them.
    """
    if value.dtype == np.bool_ or not jnp.issubdtype(value.dtype, np.number):
        return value
    array = np.asarray(value)
    if not jnp.issubdtype(array.dtype, np.integer):
        parts = np.rint(components(array).astype(np.float64))
        rounded = parts if negative_zeros else parts + 0.0  # which makes a negative zero positive
        few = rounded.astype(components(array).dtype)
        return device_array(np.ascontiguousarray(few).view(array.dtype).reshape(array.shape))
    wide = array.astype(np.int64)
    is_signed = jnp.issubdtype(array.dtype, np.signedinteger)
    return device_array((wide % 4 - 1 if is_signed else wide % 3).astype(array.dtype))


def moved(value: Any, move: Move, rng: np.random.Generator) -> Any:
    """An argument of the same type, kind and place with its floating-point numbers moved.

    Whatever is not made of floating-point numbers comes back as it is: integers, booleans, random
    keys, references, and arrays that are not all on this host.
    """
    if isinstance(value, float | complex) and not isinstance(value, np.generic):
        return type(value)(_moved_array(np.asarray(device_array(value)), move, rng)[()])
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        return value
    if not jnp.issubdtype(value.dtype, np.inexact):
        return value
    if not isinstance(value, jax.Array):
        return _moved_array(np.asarray(device_array(value)), move, rng)  # in JAX's precision
    if not value.is_fully_addressable or (value.weak_type and value.ndim):
        return value  # no public way makes another array of a weak type
    array = _moved_array(np.asarray(value), move, rng)
    if value.weak_type:
        return array[()].item()
    return jax.device_put(array, value.sharding) if value.committed else device_array(array)


def _moved_array(array: Array, move: Move, rng: np.random.Generator) -> Array:
    parts = move(components(array), rng)
    return np.ascontiguousarray(parts).view(array.dtype).reshape(array.shape)


def _stepped(array: Array, steps: Array) -> Array:
    result = array.copy()
    for step in range(1, FEW_ULPS + 1):
        direction = np.where(steps > 0, np.inf, -np.inf).astype(array.dtype)
        with np.errstate(all="ignore"):
            further = np.nextafter(result, direction)
        wanted = (np.abs(steps) >= step) & (array != 0)
        wanted &= np.isfinite(array) & np.isfinite(further)
        result = np.where(wanted, further, result)
    return result


def _scaled(array: Array, factors: Array) -> Array:
    with np.errstate(all="ignore"):
        scaled = (array.astype(np.float64) * factors).astype(array.dtype)
        keeps = np.isfinite(scaled.astype(np.float64))
    return np.where(keeps, scaled, array)


def _random(value: Value, seed: int) -> Any:
    type = value.type
    rng = np.random.default_rng((seed, zlib.crc32(f"{value.hint} {type}".encode())))
    if not isinstance(type, ArrayType) or not type.is_static:
        raise _no_value(value)
    shape = tuple(dim for dim in type.shape if isinstance(dim, int))
    if isinstance(type.dtype, ExtendedDType):
        return _keys(value, shape, int(rng.integers(2**31)))
    if type.dtype.fields is not None:  # float0: there is but one value
        return np.zeros(shape, type.dtype)
    return device_array(_numbers(rng, shape, type.dtype))


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if jnp.issubdtype(dtype, np.integer):
        largest = min(LARGEST_INTEGER, int(ml_dtypes.iinfo(dtype).max))
        return rng.integers(0, largest + 1, shape).astype(dtype)
    numbers = np.asarray(rng.standard_normal(shape))
    if jnp.issubdtype(dtype, np.complexfloating):
        numbers = numbers + 1j * rng.standard_normal(shape)
    with np.errstate(all="ignore"):
        return numbers.astype(dtype)


def _keys(value: Value, shape: tuple[int, ...], seed: int) -> Any:
    name = value.type.dtype.name if isinstance(value.type, ArrayType) else ""
    for implementation in _KEY_IMPLEMENTATIONS:
        key = jax.random.key(seed, impl=implementation)
        if str(key.dtype) == name:
            return jax.random.split(key, shape) if shape else key
    raise _no_value(value)


def _no_value(value: Value) -> TracegraphError:
    return TracegraphError(
        f"no value can be made for the parameter %{value.hint or value.index}",
        expected="an array of numbers or of random keys, of known shape",
        found=str(value.type),
        hint="drop the parameter, or write a type that numbers have",
    )
