"""Convolutions without groups, in the library that is the fastest for them.

Those that XLA gives to YNNPACK and whose window is one element are products of matrices, at which
it is faster. For the others see ``convolution_libraries``.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jax import lax

from compiler.lowering.kernels.convolution_forms import (
    as_given,
    convolve,
    gradient_of,
    kernel_of,
)
from compiler.lowering.kernels.convolution_guards import (
    both,
    is_in_one_group,
    is_not_empty,
    is_not_reduced,
    work,
)
from compiler.lowering.kernels.convolution_libraries import (
    LARGE_WINDOW,
    SINCE,
    UNTIL,
    is_for_eigen,
    is_for_ynnpack,
    is_inside,
    over_holes,
)
from compiler.lowering.kernels.convolution_terms import Convolution, convolution_of, met
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.ops.parameters import number_type
from compiler.rewrite.match import Match
from compiler.rewrite.rule import Guard, example

LEAST_FEATURES: Final = 24
LEAST_WORK: Final = 20_000_000
"""Smaller convolutions are as fast in YNNPACK, or nearly so."""


def _by_one_dot(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        x = met(c.image(operands[0]), (0,) * c.rank, c.strides, c.out)
        w = c.weights(operands[-1]).reshape(c.features, c.out_features)
        return c.result(lax.dot_general(x, w, (((c.rank + 1,), (0,)), ((), ())), **c.precision))

    return kernel


def _over_holes(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    spaced, dims = over_holes(c), lax.ConvDimensionNumbers(*c.specs)
    return lambda *operands: as_given(spaced, operands[0], operands[-1], dims).astype(c.dtype)


def _is_of_one_element(m: Match) -> str | None:
    """Whether the window is one element, and all that it meets is the image."""
    c = convolution_of(m.root)
    if any(map(any, c.padding)) or set(c.holes) != {1}:
        return "there is padding, or there are holes"
    elements = product(c.window)
    return None if elements == 1 else f"the window has {elements} elements"


def _has_features_last(m: Match) -> str | None:
    """Whether image and result are rows of features, as a product has them."""
    c = convolution_of(m.root)
    rows = (0, c.rank + 1, *range(1, c.rank + 1))
    return None if c.specs[0] == c.specs[2] == rows else "the features are not the last"


def _is_worth_it(m: Match) -> str | None:
    """Whether there is enough to do; of a gradient, whose window is large, there is."""
    c = convolution_of(m.root)
    if product(c.window) > LARGE_WINDOW:
        return None
    if c.features < LEAST_FEATURES:
        return f"there are {c.features} features"
    return work(LEAST_WORK)(m) or is_not_reduced(m)


def _is_single(m: Match) -> str | None:
    """Whether all numbers are of 32 bits."""
    names = {number_type(value).name for value in (*m.root.operands, m.root.result)}
    return None if names == {"float32"} else "the elements are " + ", ".join(sorted(names))


def _asked(question: Callable[[Convolution], str | None]) -> Guard:
    return lambda m: question(convolution_of(m.root))


_PADDED: Final = ((0, 1), (0, 1))
_GROUPED: Final = example(
    lambda x, w: convolve(x, w, feature_group_count=2), "f32[2,4,4,4]", "f32[3,3,2,4]"
)
_EMPTY: Final = example(lambda x, w: convolve(x, w), "f32[0,4,4,2]", "f32[3,3,2,4]")
_TRANSPOSED: Final = example(
    lambda x, w: convolve(x, w, padding=_PADDED, lhs_dilation=(2, 2)),
    "f32[2,4,4,2]",
    "f32[3,3,2,4]",
)

KERNELS: Final = (
    kernel_of(
        "pointwise-convolution-by-dot",
        _by_one_dot,
        example(lambda x, w: convolve(x, w), "f32[n,4,5,c]", "f32[1,1,c,k]"),
        example(lambda x, w: convolve(x, w, 2, "VALID"), "f32[n,5,4,c]", "f32[1,1,c,k]"),
        example(lambda x, w: convolve(x, w), "f32[n,7,c]", "f32[1,c,k]"),
        law="a convolution whose window is one element is a product of the features",
        guards=(is_not_empty, is_in_one_group, _is_of_one_element),
        pays=both(_is_single, _asked(is_for_ynnpack), _has_features_last, work(3_000_000)),
        since=SINCE,
        rejects=(
            _EMPTY,
            _GROUPED,
            example(lambda x, w: convolve(x, w), "f32[2,4,4,2]", "f32[3,3,2,4]"),
            example(lambda x, w: convolve(x, w, padding=_PADDED), "f32[2,4,4,2]", "f32[1,1,2,4]"),
        ),
        evidence=(
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[8,28,28,64]", "f32[1,1,64,128]"), 1.8
            ),
        ),
    ),
    kernel_of(
        "convolution-over-holes",
        _over_holes,
        example(lambda x, w: convolve(x, w), "f32[n,4,5,c]", "f32[3,2,c,k]"),
        example(lambda x, w: convolve(x, w, 2, "VALID"), "f32[n,6,5,c]", "f32[3,2,c,k]"),
        example(gradient_of("3,3,2,3"), "f32[n,4,5,2]", "f32[n,4,5,3]"),
        law="an image with holes that no element of the window meets has the same convolution",
        guards=(is_not_empty, is_in_one_group, _asked(is_inside)),
        pays=both(
            _is_single,
            _asked(is_for_ynnpack),
            _asked(is_for_eigen),
            _is_worth_it,
        ),
        since=SINCE,
        until=UNTIL,
        rejects=(
            _EMPTY,
            _GROUPED,
            example(lambda x, w: convolve(x, w), "f32[2,2,2,2]", "f32[3,3,2,4]"),
            _TRANSPOSED,
        ),
        evidence=(
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[8,28,28,64]", "f32[3,3,64,64]"), 1.8
            ),
            Evidence(
                example(
                    lambda x, w: convolve(x, w, padding="VALID"),
                    "f32[32,34,34,32]",
                    "f32[3,3,32,32]",
                ),
                6.4,
            ),
            Evidence(
                example(gradient_of("3,3,32,64"), "f32[32,28,28,32]", "f32[32,28,28,64]"), 20.0
            ),
        ),
    ),
)
