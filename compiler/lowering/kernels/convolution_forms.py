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

from compiler.lowering.kernels.convolution_libraries import in_its_library
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
    """The convolution without groups or holes, of (batch, space, feature) and (space, in, out)."""
    space = "DHW"[: c.rank]
    return _computed(c, x, w, (f"N{space}C", f"{space}IO", f"N{space}C"))


def plain_gradient(c: Convolution, x: Any, w: Any) -> Any:
    """The gradient without groups or holes, of (feature, space, batch) and (in, space, out)."""
    space = "DHW"[: c.rank]
    return _computed(c, x, w, (f"C{space}N", f"I{space}O", f"{space}NC"))


def _computed(c: Convolution, x: Any, w: Any, layouts: tuple[str, str, str]) -> Any:
    dims = lax.conv_dimension_numbers(x.shape, w.shape, layouts)
    return as_given(in_its_library(c, x, w, dims), x, w, dims)


def as_given(c: Convolution, x: Any, w: Any, dims: Any) -> Any:
    """The convolution without groups, of operands in any layout."""
    return lax.conv_general_dilated(
        x,
        w,
        c.strides,
        c.padding,
        lhs_dilation=c.holes,
        rhs_dilation=c.dilation,
        dimension_numbers=dims,
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
