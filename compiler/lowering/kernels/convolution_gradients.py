"""Gradients by the window of a convolution: sums over batch and space, one for each place in it.

They are convolutions whose window is a whole image. Where it is larger than the other image, XLA
exchanges the two, which leads to a loop over single numbers.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.convolution_forms import (
    convolve,
    gradient_of,
    kernel_of,
    plain_gradient,
)
from compiler.lowering.kernels.convolution_guards import (
    MAX_DOTS,
    both,
    fits_in,
    has_depth,
    is_in_one_group,
    is_larger,
    is_not_empty,
    meets_no_zeros,
    of_type,
    work,
)
from compiler.lowering.kernels.convolution_terms import (
    Convolution,
    Span,
    already,
    convolution_of,
    met,
)
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.rewrite.match import Match
from compiler.rewrite.rule import example


def _by_depth(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    flat = c.inner(1)

    def kernel(*operands: Any) -> Any:
        x, w = c.filled(c.activations(operands[0]), already(c, flat)), c.cotangents(operands[-1])
        w = w.reshape(-1, *w.shape[2:])
        parts: list[Any] = []
        for i in range(c.out[0]):
            first = i * c.strides[0]
            last = first + (c.window[0] - 1) * c.dilation[0]
            slices = x[:, first : last + 1 : c.dilation[0]]
            parts.append(plain_gradient(flat, slices.reshape(-1, *slices.shape[2:]), w))
        return c.gradient(jnp.stack(parts))

    return kernel


def _by_dots(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        x, w = c.activations(operands[0]), c.cotangents(operands[-1])
        taps = [_dot(c, x, w, c.spans(tap, of_window=True)) for tap in np.ndindex(*c.out)]
        return c.gradient(jnp.stack(taps).reshape(*c.out, c.batch, c.out_features))

    return kernel


def _dot(c: Convolution, x: Any, w: Any, spans: Sequence[Span | None]) -> Any:
    """The gradient at one place of the window: a dot of what meets there."""
    if not all(spans):
        return jnp.zeros((c.batch, c.out_features), c.wide)
    found = cast("list[Span]", spans)
    counts = [s.count for s in found]
    image = met(x, [s.start for s in found], [s.stride for s in found], counts)
    cotangent = met(w, [s.first for s in found], [s.step for s in found], counts)
    image, cotangent = (v.reshape(-1, v.shape[-1]) for v in (image, cotangent))
    return lax.dot_general(image, cotangent, (((0,), (0,)), ((), ())), **c.precision)


def _has_few_dots(m: Match) -> str | None:
    places = product(convolution_of(m.root).out)
    most = MAX_DOTS if is_larger(m) is None else 1
    return None if places <= most else f"the gradient has {places} places"


def _is_shallow(m: Match) -> str | None:
    c = convolution_of(m.root)
    is_shallow = c.out[0] < min(MAX_DOTS, c.window[0])
    return None if is_shallow else f"the gradient is {c.out[0]} deep"


_EMPTY: Final = example(lambda x, w: convolve(x, w), "f32[0,4,4,2]", "f32[3,3,2,4]")
_FORWARD: Final = example(lambda x, w: convolve(x, w), "f32[2,4,4,2]", "f32[3,3,2,4]")


_TWO: Final[Any] = {"feature_group_count": 2}
_HOLES: Final[Any] = {"lhs_dilation": (2, 2), "padding": ((2, 2), (2, 2))}
KERNELS: Final = (
    kernel_of(
        "gradient-by-dots",
        _by_dots,
        example(gradient_of("1,1,2,3"), "f32[n,4,5,2]", "f32[n,4,5,3]"),
        example(gradient_of("1,1,2,3", stride=2), "f32[n,4,5,2]", "f32[n,2,3,3]"),
        example(gradient_of("4,4,2,3", **_HOLES), "f32[n,4,5,2]", "f32[n,8,10,3]"),
        law="the gradient at a place of the window is a dot of what meets there",
        guards=(is_not_empty, is_in_one_group, meets_no_zeros),
        pays=both(_has_few_dots, work(2_000_000)),
        rejects=(
            _EMPTY,
            example(gradient_of("3,3,1,4", **_TWO), "f32[2,4,4,2]", "f32[2,4,4,4]"),
            _FORWARD,
        ),
        evidence=(
            Evidence(example(gradient_of("1,1,64,64"), "f32[8,32,32,64]", "f32[8,32,32,64]"), 7.4),
            Evidence(
                example(gradient_of("4,4,64,64", **_HOLES), "f32[8,16,16,64]", "f32[8,32,32,64]"),
                15.0,
            ),
        ),
    ),
    kernel_of(
        "gradient-by-depth",
        _by_depth,
        example(gradient_of("3,3,3,2,3"), "f32[n,4,5,6,2]", "f32[n,4,5,6,3]"),
        example(gradient_of("3,3,3,2,3", stride=2), "f32[n,5,5,6,2]", "f32[n,3,3,3,3]"),
        law="the gradient of a convolution in three dimensions, slice by slice of the window",
        guards=(is_not_empty, is_in_one_group, has_depth, fits_in),
        pays=both(of_type("bfloat16", "float16", "float32"), _is_shallow, work(100_000)),
        rejects=(
            _EMPTY,
            example(gradient_of("3,3,3,1,4", **_TWO), "f32[1,4,4,4,2]", "f32[1,4,4,4,4]"),
            _FORWARD,
            example(lambda x, w: convolve(x, w), "f32[1,2,2,2,2]", "f32[3,3,3,2,4]"),
        ),
        evidence=(
            Evidence(
                example(gradient_of("3,3,3,16,16"), "f32[2,16,32,32,16]", "f32[2,16,32,32,16]"), 2.6
            ),
        ),
    ),
)
