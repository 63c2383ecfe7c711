"""Convolutions of images with few features, such as colours, by strips of a row.

A few results beside each other are read as one of more features, and so are the elements of a row
that they are made of. XLA's libraries for the CPU are made for many features: Eigen takes no longer
for eight than for one, and with AVX-512 YNNPACK up to twenty times as long for three features that
become 17 to 32 as for three that become 64. A result's weights are zero for what only its
neighbours read, and in a sum a zero times an infinity is nan; so where the image is not finite, the
convolution is computed after all.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.lowering.kernels import processor
from compiler.lowering.kernels.convolution_forms import convolve, kernel_of, plain
from compiler.lowering.kernels.convolution_guards import (
    both,
    fits_in,
    is_in_one_group,
    is_no_padded_element,
    is_not_empty,
    of_type,
    work,
)
from compiler.lowering.kernels.convolution_libraries import (
    MOST_OF_EIGEN,
    SINCE,
    UNTIL,
    is_for_ynnpack,
)
from compiler.lowering.kernels.convolution_terms import Convolution, convolution_of
from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.rewrite.match import Match
from compiler.rewrite.rule import Guard, example

FEW: Final = 6
"""Images of more features gain little or nothing there."""

COLOURS: Final = 3
MAX_RESULTS: Final = 32
"""YNNPACK is slow for so many features that become at most so many; others it computes well."""

MOST_OF_FOUR: Final = 8
"""Four results of so many features at most make a strip, else two."""

LEAST_WORK: Final = 500_000


@dataclass(frozen=True, slots=True)
class _Strips:
    """How a row is cut into strips.

    Attributes:
        results: how many results make one.
        size: how many elements of the image make one.
        reach: how many strips of the image a strip of results is made of.
        count: how many strips of results there are.
    """

    results: int
    size: int
    reach: int
    count: int

    @classmethod
    def of(cls, c: Convolution) -> _Strips:
        """Those of the rows of a convolution."""
        results = 4 if c.out_features <= MOST_OF_FOUR else 2
        size = results * c.strides[-1]
        read = size - c.strides[-1] + c.window[-1]
        return cls(results, size, -(-read // size), -(-c.out[-1] // results))

    @property
    def of_image(self) -> int:
        """How many strips of the image there are."""
        return self.count + self.reach - 1


def _by_strips(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    strips = _Strips.of(c)

    def kernel(x: Any, w: Any) -> Any:
        x, w = c.image(x), c.weights(w)
        found = _in_strips(c, strips, x, w)
        return c.result(or_else(found, jnp.sum(x - x) != 0, lambda: _as_it_is(c, x, w)))

    return kernel


def _as_it_is(c: Convolution, x: Any, w: Any) -> Any:
    """The convolution itself, whose padding is stored: an infinite weight makes it nan.

    In a loop XLA would leave the padding out for some layouts.
    """
    whole = replace(c, padding=((0, 0),) * c.rank)
    return plain(whole, lax.optimization_barrier(c.filled(x)), w)


def _in_strips(c: Convolution, strips: _Strips, x: Any, w: Any) -> Any:
    """The result from (batch, space, feature) and (space, in, out)."""
    of_strips = replace(
        c,
        strides=(*c.strides[:-1], 1),
        padding=(*c.padding[:-1], (0, 0)),
        window=(*c.window[:-1], strips.reach),
        out=(*c.out[:-1], strips.count),
    )
    low = c.padding[-1][0]
    x = _padded(x, c.rank, low, strips.of_image * strips.size - c.sizes[-1] - low)
    x = x.reshape(*x.shape[: c.rank], strips.of_image, strips.size * c.features)
    found = plain(of_strips, x, _beside(c, strips, w))
    found = found.reshape(*found.shape[:-2], strips.count * strips.results, c.out_features)
    return lax.slice_in_dim(found, 0, c.out[-1], axis=c.rank)


def _beside(c: Convolution, strips: _Strips, w: Any) -> Any:
    """The weights of results beside each other: each one's are a stride behind those before.

    Copies that are longer by a stride, put in a row and cut into shorter ones, are such.
    """
    *outer, width, inner, out = w.shape
    axis, length = c.rank - 1, strips.reach * strips.size
    longer = length + c.strides[-1]
    copies = jnp.expand_dims(_padded(w, axis, 0, longer - width), axis)
    copies = jnp.broadcast_to(copies, (*outer, strips.results, longer, inner, out))
    row = copies.reshape(*outer, strips.results * longer, inner, out)
    row = lax.slice_in_dim(row, 0, strips.results * length, axis=axis)
    shifted = jnp.moveaxis(row.reshape(*outer, strips.results, length, inner, out), axis, -2)
    return shifted.reshape(*outer, strips.reach, strips.size * inner, strips.results * out)


def _padded(x: Any, axis: int, low: int, high: int) -> Any:
    edges = [(low, high, 0) if d == axis else (0, 0, 0) for d in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _strips_fit_in(m: Match) -> str | None:
    """Whether XLA leaves image and window as they are when they are of strips."""
    c = convolution_of(m.root)
    strips = _Strips.of(c)
    fits = product(c.window[:-1]) * strips.reach <= product(c.sizes[:-1]) * strips.of_image
    return None if fits else "the window is of more strips than the image"


def _is_whole(m: Match) -> str | None:
    """Whether neither image nor window has holes, and all of the image is read."""
    c = convolution_of(m.root)
    if {*c.holes, *c.dilation} != {1}:
        return "there are holes"
    return "the image is cropped" if min(map(min, c.padding), default=0) < 0 else None


def _is_slow_in_eigen(m: Match) -> str | None:
    """Whether so few features come out that XLA asks Eigen, and are made of few."""
    c = convolution_of(m.root)
    if c.features > FEW or c.out_features > MOST_OF_EIGEN:
        return _features(c)
    if c.strides[-1] == 1:
        return None
    is_shared = 2 * c.strides[-1] <= c.window[-1] + 1
    if c.features > 1 or c.strides[-1] > 2 or not is_shared:
        return "neighbouring results read few of the same elements"
    return None if any(map(any, c.padding)) else "Eigen need not pad"


def _is_slow_in_ynnpack(m: Match) -> str | None:
    """Whether XLA gives it to YNNPACK, which is slow for that many features with AVX-512 only."""
    if not processor.has_wide_vectors():
        return "YNNPACK is fast on this processor"
    c = convolution_of(m.root)
    if c.features == COLOURS and c.out_features <= MAX_RESULTS:
        return is_for_ynnpack(c)
    return _features(c)


def _features(c: Convolution) -> str:
    return f"{c.features} features become {c.out_features}"


def _reads_again(m: Match) -> str | None:
    """Whether neighbouring results in a plane read the same elements of a row."""
    c = convolution_of(m.root)
    if c.rank != 2:
        return f"there are {c.rank} dimensions"
    if c.out[-1] < _Strips.of(c).results:
        return f"a row has {c.out[-1]} results"
    return None if c.strides[-1] < c.window[-1] else "no two results read the same elements"


_FORWARD: Final = "f32[n,6,7,c]"
_EXAMPLES: Final = (
    example(lambda x, w: convolve(x, w), _FORWARD, "f32[3,3,c,k]"),
    example(lambda x, w: convolve(x, w, 2), _FORWARD, "f32[3,4,c,k]"),
    example(lambda x, w: convolve(x, w, 3, "VALID"), _FORWARD, "f32[2,5,c,k]"),
    example(lambda x, w: convolve(x, w, 1, ((0, 2), (3, 0))), _FORWARD, "f32[2,4,c,20]"),
    example(lambda x, w: convolve(x, w), "f32[n,7,c]", "f32[3,c,k]"),
)
_GUARDS: Final = (
    is_not_empty,
    is_in_one_group,
    _is_whole,
    fits_in,
    is_no_padded_element,
    _strips_fit_in,
)
_REJECTS: Final = (
    example(lambda x, w: convolve(x, w), "f32[1,3,4,2]", "f32[5,2,2,4]", reason="strips"),
    example(lambda x, w: convolve(x, w), "f32[0,4,4,2]", "f32[3,3,2,4]", reason="nothing"),
    example(
        lambda x, w: convolve(x, w, feature_group_count=2),
        "f32[2,4,4,4]",
        "f32[3,3,2,4]",
        reason="groups",
    ),
    example(
        lambda x, w: convolve(x, w, rhs_dilation=(1, 2)),
        "f32[2,6,6,2]",
        "f32[3,3,2,4]",
        reason="holes",
    ),
    example(
        lambda x, w: convolve(x, w, padding=((0, 0), (-1, 1))),
        "f32[2,6,6,2]",
        "f32[3,3,2,4]",
        reason="cropped",
    ),
    example(lambda x, w: convolve(x, w), "f32[2,2,2,2]", "f32[3,3,2,4]", reason="larger"),
    example(
        lambda x, w: convolve(x, w, padding=((0, 1), (0, 1))),
        "f32[2,4,4,2]",
        "f32[1,1,2,4]",
        reason="one element",
    ),
)


def _kernel(name: str, law: str, pays: Guard, *evidence: Evidence, **others: Any) -> Kernel:
    return kernel_of(
        name,
        _by_strips,
        *_EXAMPLES,
        law=law,
        guards=_GUARDS,
        pays=both(of_type("float32"), _reads_again, pays, work(LEAST_WORK)),
        rejects=_REJECTS,
        evidence=evidence,
        **others,
    )


KERNELS: Final = (
    _kernel(
        "narrow-convolution-by-strips",
        "results beside each other = one of more features, of the elements that they read",
        _is_slow_in_eigen,
        Evidence(example(lambda x, w: convolve(x, w), "f32[64,28,28,1]", "f32[3,3,1,8]"), 3.0),
        Evidence(example(lambda x, w: convolve(x, w), "f32[64,28,28,1]", "f32[5,5,1,6]"), 3.5),
        Evidence(example(lambda x, w: convolve(x, w), "f32[16,64,64,3]", "f32[3,3,3,16]"), 2.1),
        Evidence(example(lambda x, w: convolve(x, w), "f32[16,64,64,6]", "f32[3,3,6,16]"), 1.8),
        Evidence(example(lambda x, w: convolve(x, w, 2), "f32[16,64,64,1]", "f32[3,3,1,16]"), 1.4),
    ),
    _kernel(
        "colour-convolution-by-strips",
        "two results beside each other = one of more features, of the elements that they read",
        _is_slow_in_ynnpack,
        Evidence(example(lambda x, w: convolve(x, w), "f32[32,32,32,3]", "f32[3,3,3,32]"), 4.4),
        Evidence(example(lambda x, w: convolve(x, w, 2), "f32[8,96,96,3]", "f32[3,3,3,32]"), 2.1),
        Evidence(example(lambda x, w: convolve(x, w, 2), "f32[16,64,64,3]", "f32[7,7,3,24]"), 12.7),
        since=SINCE,
        until=UNTIL,
    ),
)
