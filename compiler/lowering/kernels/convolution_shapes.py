"""Convolutions in three dimensions, and of images smaller than the window.

XLA's library for the CPU is fast where there are two dimensions at most and the window fits into
the image. It exchanges image and window where the window is the larger one, which leads to a loop
over single numbers.
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

from compiler.lowering.kernels.convolution_guards import (
    both,
    fits_in,
    has_depth,
    is_in_one_group,
    is_larger,
    is_not_empty,
    work,
)
from compiler.lowering.kernels.convolution_terms import (
    Convolution,
    Span,
    already,
    convolution_of,
    convolve,
    met,
    plain,
)
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example, example

MAX_TAPS: Final = 32
"""More dots take too long to compile."""

MAX_DEPTH: Final = 8
"""More slices take too long to compile."""


def _by_depth(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    flat = c.inner(1)

    def kernel(*operands: Any) -> Any:
        x, w = c.filled(c.image(operands[0]), already(c, flat)), c.weights(operands[-1])
        total: Any = None
        for i in range(c.window[0]):
            first = i * c.dilation[0]
            last = first + (c.out[0] - 1) * c.strides[0]
            slices = x[:, first : last + 1 : c.strides[0]]
            term = plain(flat, slices.reshape(-1, *slices.shape[2:]), w[i])
            total = term if total is None else total + term
        return c.result(total.reshape(x.shape[0], c.out[0], *total.shape[1:]))

    return kernel


def _by_dots(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        x, w = c.image(operands[0]), c.weights(operands[-1])
        total: Any = jnp.zeros((c.batch, *c.out, c.out_features), c.wide)
        for tap in np.ndindex(*c.window):
            spans = c.spans(tap)
            if all(spans):
                total += _placed(c, x, w[tap], cast("list[Span]", spans))
        return c.result(total)

    return kernel


def _placed(c: Convolution, x: Any, w: Any, spans: Sequence[Span]) -> Any:
    """What one element of the window adds, at the places that it adds to, zeros elsewhere."""
    elements = met(x, *([getattr(s, name) for s in spans] for name in ("start", "stride", "count")))
    added = lax.dot_general(elements, w, (((c.rank + 1,), (0,)), ((), ())), **c.precision)
    sides = [(s.first, n - 1 - s.last, s.step - 1) for s, n in zip(spans, c.out, strict=True)]
    return lax.pad(added, jnp.zeros((), added.dtype), [(0, 0, 0), *sides, (0, 0, 0)])


def _is_short(m: Match) -> str | None:
    taps = product(convolution_of(m.root).window)
    return None if taps <= MAX_TAPS else f"the window has {taps} elements"


def _is_flat(m: Match) -> str | None:
    c = convolution_of(m.root)
    is_flat = c.window[0] <= min(MAX_DEPTH, c.out[0])
    return None if is_flat else f"the window is {c.window[0]} deep"


_GROUPED: Final = example(
    lambda x, w: convolve(x, w, feature_group_count=2), "f32[2,4,4,4]", "f32[3,3,2,4]"
)
_ORDINARY: Final = example(lambda x, w: convolve(x, w), "f32[2,4,4,2]", "f32[3,3,2,4]")


def _kernel(name: str, form: Any, *programs: Example, **others: Any) -> Kernel:
    return Kernel(
        name=name,
        form=form,
        pattern=op.conv_general_dilated(var("x", FLOAT), var("w", FLOAT)),
        numerics=Numerics.ROUNDING,
        examples=programs,
        **others,
    )


KERNELS: Final = (
    _kernel(
        "small-image-by-dots",
        _by_dots,
        example(lambda x, w: convolve(x, w), "f32[n,2,2,c]", "f32[3,3,c,k]"),
        example(
            lambda x, w: convolve(x, w, padding=((2, 2),) * 2, lhs_dilation=(2, 2)),
            "f32[n,2,2,c]",
            "f32[3,3,c,k]",
        ),
        law="a convolution is a sum of dots, each of the elements that one of the window meets",
        guards=(is_not_empty, is_in_one_group, is_larger),
        pays=both(_is_short, work(500_000)),
        rejects=(
            example(lambda x, w: convolve(x, w), "f32[0,2,2,2]", "f32[3,3,2,4]"),
            _GROUPED,
            _ORDINARY,
        ),
        evidence=(
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[8,2,2,512]", "f32[3,3,512,512]"), 60.0
            ),
        ),
    ),
    _kernel(
        "convolution-by-depth",
        _by_depth,
        example(lambda x, w: convolve(x, w), "f32[n,4,5,6,2]", "f32[3,3,3,2,3]"),
        example(lambda x, w: convolve(x, w, 2), "f32[n,5,5,6,2]", "f32[3,3,3,2,3]"),
        law="a convolution in three dimensions is a sum of convolutions of slices",
        guards=(is_not_empty, is_in_one_group, has_depth, fits_in),
        pays=both(_is_flat, work(50_000)),
        rejects=(
            example(lambda x, w: convolve(x, w), "f32[0,4,4,4,2]", "f32[3,3,3,2,4]"),
            _GROUPED,
            _ORDINARY,
            example(lambda x, w: convolve(x, w), "f32[1,2,2,2,2]", "f32[3,3,3,2,4]"),
        ),
        evidence=(
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[2,16,32,32,16]", "f32[3,3,3,16,16]"), 5.0
            ),
        ),
    ),
)
