"""What a program is made of, one small function per primitive or library routine.

The same table is run through the decorator and through import and export.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

X = jnp.array([0.5, -1.25, 2.0, 0.75])
P4 = jnp.array([0.1, 0.5, 0.25, 0.9])
ODD = jnp.array([0.0, -0.0, 1.5, -2.5, jnp.inf, -jnp.inf, jnp.nan, 1e-40, 3e38])
I4 = jnp.array([3, -7, 0, 2**31 - 1], jnp.int32)
U4 = jnp.array([3, 7, 0, 2**32 - 1], jnp.uint32)
B4 = jnp.array([True, False, True, True])
M = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)
C4 = jnp.array([1 + 2j, -1j, 0.5, 3 - 1j], jnp.complex64)
SPD = jnp.eye(3) * 3 + 0.5
IMAGE = jnp.linspace(-1.0, 1.0, 2 * 5 * 6 * 3).reshape(2, 5, 6, 3)
KEY = jax.random.key(3)


class Operation(NamedTuple):
    """A function and the arguments to run it on."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def _each(name: str, *cases: Any) -> list[Any]:
    function = getattr(lax, name)
    return [function(*case) if isinstance(case, tuple) else function(case) for case in cases]


def unary(names: str, *arguments: Any) -> dict[str, Operation]:
    """Functions of jax.lax by name, each on every argument."""
    return {name: Operation(partial(_each, name), arguments) for name in names.split()}


def binary(names: str, *pairs: tuple[Any, Any]) -> dict[str, Operation]:
    """Functions of jax.lax by name, each on every pair."""
    return {name: Operation(partial(_each, name), pairs) for name in names.split()}


def numpy_like(**functions: tuple[Any, ...]) -> dict[str, Operation]:
    """Functions with their arguments."""
    return {name: Operation(f, arguments) for name, (f, *arguments) in functions.items()}


ELEMENTWISE = {
    **unary("neg sign abs square", ODD, I4, X),
    **unary("floor ceil is_finite exp exp2 log log1p expm1 sin cos tan tanh sqrt rsqrt cbrt", ODD),
    **unary("sinh cosh asinh logistic erf erfc lgamma digamma", ODD),
    **unary("asin acos atan acosh atanh erf_inv bessel_i0e bessel_i1e", P4),
    **unary("population_count clz bitwise_not", I4, U4),
    **unary("real imag conj exp log sin tanh sqrt abs", C4),
    **binary("add sub mul div max min pow rem atan2 nextafter", (ODD, ODD[::-1]), (X, P4)),
    **binary("bitwise_and bitwise_or bitwise_xor shift_left", (I4, I4[::-1]), (U4, U4[::-1])),
    **binary("shift_right_logical shift_right_arithmetic", (I4, jnp.full(4, 3)), (I4, I4[::-1])),
    **binary("eq ne lt le gt ge", (ODD, ODD[::-1]), (I4, I4[::-1])),
    **binary("igamma igammac random_gamma_grad zeta", (P4 + 1.5, P4 + 1)),
    **numpy_like(
        integer_division=(lambda a, b: (a // b, a % b, lax.div(a, b), lax.rem(a, b)), I4, I4[::-1]),
        integer_pow=(lambda x: (x**2, x**3, x**-2, lax.integer_pow(x, 0)), ODD),
        clamp=(lambda x: lax.clamp(-1.0, x, 1.0), ODD),
        select=(lambda b, x: (jnp.where(b, x, -x), lax.select_n(b, x, x * 2)), B4, X),
        select_many=(lambda i, x: lax.select_n(i, x, x + 1, x + 2), jnp.array([0, 2, 1, 2]), X),
        round=(lambda x: (jnp.round(x), lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO)), ODD),
        convert=(lambda x: [x.astype(t) for t in ("int8", "uint8", "bool", "float16")], X * 100),
        convert_odd=(lambda x: [x.astype(t) for t in ("bfloat16", "float16", "float32")], ODD),
        bitcast=(lambda x: lax.bitcast_convert_type(x, jnp.int32), ODD),
        bitcast_to_smaller=(lambda x: lax.bitcast_convert_type(x, jnp.uint8), X),
        reduce_precision=(lambda x: lax.reduce_precision(x, 5, 3), ODD),
        complex=(lambda a, b: lax.complex(a, b), X, P4),
        betainc=(lambda a: jax.scipy.special.betainc(a, a + 1, a / 2), P4),
        polygamma=(lambda a: jax.scipy.special.polygamma(1, a), P4),
        fast_accuracy=(lambda x: lax.exp(x, accuracy=lax.AccuracyMode.DEFAULT), X),
        nn=(lambda x: [f(x) for f in (jax.nn.relu, jax.nn.gelu, jax.nn.softmax, jax.nn.silu)], X),
    ),
}

SHAPES = numpy_like(
    broadcast=(lambda x: (x[:, None] + x, jnp.broadcast_to(x, (2, 4)), lax.broadcast(x, (3,))), X),
    broadcast_zero=(lambda x: jnp.broadcast_to(x, (0, 4)), X),
    reshape=(lambda x: (x.reshape(4, 3), x.ravel(), x.reshape(1, 12, 1), x.reshape(2, -1)), M),
    transpose=(lambda x: (x.T, jnp.transpose(x[None], (2, 0, 1)), jnp.swapaxes(x, 0, 1)), M),
    squeeze=(lambda x: (x[None, :, None].squeeze(), jnp.expand_dims(x, (0, 2))), X),
    concatenate=(lambda x: (jnp.concatenate([x, x * 2, x[:0]]), jnp.stack([x, x], 1)), X),
    split=(lambda x: lax.split(x, (1, 3), axis=1), M),
    pad=(lambda x: (jnp.pad(x, 1), lax.pad(x, 9.0, [(1, -1, 2), (0, 2, 0)])), M),
    reverse=(lambda x: (x[::-1], jnp.flip(x), lax.rev(x, (1,))), M),
    slice=(lambda x: (x[1:, ::2], x[-1], x[..., :0], lax.slice(x, (0, 1), (3, 3), (2, 1))), M),
    iota=(lambda: (jnp.arange(5), lax.broadcasted_iota(jnp.uint8, (2, 3), 1), jnp.eye(3, k=1)),),
    tile=(lambda x: (jnp.tile(x, (2, 1)), jnp.repeat(x, 2, axis=1)), M),
    roll=(lambda x: (jnp.roll(x, 1), jnp.roll(x, (1, 2), (0, 1))), M),
    triangle=(lambda x: (jnp.tril(x), jnp.triu(x, 1), jnp.diag(x)), M),
    full=(lambda x: (jnp.zeros_like(x), jnp.full_like(x, jnp.nan), jnp.ones((0, 2))), M),
    meshgrid=(lambda x: jnp.meshgrid(x, x[:2], indexing="ij"), X),
    empty_array=(lambda x: (x.sum(), x.max(initial=1.0), x @ x.T, jnp.sort(x)), jnp.zeros((0, 3))),
)

REDUCTIONS = numpy_like(
    sum=(lambda x: (x.sum(), x.sum(0), x.mean(1), x.std(), x.var(0)), M),
    product=(lambda x: (x.prod(), x.prod(1, keepdims=True)), M),
    extremes=(lambda x: (x.max(), x.min(0), x.argmax(), x.argmin(1), jnp.ptp(x)), M),
    extremes_of_nan=(lambda x: (x.max(), x.argmax(), jnp.nanmax(x), jnp.nansum(x)), ODD),
    logic=(lambda x: (x.any(), x.all(), jnp.count_nonzero(x)), B4),
    bits=(lambda x: lax.reduce(x, np.uint32(0), lax.bitwise_or, (0,)), U4),
    general=(
        lambda x: lax.reduce((x, x), (0.0, 1.0), lambda a, b: (a[0] + b[0], a[1] * b[1]), (0,)),
        X,
    ),
    cumulative=(lambda x: [f(x, 1) for f in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin)], M),
    cumulative_reverse=(lambda x: (lax.cumsum(x, reverse=True), lax.cumlogsumexp(x)), X),
    associative_scan=(lambda x: lax.associative_scan(lambda a, b: a * b + b, x), X),
    logsumexp=(lambda x: jax.scipy.special.logsumexp(x, axis=0), M),
    norm=(lambda x: (jnp.linalg.norm(x), jnp.linalg.norm(x, axis=1)), M),
    windows=(
        lambda x: (
            lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME"),
            lax.reduce_window(x, 0.0, lax.add, (1, 2, 3, 1), (1, 1, 2, 1), "VALID"),
        ),
        IMAGE,
    ),
    window_gradient=(
        jax.grad(
            lambda x: lax.reduce_window(
                x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
            ).sum()
        ),
        IMAGE,
    ),
    percentile=(lambda x: (jnp.median(x), jnp.percentile(x, 30.0)), M),
    histogram=(lambda x: (jnp.histogram(x, 4), jnp.bincount(jnp.abs(x).astype(int), length=3)), X),
)

INDEXING = numpy_like(
    static=(lambda x: (x[1], x[-1, 2], x[:, 1], x[0:2, 1:]), M),
    dynamic=(lambda x, i: (x[i], x[:, i], lax.dynamic_slice(x, (i, 0), (2, 2))), M, 1),
    dynamic_outside=(lambda x, i: (x[i], lax.dynamic_slice(x, (i, i), (2, 2))), M, 9),
    dynamic_negative=(lambda x, i: (x[i], lax.dynamic_index_in_dim(x, i, 1)), M, -1),
    dynamic_update=(lambda x, i: lax.dynamic_update_slice(x, x[:1, :2] * 9, (i, i)), M, 2),
    fancy=(lambda x, i: (x[i], x[:, i], x[i, i], x[i[:, None], i]), M, jnp.array([2, 0, -1])),
    take=(
        lambda x, i: [jnp.take(x, i, axis=0, mode=m) for m in ("clip", "wrap", "fill")],
        M,
        jnp.array([5, -1, 1]),
    ),
    gather_modes=(
        lambda x, i: [x.at[i].get(mode=m) for m in ("clip", "fill", "promise_in_bounds", "drop")],
        X,
        jnp.array([0, 3, 1]),
    ),
    at_set=(lambda x, i: (x.at[i].set(9.0), x.at[1, 2].set(3.0), x.at[:, i].set(0)), M, 1),
    scatter=(
        lambda x, i: [
            getattr(x.at[i], f)(2.0) for f in ("set", "add", "multiply", "min", "max", "subtract")
        ],
        X,
        jnp.array([1, 1, 3]),
    ),
    scatter_modes=(
        lambda x, i: [x.at[i].add(2.0, mode=m) for m in ("clip", "drop")],
        X,
        jnp.array([1, 9, -2]),
    ),
    scatter_apply=(lambda x: x.at[jnp.array([0, 2])].apply(jnp.sin), X),
    take_along_axis=(lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1), M),
    segment_sum=(lambda x: jax.ops.segment_sum(x, jnp.array([0, 1, 0, 2]), 3), X),
    one_hot=(lambda i: jax.nn.one_hot(i, 3), jnp.array([0, 2, 5])),
    sort=(lambda x: (jnp.sort(x), jnp.sort(x, descending=True), jnp.argsort(x)), ODD),
    sort_stable_pairs=(lambda x: lax.sort((x % 2, x, -x), num_keys=2, dimension=0), I4),
    top_k=(lambda x: (lax.top_k(x, 2), lax.top_k(x.T, 1)), M),
    approx_max_k=(lambda x: lax.approx_max_k(x, 2), X),
    unique=(lambda x: jnp.unique(x, size=3), I4 % 2),
    nonzero=(lambda x: jnp.nonzero(x, size=3, fill_value=-1), B4),
    searchsorted=(lambda x: jnp.searchsorted(jnp.sort(x), x), X),
    argwhere=(lambda x: jnp.argwhere(x, size=2), B4),
)

DOTS = numpy_like(
    matmul=(lambda a, b: (a @ b, b @ a, a @ b[:, 0], jnp.outer(a[0], a[0])), M, M.T),
    batched=(lambda a: jnp.einsum("bij,bkj->bik", a[None] * 2, a[None]), M),
    einsum=(lambda a: (jnp.einsum("ij->ji", a), jnp.einsum("ij,ik,i->jk", a, a, a[:, 0])), M),
    tensordot=(lambda a: jnp.tensordot(a, a, ((0, 1), (0, 1))), M),
    integers=(lambda a: a @ a, jnp.arange(9).reshape(3, 3)),
    preferred=(
        lambda a: lax.dot(a, a, preferred_element_type=jnp.float32),
        jnp.ones((3, 3), "bfloat16"),
    ),
    precision=(lambda a: jnp.dot(a, a.T, precision="highest"), M),
    algorithm=(lambda a: jnp.dot(a, a.T, precision=lax.DotAlgorithmPreset.F32_F32_F32), M),
    ragged=(lambda a, b: lax.ragged_dot(a, b, jnp.array([2, 1])), M, jnp.ones((2, 4, 2))),
    kron=(lambda a: jnp.kron(a, a), M[:2, :2]),
)


def convolution(layout: str, **options: Any) -> Operation:
    """A convolution in a layout, on data transposed to it."""
    data, kernel, out = layout.split("/")

    def run(image: Any, window: Any) -> Any:
        image = jnp.einsum(f"NHWC->{data}", image)
        window = jnp.einsum(f"HWIO->{kernel}", window)
        settings = {"window_strides": (1, 1), "padding": "SAME", **options}
        return lax.conv_general_dilated(
            image, window, dimension_numbers=(data, kernel, out), **settings
        )

    inputs = 3 // options.get("feature_group_count", 1)
    kernel_values = jnp.linspace(-1.0, 1.0, 2 * 3 * inputs * 6).reshape(2, 3, inputs, 6)
    return Operation(run, (IMAGE, kernel_values))


CONVOLUTIONS = {
    "nhwc": convolution("NHWC/HWIO/NHWC"),
    "nchw": convolution("NCHW/OIHW/NCHW"),
    "mixed": convolution("CHWN/IHWO/HNWC"),
    "strided": convolution("NHWC/HWIO/NHWC", window_strides=(2, 1), padding="VALID"),
    "padded": convolution("NHWC/HWIO/NHWC", padding=((1, 2), (0, 3))),
    "dilated": convolution(
        "NHWC/HWIO/NHWC", rhs_dilation=(2, 1), lhs_dilation=(1, 2), padding=((0, 1), (2, 1))
    ),
    "grouped": convolution("NHWC/HWIO/NHWC", feature_group_count=3),
    "gradient": Operation(
        jax.grad(
            lambda k: lax.conv_general_dilated(
                IMAGE, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            ).sum()
        ),
        (jnp.ones((2, 2, 3, 2)),),
    ),
    "transposed": Operation(
        lambda k: lax.conv_transpose(IMAGE, k, (2, 2), "SAME"), (jnp.ones((2, 2, 3, 2)),)
    ),
    "one_dimension": Operation(jnp.convolve, (X, P4)),
}
