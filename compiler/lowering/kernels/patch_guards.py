"""Which convolutions are of patches, and for which of them products are faster."""

from __future__ import annotations

from typing import Final

from compiler.lowering.kernels.convolution_libraries import is_for_eigen, is_for_ynnpack
from compiler.lowering.kernels.convolution_terms import convolution_of
from compiler.lowering.kernels.kernel import product
from compiler.rewrite.match import Match

COLOURS: Final = 3
"""Of an image with more features XLA's convolutions of patches are as fast."""

MAX_RESULTS: Final = 32
"""Where more features come out, the library is as fast."""

SMALL_WINDOW: Final = 16
"""Eigen is as fast for windows of more elements."""

MAX_FEATURES: Final = 15
"""Of fewer features than these the gradient by the image pays for smaller windows, too."""

LARGE_WINDOW: Final = 64
"""The gradient by the image pays for windows of so many elements, whatever the features are."""

LEAST_WINDOW: Final = 16
"""And for windows of so many elements, where the image has few features."""


def has_patches(m: Match) -> str | None:
    """Whether the stride is the size of the window."""
    c = convolution_of(m.root)
    plain = {*c.holes, *c.dilation} == {1} and not any(map(any, c.padding))
    return None if plain and c.strides == c.window else "the windows are no patches"


def is_gradient_of_patches(m: Match) -> str | None:
    """Whether each place of the result meets one element of each patch."""
    c = convolution_of(m.root)
    is_plain = {*c.holes, *c.strides} == {1} and all(lo == 0 >= hi for lo, hi in c.padding)
    fits = all(n * p <= size for n, p, size in zip(c.window, c.out, c.sizes, strict=True))
    return None if is_plain and fits and c.dilation == c.out else "the windows are no patches"


def is_image_gradient_of_patches(m: Match) -> str | None:
    """Whether one element of the window meets the image, wherever it is.

    In three dimensions XLA multiplies the zeros of holes, which an infinite weight makes nan.
    """
    c = convolution_of(m.root)
    if c.rank > 2:
        return f"there are {c.rank} dimensions"
    is_plain = {*c.strides, *c.dilation} == {1} and c.holes == c.window
    full = tuple((n - 1, n - 1) for n in c.window)
    return None if is_plain and c.padding == full else "the windows are no patches"


def has_elements(m: Match) -> str | None:
    """Whether window and result have more than one element; others are products already."""
    c = convolution_of(m.root)
    return None if product(c.window) > 1 < product(c.out) else "there is one element"


def is_slow_in_its_library(m: Match) -> str | None:
    """Whether the library to which XLA gives it computes it slowly.

    Eigen those of few features and small windows; YNNPACK those of three features that become more
    than Eigen gets, up to 32.
    """
    c = convolution_of(m.root)
    found = f"{c.features} features become {c.out_features}"
    if c.features > COLOURS or c.out_features > MAX_RESULTS:
        return found
    if is_for_ynnpack(c) is None:
        return None if c.features == COLOURS else found
    elements = product(c.window)
    return None if elements <= SMALL_WINDOW else f"the window has {elements} elements"


def is_in_no_library(m: Match) -> str | None:
    """Whether XLA's own libraries would not compute it as fast."""
    c = convolution_of(m.root)
    is_fast = is_for_ynnpack(c) is None and is_for_eigen(c) is None
    return "a library is as fast" if is_fast else None


def has_small_patches(m: Match) -> str | None:
    """Whether what a gradient by the window gives has few elements for each pair of features."""
    found = product(convolution_of(m.root).out)
    return None if found <= SMALL_WINDOW else f"the window has {found} elements"


def has_large_window(m: Match) -> str | None:
    """Whether a gradient by the image has a window for which a product is faster."""
    c = convolution_of(m.root)
    least = LEAST_WINDOW if c.out_features <= MAX_FEATURES else LARGE_WINDOW
    found = product(c.window)
    return None if found >= least else f"the window has {found} elements"
