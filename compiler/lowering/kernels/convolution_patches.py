"""Convolutions whose windows meet every element of the image once, and their gradients.

Where the stride is the size of the window, as in the first layer of a vision transformer, an image
is rows of patches, and all three are products of matrices. XLA's CPU backend computes them as any
other convolution, the gradient by the image of a large window in a loop over single numbers, and
few colours in a library that is not made for them.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from compiler.lowering.kernels.convolution_forms import convolve, gradient_of, kernel_of
from compiler.lowering.kernels.convolution_guards import (
    both,
    is_in_one_group,
    is_not_empty,
    of_type,
    work,
)
from compiler.lowering.kernels.convolution_libraries import (
    SINCE,
    UNTIL,
)
from compiler.lowering.kernels.convolution_terms import Convolution, convolution_of
from compiler.lowering.kernels.fences import apart
from compiler.lowering.kernels.kernel import Evidence, product
from compiler.lowering.kernels.patch_guards import (
    has_elements,
    has_large_window,
    has_patches,
    has_small_patches,
    is_gradient_of_patches,
    is_image_gradient_of_patches,
    is_in_no_library,
    is_slow_in_its_library,
)
from compiler.rewrite.match import Match
from compiler.rewrite.rule import example

LEAST_WORK: Final = 500_000


def _by_patches(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        patches, w = _patches(c.image(operands[0]), c.out, c.window), c.weights(operands[-1])
        inner = [*range(2, 2 * c.rank + 1, 2), 2 * c.rank + 1]
        return c.result(apart(_dot(c, patches, w, inner, range(c.rank + 1))))

    return kernel


def _gradient(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        patches, w = _patches(c.activations(operands[0]), c.window, c.out), operands[-1]
        evens = range(2, 2 * c.rank + 1, 2)
        patches = lax.transpose(patches, (0, *(d - 1 for d in evens), *evens, 2 * c.rank + 1))
        rows = patches.reshape(-1, product(c.out) * c.batch)  # XLA's products of these are fastest
        found = _dot(c, rows, c.cotangents(w).reshape(-1, c.out_features), [0], [0])
        return c.gradient(found.reshape(*c.out, c.batch, c.out_features))

    return kernel


def _image_gradient(m: Match) -> Callable[..., Any]:
    c = convolution_of(m.root)

    def kernel(*operands: Any) -> Any:
        w = jnp.flip(c.weights(operands[-1]), range(c.rank))
        found = _dot(c, c.image(operands[0]), w, [c.rank + 1], [c.rank])
        pairs = [d for n in range(1, c.rank + 1) for d in (n, n + c.rank)]
        found = lax.transpose(found, (0, *pairs, 2 * c.rank + 1))
        return c.result(found.reshape(c.batch, *c.out, c.out_features))

    return kernel


def _dot(c: Convolution, x: Any, w: Any, of_x: Sequence[int], of_w: Sequence[int]) -> Any:
    return lax.dot_general(x, w, ((tuple(of_x), tuple(of_w)), ((), ())), **c.precision)


def _patches(x: Any, counts: Sequence[int], sizes: Sequence[int]) -> Any:
    """An image (batch, space, feature) with each dimension of space as patches and what is in one.

    What is left at the end of a dimension meets no window.
    """
    pairs = list(zip(counts, sizes, strict=True))
    ends = [count * size for count, size in pairs]
    x = lax.slice(x, (0,) * x.ndim, (x.shape[0], *ends, x.shape[-1]))
    return x.reshape(x.shape[0], *(n for pair in pairs for n in pair), x.shape[-1])


def _image_gradient_of(sizes: str) -> Callable[[Any, Any], Any]:
    """The gradient by the image, whose features are the window's third size."""
    window = tuple(map(int, sizes.split(",")))

    def gradient(w: Any, y: Any) -> Any:
        space = [n * p for n, p in zip(y.shape[1:-1], window, strict=False)]
        x = jnp.zeros((y.shape[0], *space, window[-2]), y.dtype)
        pull = jax.vjp(lambda x: convolve(x, w, window[0], "VALID"), x)[1]
        return pull(y)[0]

    return gradient


def _forward(stride: int) -> Callable[[Any, Any], Any]:
    return lambda x, w: convolve(x, w, stride, "VALID")


_TYPES: Final = of_type("bfloat16", "float16", "float32")
_GUARDS: Final = (is_not_empty, is_in_one_group, has_elements)
_REJECTS: Final = (
    example(_forward(2), "f32[0,4,4,2]", "f32[2,2,2,4]", reason="nothing"),
    example(
        lambda x, w: convolve(x, w, 2, "VALID", feature_group_count=2),
        "f32[2,4,4,4]",
        "f32[2,2,2,4]",
        reason="groups",
    ),
    example(_forward(1), "f32[2,4,4,2]", "f32[1,1,2,4]", reason="one element"),
)
_OVERLAPPING: Final = example(_forward(2), "f32[2,9,9,2]", "f32[3,3,2,4]", reason="no patches")
_PADDED: Final = example(
    lambda x, w: convolve(x, w, 2, ((0, 1), (0, 1))),
    "f32[2,4,4,2]",
    "f32[2,2,2,4]",
    reason="no patches",
)

KERNELS: Final = (
    kernel_of(
        "convolution-of-patches",
        _by_patches,
        example(_forward(2), "f32[n,4,6,c]", "f32[2,2,c,k]"),
        example(_forward(3), "f32[n,7,8,c]", "f32[3,3,c,k]"),
        example(_forward(3), "f32[n,7,c]", "f32[3,c,k]"),
        law="a convolution whose stride is the size of its window is a product of the patches",
        guards=(*_GUARDS, has_patches),
        pays=both(_TYPES, is_slow_in_its_library, work(LEAST_WORK)),
        since=SINCE,
        until=UNTIL,
        rejects=(*_REJECTS, _OVERLAPPING, _PADDED),
        evidence=(
            Evidence(example(_forward(4), "f32[16,64,64,3]", "f32[4,4,3,32]"), 4.3),
            Evidence(example(_forward(4), "f32[64,28,28,1]", "f32[4,4,1,16]"), 3.0),
        ),
    ),
    kernel_of(
        "gradient-of-patches",
        _gradient,
        example(gradient_of("2,2,2,3", stride=2, padding="VALID"), "f32[n,6,4,2]", "f32[n,3,2,3]"),
        example(gradient_of("3,3,2,3", stride=3, padding="VALID"), "f32[n,7,8,2]", "f32[n,2,2,3]"),
        example(gradient_of("3,2,3", stride=3, padding="VALID"), "f32[n,7,2]", "f32[n,2,3]"),
        law="the gradient of a product of patches by the window is a product of patches",
        guards=(*_GUARDS, is_gradient_of_patches),
        pays=both(_TYPES, is_in_no_library, has_small_patches, work(LEAST_WORK)),
        until=UNTIL,
        rejects=(
            *_REJECTS,
            example(
                gradient_of("3,3,2,3", stride=2, padding="VALID"),
                "f32[2,7,7,2]",
                "f32[2,3,3,3]",
                reason="no patches",
            ),
        ),
        evidence=(
            Evidence(
                example(
                    gradient_of("2,2,256,256", stride=2, padding="VALID"),
                    "f32[2,64,64,256]",
                    "f32[2,32,32,256]",
                ),
                2.1,
            ),
            Evidence(
                example(
                    gradient_of("4,4,3,32", stride=4, padding="VALID"),
                    "f32[64,32,32,3]",
                    "f32[64,8,8,32]",
                ),
                1.7,
            ),
        ),
    ),
    kernel_of(
        "image-gradient-of-patches",
        _image_gradient,
        example(_image_gradient_of("2,2,2,3"), "f32[2,2,2,3]", "f32[n,3,2,3]"),
        example(_image_gradient_of("3,3,2,3"), "f32[3,3,2,3]", "f32[n,2,2,3]"),
        example(_image_gradient_of("3,2,3"), "f32[3,2,3]", "f32[n,4,3]"),
        law="the gradient of a product of patches by the image is a product, put in its places",
        guards=(*_GUARDS, is_image_gradient_of_patches),
        pays=both(_TYPES, has_large_window, work(LEAST_WORK)),
        rejects=(
            *_REJECTS,
            example(
                lambda x, w: convolve(x, w, padding=((1, 0), (1, 1)), lhs_dilation=(2, 2)),
                "f32[2,4,4,2]",
                "f32[2,2,2,4]",
                reason="no patches",
            ),
        ),
        evidence=(
            Evidence(
                example(_image_gradient_of("16,16,3,192"), "f32[16,16,3,192]", "f32[8,14,14,192]"),
                17.0,
            ),
            Evidence(
                example(_image_gradient_of("4,4,3,64"), "f32[4,4,3,64]", "f32[32,8,8,64]"), 2.3
            ),
        ),
    ),
)
