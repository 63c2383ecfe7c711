"""Convolutions in three dimensions, and of images smaller than the window.

XLA's libraries for the CPU are fast where there are two dimensions at most and the window fits into
the image. XLA exchanges image and window where the window is the larger one, which leads to a loop
over single numbers.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Final, cast

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.convolution_forms import convolve, kernel_of, plain
from compiler.lowering.kernels.convolution_guards import (
    MAX_DOTS,
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
    met,
)
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.lowering.kernels.windows import every
from compiler.rewrite.match import Match
from compiler.rewrite.rule import example

MAX_DEPTH: Final = 8
"""More slices take too long to compile."""

MAX_STORED: Final = 8 << 20
"""Bytes that the slices, or what each of them gives, may take at once."""


def _by_depth(m: Match) -> Callable[..., Any]:
    """In one of three forms, the one that stores the least; where all store much, part by part."""
    c = convolution_of(m.root)
    flat = c.inner(1)
    copied, added = _stored(c, c.sizes, c.features), _stored(c, c.out, c.out_features)
    if min(copied, added) > MAX_STORED:
        form = _slice_by_slice
    else:
        form = _side_by_side if copied < added else _added_up

    def kernel(*operands: Any) -> Any:
        x, w = c.filled(c.image(operands[0]), already(c, flat)), c.weights(operands[-1])
        return c.result(form(c, flat, x, w))

    return kernel


def _stored(c: Convolution, sizes: Sequence[int], features: int) -> int:
    """Bytes of a flat image of all results, for each slice of the window."""
    count = c.batch * c.window[0] * c.out[0] * product(sizes[1:]) * features
    return c.wide.itemsize * count


def _added_up(c: Convolution, flat: Convolution, x: Any, w: Any) -> Any:
    """A convolution for each slice of the window, all of them stored and added."""
    terms = [plain(flat, _flat(part), w[i]) for i, part in enumerate(_met_in_depth(c, x))]
    return _deep(c, reduce(lax.add, terms))


def _side_by_side(c: Convolution, flat: Convolution, x: Any, w: Any) -> Any:
    """One convolution of all slices that a window meets, their features side by side."""
    images = _flat(jnp.concatenate(_met_in_depth(c, x), -1))
    return _deep(c, plain(flat, images, _side_by_side_weights(c, w)))


def _slice_by_slice(c: Convolution, flat: Convolution, x: Any, w: Any) -> Any:
    """The same for one slice of the result after the other."""
    depth, weights = (c.window[0] - 1) * c.dilation[0] + 1, _side_by_side_weights(c, w)

    def step(i: Any, joined: Any) -> Any:
        n, place = i // c.out[0], i % c.out[0]
        start = (n, place * c.strides[0], 0, 0, 0)
        slices = lax.dynamic_slice(
            x, start, (1, depth, *x.shape[2:]), allow_negative_indices=False
        )[:, :: c.dilation[0]]
        image = jnp.moveaxis(slices, 1, -2).reshape(1, *x.shape[2:-1], -1)
        found = plain(flat, image, weights)
        return lax.dynamic_update_slice(
            joined, found[:, None], (n, place, 0, 0, 0), allow_negative_indices=False
        )

    joined = jnp.zeros((c.batch, *c.out, c.out_features), c.wide)
    return lax.fori_loop(0, c.batch * c.out[0], step, joined)


def _met_in_depth(c: Convolution, x: Any) -> list[Any]:
    """For each slice of the window the slices of the image that it meets."""
    starts = [i * c.dilation[0] for i in range(c.window[0])]
    return [every(x, 1, start, c.strides[0], c.out[0]) for start in starts]


def _side_by_side_weights(c: Convolution, w: Any) -> Any:
    return jnp.moveaxis(w, 0, -3).reshape(*c.window[1:], -1, c.out_features)


def _flat(x: Any) -> Any:
    return x.reshape(-1, *x.shape[2:])


def _deep(c: Convolution, y: Any) -> Any:
    return y.reshape(c.batch, c.out[0], *y.shape[1:])


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
    return None if taps <= MAX_DOTS else f"the window has {taps} elements"


def _is_flat(m: Match) -> str | None:
    c = convolution_of(m.root)
    is_flat = c.window[0] <= min(MAX_DEPTH, c.out[0])
    return None if is_flat else f"the window is {c.window[0]} deep"


_GROUPED: Final = example(
    lambda x, w: convolve(x, w, feature_group_count=2), "f32[2,4,4,4]", "f32[3,3,2,4]"
)
_ORDINARY: Final = example(lambda x, w: convolve(x, w), "f32[2,4,4,2]", "f32[3,3,2,4]")


KERNELS: Final = (
    kernel_of(
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
    kernel_of(
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
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[2,16,32,32,3]", "f32[3,3,3,3,16]"), 9.1
            ),
            Evidence(
                example(lambda x, w: convolve(x, w), "f32[1,16,64,64,32]", "f32[3,3,3,32,32]"), 4.0
            ),
        ),
    ),
)
