"""Convolutions without groups: as kernels are made of them, and as the tables write programs."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from compiler.lowering.kernels.convolution_terms import Convolution
from compiler.lowering.kernels.kernel import Kernel
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example

LAYOUTS: Final = {
    1: ("NWC", "WIO", "NWC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NDHWC", "DHWIO", "NDHWC"),
}


def plain(c: Convolution, x: Any, w: Any) -> Any:
    """The convolution without groups or holes.

    Without padding it would go to a part of XLA that is slow on large images. So a row is added
    and taken away again.
    """
    space = "DHW"[: c.rank]
    is_bare = not any(map(any, c.padding))
    padding = ((0, c.strides[0]), *c.padding[1:]) if is_bare else c.padding
    found = lax.conv_general_dilated(
        x,
        w,
        c.strides,
        padding,
        rhs_dilation=c.dilation,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
        **c.precision,
    )
    return found[:, : c.out[0]] if is_bare else found


def plain_gradient(c: Convolution, x: Any, w: Any) -> Any:
    """The gradient without groups or holes."""
    space = "DHW"[: c.rank]
    return lax.conv_general_dilated(
        x,
        w,
        c.strides,
        c.padding,
        rhs_dilation=c.dilation,
        dimension_numbers=(f"C{space}N", f"I{space}O", f"{space}NC"),
        **c.precision,
    )


def convolve(x: Any, w: Any, stride: int = 1, padding: Any = "SAME", **others: Any) -> Any:
    """A convolution with the features last, as the programs of the tables write it."""
    rank = x.ndim - 2
    layouts = others.pop("layouts", LAYOUTS[rank])
    return lax.conv_general_dilated(
        x, w, (stride,) * rank, padding, dimension_numbers=layouts, **others
    )


def gradient_of(sizes: str, **others: Any) -> Callable[[Any, Any], Any]:
    """The gradient by the window, of these sizes, from the image and the cotangents."""
    window = tuple(map(int, sizes.split(",")))

    def gradient(x: Any, y: Any) -> Any:
        pull = jax.vjp(lambda w: convolve(x, w, **others), jnp.zeros(window, x.dtype))[1]
        return pull(y)[0]

    return gradient


def kernel_of(name: str, form: Any, *programs: Example, **others: Any) -> Kernel:
    """A kernel of the convolution, proved on some programs."""
    return Kernel(
        name=name,
        form=form,
        pattern=op.conv_general_dilated(var("x", FLOAT), var("w", FLOAT)),
        numerics=Numerics.ROUNDING,
        examples=programs,
        **others,
    )
