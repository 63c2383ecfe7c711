"""What a convolution reads and adds up: its numbers by dimension, its operands in one layout.

The form that all kernels work in has the image as (batch, space, feature) and the window as
(space, in, out). The gradient by a window is a convolution too: its window is a whole image and its
result is small. Read as such the image is (feature, space, batch), the window (in, space, out).
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation
from compiler.lowering.convert import from_attribute
from compiler.lowering.kernels.kernel import product
from compiler.ops.parameters import field, integer, integer_table, integers, number_type
from compiler.rewrite.expression import shape


@dataclass(frozen=True, slots=True)
class Span:
    """Where along one dimension an element of the window meets elements, not holes or padding.

    Attributes:
        first: the first place of the result, or of the window, that meets one.
        step: from one such place to the next.
        start: the element that is met first.
        stride: from one such element to the next.
        count: how many there are.
    """

    first: int
    step: int
    start: int
    stride: int
    count: int

    @property
    def last(self) -> int:
        """The last place that meets an element."""
        return self.first + (self.count - 1) * self.step


@dataclass(frozen=True, slots=True)
class Convolution:
    """The numbers of a convolution; those by dimension are of its spatial dimensions.

    Attributes:
        sizes: of the image.
        window: the sizes of the window.
        out: the sizes of the result.
        specs: which dimensions are batch and feature, then space, of image, window and result.
    """

    op: Operation
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    holes: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    batch_groups: int
    sizes: tuple[int, ...]
    window: tuple[int, ...]
    out: tuple[int, ...]
    batch: int
    features: int
    out_features: int
    specs: tuple[tuple[int, ...], ...]

    @property
    def rank(self) -> int:
        """How many spatial dimensions there are."""
        return len(self.window)

    @property
    def per_group(self) -> int:
        """How many features of the image each group has."""
        return self.features // self.groups

    @property
    def multiplications(self) -> int:
        """How many there are, those by zeros counted."""
        batch = self.batch // self.batch_groups
        sums = batch * product(self.out) * self.out_features
        return sums * product(self.window) * self.per_group

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the result."""
        return number_type(self.op.result)

    @property
    def wide(self) -> np.dtype[Any]:
        """The element type to add up in."""
        return np.dtype(np.float32) if self.dtype.itemsize < 4 else self.dtype

    @property
    def precision(self) -> dict[str, Any]:
        """What to pass on to the convolutions or dots that it is made of."""
        return {
            "precision": from_attribute(self.op.attributes.get("precision")),
            "preferred_element_type": self.wide,
        }

    def image(self, x: Any) -> Any:
        """The image as (batch, space, feature)."""
        batch, feature, *space = self.specs[0]
        return _moved(x, [batch, *space, feature])

    def weights(self, w: Any) -> Any:
        """The window as (space, in, out)."""
        out, inner, *space = self.specs[1]
        return _moved(w, [*space, inner, out])

    def result(self, y: Any) -> Any:
        """The result as the op gives it, from (batch, space, feature)."""
        batch, feature, *space = self.specs[2]
        return _moved(y, _inverse([batch, *space, feature])).astype(self.dtype)

    def activations(self, x: Any) -> Any:
        """The image of a gradient, as (feature, space, batch)."""
        batch, feature, *space = self.specs[0]
        return _moved(x, [feature, *space, batch])

    def cotangents(self, w: Any) -> Any:
        """The window of a gradient, as (in, space, out)."""
        out, inner, *space = self.specs[1]
        return _moved(w, [inner, *space, out])

    def gradient(self, y: Any) -> Any:
        """The result of a gradient as the op gives it, from (space, batch, feature)."""
        batch, feature, *space = self.specs[2]
        return _moved(y, _inverse([*space, batch, feature])).astype(self.dtype)

    def filled(self, x: Any, dims: Sequence[int] | None = None) -> Any:
        """The image with zeros in its holes, and with its padding along some dimensions or all."""
        sides = [self.padding[d] if dims is None or d in dims else (0, 0) for d in range(self.rank)]
        config = [(lo, hi, hole - 1) for (lo, hi), hole in zip(sides, self.holes, strict=True)]
        if not any(any(row) for row in config):
            return x
        while not any(config[-1]):  # one dimension with the features: LLVM has half as much to do
            config.pop()
        behind = (*x.shape[: len(config) + 1], product(x.shape[len(config) + 1 :]))
        padding = [(0, 0, 0), *config, (0, 0, 0)]
        padded = lax.pad(x.reshape(behind), jnp.zeros((), x.dtype), padding)
        return padded.reshape(*padded.shape[:-1], *x.shape[len(config) + 1 :])

    def inner(self, first: int = 0) -> Convolution:
        """The convolution of a filled image along the dimensions from ``first`` on.

        It keeps its padding, unless the window is larger than the image: XLA would exchange them.
        """
        dims = slice(first, None)
        full = [(n - 1) * hole + 1 for n, hole in zip(self.sizes, self.holes, strict=True)]
        is_kept = product(self.window[dims]) <= product(full[dims])
        return replace(
            self,
            strides=self.strides[dims],
            padding=self.padding[dims] if is_kept else ((0, 0),) * (self.rank - first),
            holes=(1,) * (self.rank - first),
            dilation=self.dilation[dims],
            window=self.window[dims],
            out=self.out[dims],
            sizes=self.sizes[dims],
        )

    def spans(self, tap: Sequence[int], *, of_window: bool = False) -> list[Span | None]:
        """Where an element of the window, or of the result, meets elements, by dimension.

        Args:
            tap: the place of the element.
            of_window: whether it is of the result, and the places those of the window.
        """
        return [self.span(d, place, of_window=of_window) for d, place in enumerate(tap)]

    def span(self, d: int, place: int, *, of_window: bool = False) -> Span | None:
        """The same along one dimension."""
        near, far = (self.dilation, self.strides) if of_window else (self.strides, self.dilation)
        count = (self.window if of_window else self.out)[d]
        offset = place * far[d] - self.padding[d][0]
        return _span(count, near[d], offset, self.holes[d], self.sizes[d])


def convolution_of(op: Operation) -> Convolution:
    """The numbers of a convolution."""
    keys = ("lhs_spec", "rhs_spec", "out_spec")
    lhs, rhs, out = specs = tuple(field(op, "dimension_numbers", key) for key in keys)
    image, window, result = (shape(v) for v in (*op.operands, op.result))
    return Convolution(
        op=op,
        strides=integers(op, "window_strides"),
        padding=tuple((lo, hi) for lo, hi in integer_table(op, "padding")),
        holes=integers(op, "lhs_dilation"),
        dilation=integers(op, "rhs_dilation"),
        groups=integer(op, "feature_group_count"),
        batch_groups=integer(op, "batch_group_count"),
        sizes=tuple(image[d] for d in lhs[2:]),
        window=tuple(window[d] for d in rhs[2:]),
        out=tuple(result[d] for d in out[2:]),
        batch=image[lhs[0]],
        features=image[lhs[1]],
        out_features=result[out[1]],
        specs=specs,
    )


def met(x: Any, starts: Sequence[int], strides: Sequence[int], counts: Sequence[int]) -> Any:
    """Elements of an image (batch, space, feature), evenly spaced along each spatial dimension."""
    pairs = zip(starts, strides, counts, strict=True)
    limits = [start + (count - 1) * stride + 1 for start, stride, count in pairs]
    first, last = x.shape[0], x.shape[-1]
    return lax.slice(x, (0, *starts, 0), (first, *limits, last), (1, *strides, 1))


def _span(count: int, near: int, offset: int, hole: int, size: int) -> Span | None:
    """The places i below ``count`` where i * near + offset is a multiple of ``hole`` in bounds."""
    step = hole // gcd(near, hole)
    places = [
        i
        for i in range(count)
        if (i * near + offset) % hole == 0 and 0 <= (i * near + offset) // hole < size
    ]
    if not places:
        return None
    start = (places[0] * near + offset) // hole
    return Span(places[0], step, start, step * near // hole, len(places))


def _moved(x: Any, order: Sequence[int]) -> Any:
    return x if list(order) == sorted(order) else lax.transpose(x, tuple(order))


def _inverse(order: Sequence[int]) -> list[int]:
    return [order.index(d) for d in range(len(order))]


def already(c: Convolution, inner: Convolution) -> list[int]:
    """The dimensions along which an image is padded before an inner convolution reads it."""
    kept = inner.rank if any(map(any, inner.padding)) else 0
    return list(range(c.rank - kept))
