"""Gradients by the window of convolutions in groups, depthwise ones above all.

XLA's library has no form for groups of the batch: XLA computes what every group gives with every
other's weights, and multiplies most of it by zero. So an infinite cotangent of one group gives nan
in the others, here as there.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

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
    both,
    is_larger,
    is_not_empty,
    of_type,
    work,
)
from compiler.lowering.kernels.convolution_terms import Convolution, already, convolution_of
from compiler.lowering.kernels.convolutions import MANY, has_few_groups, over_groups, spread
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.rewrite.match import Match
from compiler.rewrite.rule import example

MAX_PLACES: Final = 64
"""For more places of the window the loop's step takes too long to compile."""


def _by_rows(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    groups = c.batch_groups
    times, each = c.out_features // groups, c.batch // groups

    def kernel(*operands: Any) -> Any:
        x, w = (value.astype(c.wide) for value in (operands[0], operands[-1]))
        x, w = c.activations(x), c.cotangents(w)
        sums = [_row_sums(c, c.filled(spread(x, i, groups, times)), w) for i in range(each)]
        return c.gradient(_as_xla_has_it(c, jnp.stack(sums, axis=-2), w))

    return kernel


def _row_sums(c: Convolution, x: Any, w: Any) -> Any:
    """The sums over batch and space of shifted images times cotangents, feature by feature.

    A step of the loop takes a row of the cotangents and the rows of the image that it meets, so
    that they stay in the cache for all places of the window.
    """
    if c.rank == 1:
        x, w = x[:, None], w[:, None]
    rows = w.shape[1]
    near, far = ((1,) * (2 - c.rank) + n for n in (c.dilation, c.strides))
    high, wide = (1,) * (2 - c.rank) + c.out
    height, width = (high - 1) * far[0] + 1, (w.shape[2] - 1) * near[1] + 1

    def step(carry: Any, place: Any) -> Any:
        n, row = place // rows, place % rows
        cotangent = lax.dynamic_slice(
            w, (n, row, 0, 0), (1, 1, *w.shape[2:]), allow_negative_indices=False
        )
        image = lax.dynamic_slice(
            x, (n, row * near[0], 0, 0), (1, height, *x.shape[2:]), allow_negative_indices=False
        )
        parts = [
            image[:, :: far[0], j * far[1] : j * far[1] + width : near[1]] for j in range(wide)
        ]
        return [s + jnp.sum(p * cotangent, (0, 2)) for s, p in zip(carry, parts, strict=True)], None

    start = [jnp.zeros((high, w.shape[-1]), c.wide)] * wide
    sums, _ = lax.scan(step, start, jnp.arange(w.shape[0] * rows))
    return jnp.stack(sums, axis=1).reshape(*c.out, -1)


def _as_xla_has_it(c: Convolution, y: Any, w: Any) -> Any:
    """The gradient with nan where XLA multiplies a cotangent of another group by zero."""
    groups = c.batch_groups
    if _is_depthwise(c):
        return y
    zeros = jnp.sum(w.reshape(-1, groups, c.out_features // groups) * 0, axis=0)
    is_bad = jnp.isnan(zeros).astype(np.int32)
    others = jnp.sum(is_bad, axis=0) - is_bad
    return jnp.where(others.reshape(-1) > 0, jnp.nan, y)


def _by_groups(m: Match) -> Callable[..., Any]:
    """Group by group; the image is padded before, so that its zeros are multiplied."""
    c = convolution_of(m.root)
    each = replace(c.inner(), padding=((0, 0),) * c.rank)

    def kernel(*operands: Any) -> Any:
        x, w = c.filled(c.activations(operands[0]), already(c, each)), c.cotangents(operands[-1])
        found = over_groups(lambda a, b: plain_gradient(each, a, b), c.batch_groups, x, w)
        return c.gradient(_as_xla_has_it(c, found, w))

    return kernel


def _is_of_groups(m: Match) -> str | None:
    """Whether it is the gradient of a convolution in groups."""
    c = convolution_of(m.root)
    return None if c.batch_groups > 1 else "the batch is not in groups"


def _has_no_holes(m: Match) -> str | None:
    """Whether the image has no holes."""
    c = convolution_of(m.root)
    return None if set(c.holes) == {1} else "the image has holes"


def _is_flat(m: Match) -> str | None:
    """Whether there is a loop over rows for it."""
    rank = convolution_of(m.root).rank
    return None if rank <= 2 else f"there are {rank} dimensions"


def _multiplies_zeros(m: Match) -> str | None:
    """Whether XLA multiplies the zeros of the padding.

    It makes a dimension of the groups, but for depthwise convolutions, and does so for three. Where
    there are more cotangents than elements of the image, it exchanges the two and leaves them out.
    """
    c = convolution_of(m.root)
    if is_larger(m) is None and any(map(any, c.padding)):
        return "there are more cotangents than elements of the image"
    is_known = c.rank == 2 or _is_depthwise(c)
    return None if is_known else f"there are {c.rank} dimensions and one more of groups"


def _is_depthwise(c: Convolution) -> bool:
    return c.batch_groups == c.batch == c.out_features


def _has_small_groups(m: Match) -> str | None:
    c = convolution_of(m.root)
    count = c.batch // c.batch_groups
    if count > MANY:
        return f"a group has {count} features"
    return _has_few_places(m)


def _has_few_places(m: Match) -> str | None:
    c = convolution_of(m.root)
    places = product(c.out)
    return None if places <= MAX_PLACES else f"the gradient has {places} places"


_EMPTY: Final = example(lambda x, w: convolve(x, w), "f32[0,4,4,2]", "f32[3,3,2,4]")
_TWO: Final[Any] = {"feature_group_count": 2}
_HOLES: Final[Any] = {"lhs_dilation": (2, 2), "padding": ((2, 2), (2, 2))}
_MORE: Final[Any] = {"padding": ((0, 1), (1, 0))}
_GROUP_REJECTS: Final = (
    _EMPTY,
    example(gradient_of("3,3,2,4"), "f32[2,4,4,2]", "f32[2,4,4,4]"),
    example(gradient_of("3,3,1,4", **_TWO, **_HOLES), "f32[2,4,4,2]", "f32[2,9,9,4]"),
    example(gradient_of("3,1,4", **_TWO), "f32[1,7,2]", "f32[1,7,4]"),
    example(gradient_of("1,1,1,2", **_TWO, **_MORE), "f32[1,4,4,2]", "f32[1,5,5,2]"),
)

KERNELS: Final = (
    kernel_of(
        "grouped-gradient-by-rows",
        _by_rows,
        example(gradient_of("3,3,1,3", feature_group_count=3), "f32[n,6,5,3]", "f32[n,6,5,3]"),
        example(gradient_of("3,2,1,4", stride=2, **_TWO), "f32[n,6,5,2]", "f32[n,3,3,4]"),
        example(gradient_of("3,3,2,6", **_TWO), "f32[n,4,5,4]", "f32[n,4,5,6]"),
        example(gradient_of("3,1,2", **_TWO), "f32[n,7,2]", "f32[n,7,2]"),
        law="row by row, the sum of a depthwise convolution's image times its cotangents",
        guards=(is_not_empty, _is_of_groups, _has_no_holes, _multiplies_zeros, _is_flat),
        pays=both(of_type("bfloat16", "float32", "float64"), _has_small_groups, work(10_000)),
        rejects=(
            *_GROUP_REJECTS,
            example(gradient_of("3,3,3,1,2", **_TWO), "f32[1,4,4,4,2]", "f32[1,4,4,4,2]"),
        ),
        evidence=(
            Evidence(
                example(
                    gradient_of("3,3,1,128", feature_group_count=128),
                    "f32[8,32,32,128]",
                    "f32[8,32,32,128]",
                ),
                8.0,
            ),
        ),
    ),
    kernel_of(
        "grouped-gradient-by-groups",
        _by_groups,
        example(gradient_of("3,3,2,6", **_TWO), "f32[n,4,5,4]", "f32[n,4,5,6]"),
        example(
            gradient_of("3,3,1,9", stride=2, feature_group_count=9), "f32[n,4,5,9]", "f32[n,2,3,9]"
        ),
        law="the gradient of a convolution in groups, group by group",
        guards=(is_not_empty, _is_of_groups, _has_no_holes, _multiplies_zeros),
        pays=both(_has_few_places, has_few_groups, work(100_000)),
        rejects=_GROUP_REJECTS,
        evidence=(
            Evidence(
                example(
                    gradient_of("3,3,32,128", feature_group_count=4),
                    "f32[8,32,32,128]",
                    "f32[8,32,32,128]",
                ),
                50.0,
            ),
        ),
    ),
)
