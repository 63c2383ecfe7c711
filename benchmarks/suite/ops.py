"""Single ops that plain jit does slowly on a CPU, at the sizes of the measured leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from flax import linen
from jax import lax

from benchmarks.suite import by_hand
from benchmarks.suite.workload import Array, ByHand, Call, Workload, normal


def _op(
    name: str,
    function: Callable[..., Any],
    *shapes: tuple[int, ...],
    level: str = "",
    lead: float = 0.0,
    by_hand: Callable[..., Any] | None = None,
) -> Workload:
    def make() -> Call:
        return Call(function, tuple(normal(i, *shape) for i, shape in enumerate(shapes)))

    written = None if by_hand is None else ByHand(by_hand)
    return Workload(name, make, level=level, lead=lead, by_hand=written)


def _conv(x: Array, w: Array, **options: Any) -> Array:
    strides = options.pop("strides", (1,) * (x.ndim - 2))
    layout = ("NHWC", "HWIO", "NHWC") if x.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
    padding = options.pop("padding", "SAME")
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=layout, **options)


def _grad(function: Callable[..., Array]) -> Callable[..., Any]:
    """The gradient of the sum of squares of a function, of all its arguments."""

    def gradient(*arguments: Array) -> Any:
        places = tuple(range(len(arguments)))
        return jax.grad(lambda *a: (function(*a) ** 2).sum(), places)(*arguments)

    return gradient


def _pool(window: int, stride: int) -> Callable[[Array], Array]:
    return lambda x: linen.max_pool(x, (window, window), strides=(stride, stride))


def _transposed(x: Array, w: Array) -> Array:
    return lax.conv_transpose(x, w, (2, 2), "SAME")


def _depthwise(x: Array, w: Array) -> Array:
    return _conv(x, w, feature_group_count=x.shape[-1])


def _grouped(x: Array, w: Array) -> Array:
    return _conv(x, w, feature_group_count=8)


def _random() -> Call:
    return Call(lambda key: jax.random.normal(key, (512, 512)), (jax.random.key(0),))


def _shuffle() -> Call:
    return Call(lambda key: jax.random.permutation(key, 100_000), (jax.random.key(0),))


_WIDE, _IMAGE = (512, 4096), (16, 64, 64, 32)

OPS: Final = (
    _op(
        "(A @ B) @ v, 1024",
        lambda a, b, v: (a @ b) @ v,
        *((1024, 1024), (1024, 1024), (1024,)),
        level="reassociate",
        lead=50,
        by_hand=by_hand.product_with_vector_first,
    ),
    _op(
        "cumsum (64, 8192)",
        lambda x: jnp.cumsum(x, 1),
        (64, 8192),
        lead=4.5,
        by_hand=by_hand.cumsum_by_triangles,
    ),
    _op("cumprod (1024, 1024), rows", lambda x: jnp.cumprod(x, 0), (1024, 1024)),
    _op("cummax (1024, 1024), rows", lambda x: lax.cummax(x, axis=0), (1024, 1024)),
    _op("cumlogsumexp (512, 512)", lambda x: lax.cumlogsumexp(x, axis=1), (512, 512)),
    _op(
        "argmax (512, 4096)",
        lambda x: jnp.argmax(x, -1),
        _WIDE,
        lead=3.7,
        by_hand=by_hand.argmax_by_max,
    ),
    _op(
        "sort (512, 4096)",
        lambda x: jnp.sort(x, -1),
        _WIDE,
        lead=4.0,
        by_hand=by_hand.sort_by_integers,
    ),
    _op(
        "argsort (512, 4096)",
        lambda x: jnp.argsort(x, -1),
        _WIDE,
        lead=4.8,
        by_hand=by_hand.argsort_by_packing,
    ),
    _op("median (512, 4096)", lambda x: jnp.median(x, -1), _WIDE),
    _op("top 8 of (512, 4096)", lambda x: lax.top_k(x, 8), _WIDE),
    _op("sum over leading axis (32, 256, 256)", lambda x: x.sum(0), (32, 256, 256)),
    _op("max pool 3x3/2", _pool(3, 2), _IMAGE),
    _op(
        "max pool 2x2, gradient",
        _grad(_pool(2, 2)),
        _IMAGE,
        lead=10,
        by_hand=by_hand.pool_gradient_by_places,
    ),
    _op("max pool 3x3/2, gradient", _grad(_pool(3, 2)), _IMAGE),
    _op(
        "depthwise conv 3x3",
        _depthwise,
        (8, 32, 32, 128),
        (3, 3, 1, 128),
        lead=23,
        by_hand=by_hand.depthwise_by_shifts,
    ),
    _op("depthwise conv 3x3, gradient", _grad(_depthwise), (8, 32, 32, 128), (3, 3, 1, 128)),
    _op("grouped conv 3x3", _grouped, (8, 32, 32, 128), (3, 3, 16, 128)),
    _op("grouped conv 3x3, gradient", _grad(_grouped), (8, 32, 32, 128), (3, 3, 16, 128)),
    _op("transposed conv 3x3/2, gradient", _grad(_transposed), (8, 16, 16, 64), (3, 3, 64, 64)),
    _op("conv3d 3x3x3", _conv, (2, 16, 32, 32, 16), (3, 3, 3, 16, 32)),
    _op(
        "bilinear resize",
        lambda x: jax.image.resize(x, (8, 128, 128, 16), "linear"),
        (8, 64, 64, 16),
    ),
    _op("batched solve 8x8", lambda a, b: jnp.linalg.solve(a, b), (512, 8, 8), (512, 8, 1)),
    _op("batched det 8x8", jnp.linalg.det, (512, 8, 8)),
    _op("small batched dots", lambda a, b: a @ b, (4096, 8, 8), (4096, 8, 8)),
    Workload("permutation of 100000", _shuffle),
    Workload("normal numbers (512, 512)", _random),
    _op(
        "chain with a sine",
        lambda x, y: jnp.sin(x) * y + jnp.exp(-(y**2)),
        (1024, 1024),
        (1024, 1024),
    ),
    _op("roll (2048, 2048)", lambda x: jnp.roll(x, 7, 1) * 2.0, (2048, 2048)),
)
