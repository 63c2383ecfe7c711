"""Which of XLA's libraries for the CPU computes a convolution, and which is the faster one.

There are two, Eigen and YNNPACK. Since jaxlib 0.10 XLA gives the second one all that it can take,
which in 0.10 is slower for most large convolutions, up to 30 times for gradients. It takes none of
an image with holes. So an image gets holes that no element of the window meets: the numbers are
those of the convolution without them, and Eigen adds them up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from compiler.lowering.kernels.convolution_terms import Convolution
from compiler.lowering.kernels.kernel import is_between, product

SINCE: Final = (0, 10, 2)
UNTIL: Final = (0, 11)
"""The first jaxlib in which YNNPACK is no longer the slower one."""

MOST_OF_EIGEN: Final = 16
"""So many features, of image and result, are too few for XLA to call YNNPACK."""

_LEAST_FEATURES: Final = 16
_LEAST_BATCH: Final = 8
"""The least features of the image where the window is itself an image, of a batch in a gradient."""

LARGE_WINDOW: Final = 64
"""The window of a gradient, which is an image, has more elements."""

_LEAST_RESULTS: Final = 24
_LEAST_WORK: Final = 10_000_000


def is_inside(c: Convolution) -> str | None:
    """Whether the image has no holes, and neither the window nor the result is larger."""
    if set(c.holes) != {1}:
        return "the image has holes"
    sizes = zip(c.out, c.window, c.sizes, strict=True)
    is_less = all(max(out, window) <= size for out, window, size in sizes)
    return None if is_less else "the result or the window is larger than the image"


def is_for_ynnpack(c: Convolution) -> str | None:
    """Whether XLA gives a convolution of 32-bit numbers without groups to YNNPACK."""
    if c.rank != 2:
        return f"there are {c.rank} dimensions"
    if max(c.features, c.out_features) <= MOST_OF_EIGEN:
        return "there are few features"
    return is_inside(c)


def is_for_eigen(c: Convolution) -> str | None:
    """Whether Eigen is the faster one."""
    least = _LEAST_BATCH if product(c.window) > LARGE_WINDOW else _LEAST_FEATURES
    if c.features < least or c.out_features < _LEAST_RESULTS:
        return f"{c.features} features become {c.out_features}"
    found = c.multiplications
    return None if found >= _LEAST_WORK else f"there are {found} multiplications only"


def over_holes(c: Convolution) -> Convolution:
    """The same convolution of an image with a hole after each row, which nothing meets."""

    def doubled(values: tuple[int, ...]) -> tuple[int, ...]:
        return (2 * values[0], *values[1:])

    (low, high), *others = c.padding
    return replace(
        c,
        strides=doubled(c.strides),
        padding=((2 * low, 2 * high), *others),
        holes=doubled(c.holes),
        dilation=doubled(c.dilation),
    )


def in_its_library(c: Convolution, x: Any, w: Any, dims: Any) -> Convolution:
    """A convolution without groups in the form that is the fastest.

    Args:
        c: its numbers by dimension; the image may be padded since, or one of many parts.
        x: the image as it is now.
        w: the window as it is now.
        dims: JAX's ``ConvDimensionNumbers`` of both.
    """
    (batch, _, *space), (out, inner, *_) = dims.lhs_spec, dims.rhs_spec
    actual = replace(
        c,
        sizes=tuple(x.shape[d] for d in space),
        batch=x.shape[batch],
        features=w.shape[inner],
        out_features=w.shape[out],
        groups=1,
        batch_groups=1,
    )
    is_single = {np.dtype(value.dtype) for value in (x, w)} == {np.dtype(np.float32)}
    is_slow = is_for_ynnpack(actual) is None and is_for_eigen(actual) is None
    return over_holes(c) if is_single and is_slow and is_between(SINCE, UNTIL) else c
