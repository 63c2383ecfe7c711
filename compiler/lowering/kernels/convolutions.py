"""Convolutions in groups, depthwise ones above all.

XLA's library for the CPU is fast where there is one group. Zeros that pad an image or lie in its
holes count as factors here as they do there: an infinite weight gives nan on them.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.convolution_forms import convolve, kernel_of, plain
from compiler.lowering.kernels.convolution_guards import (
    both,
    is_in_groups,
    is_no_padded_element,
    is_not_empty,
    work,
)
from compiler.lowering.kernels.convolution_terms import (
    Convolution,
    already,
    convolution_of,
    met,
)
from compiler.lowering.kernels.fences import apart
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.lowering.kernels.offsets import offsets
from compiler.rewrite.match import Match
from compiler.rewrite.rule import example

MANY: Final = 4
"""A group of more features has work enough for a convolution of its own."""

MAX_TAPS: Final = 64
"""More multiplications in one expression take too long to compile."""

MAX_GROUPS: Final = 128
"""More convolutions take too long to compile. In a loop XLA takes gradients of convolutions element
by element, and leaves out zeros that it multiplies elsewhere."""


def shifted(c: Convolution, x: Any, w: Any) -> Any:
    """The sum over the window of the shifted image times one row of weights; x is padded.

    Args:
        c: the numbers.
        x: (batch, space, feature).
        w: (space, feature).
    """
    total: Any = None
    for tap in np.ndindex(*c.window):
        starts = [i * n for i, n in zip(tap, c.dilation, strict=True)]
        term = met(x, starts, c.strides, c.out) * w[tap]
        total = term if total is None else total + term
    return total


def spread(x: Any, feature: int, groups: int, times: int) -> Any:
    """One feature of each group, each as often as there are results of the group."""
    own = x[..., feature :: x.shape[-1] // groups]
    return own if times == 1 else jnp.repeat(own, times, axis=-1)


def _by_taps(m: Match) -> Callable[..., Any]:
    """Sums whose images are in memory: else each term computes its own again."""
    c = convolution_of(m.root)
    times = c.out_features // c.groups

    def kernel(*operands: Any) -> Any:
        x, w = (value.astype(c.wide) for value in (operands[0], operands[-1]))
        x, w = c.image(x), c.weights(w)
        total: Any = None
        for i in range(c.per_group):
            image = lax.optimization_barrier(c.filled(spread(x, i, c.groups, times)))
            term = shifted(c, image, w[..., i, :])
            total = term if total is None else total + term
        return c.result(apart(total))

    return kernel


def _by_groups(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)
    each = c.inner()

    def kernel(*operands: Any) -> Any:
        x, w = c.filled(c.image(operands[0]), already(c, each)), c.weights(operands[-1])
        return c.result(over_groups(lambda a, b: plain(each, a, b), c.groups, x, w))

    return kernel


def over_groups(function: Callable[..., Any], groups: int, *operands: Any) -> Any:
    """What a function gives for each group of the last dimension of its operands, joined."""
    split = [value.reshape(*value.shape[:-1], groups, -1) for value in operands]

    def of_group(i: Any) -> Any:
        return function(*(lax.dynamic_index_in_dim(v, i, v.ndim - 2, False) for v in split))

    return jnp.concatenate([of_group(i) for i in offsets(range(groups))], axis=-1)


def has_few_groups(m: Match) -> str | None:
    """Whether there may be a convolution for each group."""
    c = convolution_of(m.root)
    groups = max(c.groups, c.batch_groups)
    return None if groups <= MAX_GROUPS else f"there are {groups} groups"


def _has_few_taps(m: Match) -> str | None:
    c = convolution_of(m.root)
    if c.per_group > MANY:
        return f"a group has {c.per_group} features"
    taps = product(c.window) * c.per_group
    return None if taps <= MAX_TAPS else f"there are {taps} terms in a sum"


def _is_worth_a_copy(m: Match) -> str | None:
    """Whether there is work enough for each element that is copied."""
    c = convolution_of(m.root)
    if set(c.holes) != {1}:
        return "the holes would be copied too"
    return work(1_000_000 * product(c.strides) ** 2)(m)


def _has_big_groups(m: Match) -> str | None:
    count = convolution_of(m.root).per_group
    return None if count > MANY else f"a group has {count} features only"


def _grouped(groups: int, stride: int = 1, **others: Any) -> Any:
    return lambda x, w: convolve(x, w, stride, feature_group_count=groups, **others)


_EMPTY: Final = example(lambda x, w: convolve(x, w), "f32[0,4,4,2]", "f32[3,3,2,4]")
_PADDED_ELEMENT: Final = example(
    _grouped(2, padding=((0, 1), (2, 0))), "f32[2,4,4,2]", "f32[1,1,1,2]"
)
_ORDINARY: Final = example(lambda x, w: convolve(x, w), "f32[2,4,4,2]", "f32[3,3,2,4]")
_NCHW: Final[Any] = {"layouts": ("NCHW", "OIHW", "NCHW")}


KERNELS: Final = (
    kernel_of(
        "grouped-convolution-by-taps",
        _by_taps,
        example(_grouped(3), "f32[n,6,5,3]", "f32[3,3,1,3]"),
        example(_grouped(2, 2), "f32[n,6,5,2]", "f32[3,2,1,4]"),
        example(_grouped(2), "f32[n,6,5,4]", "f32[3,3,2,6]"),
        example(_grouped(3, **_NCHW), "f32[n,3,6,5]", "f32[3,1,3,3]"),
        example(
            _grouped(2, lhs_dilation=(2, 2), padding=((1, 2), (0, 1))),
            "f32[n,4,4,2]",
            "f32[3,3,1,2]",
        ),
        law="a depthwise convolution is a sum of shifted images, each times one row of weights",
        guards=(is_not_empty, is_in_groups, is_no_padded_element),
        pays=both(_has_few_taps, work(10_000)),
        rejects=(_EMPTY, _ORDINARY, _PADDED_ELEMENT),
        evidence=(
            Evidence(example(_grouped(128), "f32[8,32,32,128]", "f32[3,3,1,128]"), 24.0),
            Evidence(example(_grouped(32), "f32[8,32,32,128]", "f32[3,3,4,128]"), 6.0),
        ),
    ),
    kernel_of(
        "grouped-convolution-by-groups",
        _by_groups,
        example(_grouped(2), "f32[n,5,4,4]", "f32[3,3,2,6]"),
        example(_grouped(3), "f32[n,5,4,6]", "f32[3,3,2,3]"),
        example(_grouped(9, 2), "f32[n,5,4,9]", "f32[3,3,1,9]"),
        example(_grouped(9), "f32[n,7,9]", "f32[3,1,9]"),
        law="a convolution in groups is a convolution of each, one after the other",
        guards=(is_not_empty, is_in_groups, is_no_padded_element),
        pays=both(_has_big_groups, has_few_groups, _is_worth_a_copy),
        rejects=(_EMPTY, _ORDINARY, _PADDED_ELEMENT),
        evidence=(Evidence(example(_grouped(4), "f32[8,32,32,128]", "f32[3,3,32,128]"), 7.2),),
    ),
)
