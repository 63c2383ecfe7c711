"""Convolutions of images with few features, such as colours, by strips of a row.

A few results beside each other are read as one of more features, and so are the elements of a row
that they are made of. XLA's libraries for the CPU are made for many features: Eigen takes no longer
for eight than for one, and YNNPACK up to twenty times as long for three features that become 17 to
32 as for three that become 64. A result's weights are zero for what only its neighbours read, and
in a sum a zero times an infinity is nan; so where the image is not finite, the convolution is
computed after all.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

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
from compiler.lowering.kernels.convolution_libraries import SINCE, UNTIL, is_for_ynnpack
from compiler.lowering.kernels.convolution_terms import Convolution, convolution_of
from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.kernel import Evidence, Kernel, function_of
from compiler.rewrite.match import Match
from compiler.rewrite.rule import Guard, example

MOST_OF_EIGEN: Final = 16
"""So few results come out of Eigen, of which longer strips are faster."""

FEW: Final = 4
"""Images of more features gain less than 1.3 times there, and so do strides of two and more."""

COLOURS: Final = 3
MAX_RESULTS: Final = 32
"""YNNPACK is slow for so many features that become at most so many; others it computes well."""

LEAST_WORK: Final = 500_000


def _by_strips(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    original = function_of(m.root)
    count = 4 if c.out_features <= MOST_OF_EIGEN else 2

    def kernel(x: Any, w: Any) -> Any:
        found = c.result(_in_strips(c, c.image(x), c.weights(w), count))
        return or_else(found, jnp.sum(x - x) != 0, lambda: original(x, w))

    return kernel


def _in_strips(c: Convolution, x: Any, w: Any, count: int) -> Any:
    """So many results in a row at a time, from (batch, space, feature) and (space, in, out)."""
    strips = -(-c.out[-1] // count)
    along = replace(
        c,
        strides=(*c.strides[:-1], 1),
        padding=(*c.padding[:-1], (0, 0)),
        window=(*c.window[:-1], 1),
        out=(*c.out[:-1], strips),
    )
    found = plain(along, _strips(c, x, count, strips), _beside(c, w, count))
    found = found.reshape(*found.shape[:-2], strips * count, c.out_features)
    return lax.slice_in_dim(found, 0, c.out[-1], axis=c.rank)


def _strips(c: Convolution, x: Any, count: int, strips: int) -> Any:
    """The image with what the results of each strip read as one element, of more features."""
    step, length = count * c.strides[-1], (count - 1) * c.strides[-1] + c.window[-1]
    pieces = -(-length // step)
    low = c.padding[-1][0]
    edges = [(0, 0, 0)] * x.ndim
    edges[c.rank] = (low, (strips + pieces - 1) * step - c.sizes[-1] - low, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    found: list[Any] = []
    for first in range(0, length, step):
        rows = lax.slice_in_dim(x, first, first + strips * step, axis=c.rank)
        rows = rows.reshape(*x.shape[: c.rank], strips, step * c.features)
        found.append(rows[..., : min(step, length - first) * c.features])
    return jnp.concatenate(found, -1)


def _beside(c: Convolution, w: Any, count: int) -> Any:
    """The weights of results beside each other: each one's are a stride behind those before.

    Copies that are longer by a stride, put in a row and cut into shorter ones, are such.
    """
    *outer, width, inner, out = w.shape
    stride, axis = c.strides[-1], c.rank - 1
    length = (count - 1) * stride + width
    edges = [(0, 0, 0)] * w.ndim
    edges[axis] = (0, length + stride - width, 0)
    copies = jnp.expand_dims(lax.pad(w, jnp.zeros((), w.dtype), edges), axis)
    copies = jnp.broadcast_to(copies, (*outer, count, length + stride, inner, out))
    row = copies.reshape(*outer, count * (length + stride), inner, out)
    row = lax.slice_in_dim(row, 0, count * length, axis=axis)
    shifted = row.reshape(*outer, count, length, inner, out)
    return jnp.moveaxis(shifted, axis, -2).reshape(*outer, 1, length * inner, count * out)


def _is_dense(m: Match) -> str | None:
    """Whether neither the image has holes nor the window."""
    c = convolution_of(m.root)
    return None if {*c.holes, *c.dilation} == {1} else "there are holes"


def _is_slow_in_eigen(m: Match) -> str | None:
    """Whether so few features come out that XLA asks Eigen, and are made of few."""
    c = convolution_of(m.root)
    is_slow = c.features <= FEW and c.out_features <= MOST_OF_EIGEN and c.strides[-1] == 1
    return None if is_slow else _features(c)


def _is_slow_in_ynnpack(m: Match) -> str | None:
    """Whether XLA gives it to YNNPACK, which is slow for that many features."""
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
    return None if c.strides[-1] < c.window[-1] else "no two results read the same elements"


def _by_two(x: Any, w: Any) -> Any:
    return convolve(x, w, 2)


_FORWARD: Final = "f32[n,6,7,c]"
_EXAMPLES: Final = (
    example(convolve, _FORWARD, "f32[3,3,c,k]"),
    example(_by_two, _FORWARD, "f32[3,4,c,k]"),
    example(lambda x, w: convolve(x, w, 3, "VALID"), _FORWARD, "f32[2,5,c,k]"),
    example(lambda x, w: convolve(x, w, 1, ((0, 2), (3, 0))), _FORWARD, "f32[2,4,c,20]"),
    example(convolve, "f32[n,7,c]", "f32[3,c,k]"),
)
_REJECTS: Final = (
    example(convolve, "f32[0,4,4,2]", "f32[3,3,2,4]", reason="nothing"),
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
    example(convolve, "f32[2,2,2,2]", "f32[3,3,2,4]", reason="larger"),
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
        guards=(is_not_empty, is_in_one_group, _is_dense, fits_in, is_no_padded_element),
        pays=both(of_type("float32"), _reads_again, pays, work(LEAST_WORK)),
        rejects=_REJECTS,
        evidence=evidence,
        **others,
    )


KERNELS: Final = (
    _kernel(
        "narrow-convolution-by-strips",
        "four results beside each other = one of more features, of the elements that they read",
        _is_slow_in_eigen,
        Evidence(example(convolve, "f32[64,28,28,1]", "f32[3,3,1,8]"), 4.0),
        Evidence(example(convolve, "f32[64,28,28,1]", "f32[5,5,1,6]"), 3.2),
        Evidence(example(convolve, "f32[16,64,64,3]", "f32[3,3,3,16]"), 2.0),
        Evidence(example(convolve, "f32[16,64,64,4]", "f32[5,5,4,16]"), 1.3),
    ),
    _kernel(
        "colour-convolution-by-strips",
        "two results beside each other = one of more features, of the elements that they read",
        _is_slow_in_ynnpack,
        Evidence(example(convolve, "f32[32,32,32,3]", "f32[3,3,3,32]"), 3.5),
        Evidence(example(_by_two, "f32[8,96,96,3]", "f32[3,3,3,32]"), 2.0),
        Evidence(example(_by_two, "f32[16,64,64,3]", "f32[7,7,3,24]"), 8.0),
        since=SINCE,
        until=UNTIL,
    ),
)
