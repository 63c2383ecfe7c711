"""Resized images: products with matrices of weights most of which are zero.

JAX resizes an image by a product along each axis with a matrix that it computes from the sizes.
Each element of the result is a sum of its few neighbours only. Where the matrices can be computed
when the program is compiled, the result is made of slices of the image, each times its weights.
In a product a zero times an infinity is nan, everywhere along the axis; so where the image is not
finite, or so large that sums of it may not be, the products are computed after all.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.attributes import Array
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.kernels.fallback import or_else
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.lowering.kernels.resize_terms import Chain, Weights, chain_of
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import graph_between
from compiler.rewrite.rule import example

MIN_SIZE: Final = 1 << 15
"""Smaller results are computed before the difference can be measured."""

MIN_AXIS: Final = 16
"""Along a shorter axis the product has few terms as well."""

MAX_TERMS: Final = 16
"""So many slices are added up along an axis; more were not measured."""

MAX_SUM: Final = 128.0
"""Weights of a larger sum are not known to keep finite sums finite."""


def _chain(m: Match) -> Chain:
    return chain_of(m.root.result)


def _of_neighbours(m: Match) -> Callable[..., Any]:
    """The sums of neighbours, or the products where the image is not finite."""
    chain = m.once(_chain)
    part = graph_between([chain.source], m.root.results)
    products = jax_compat.jaxpr_function(export_jaxpr(part))

    def resized(x: Any) -> Any:
        return or_else(_resized(x, chain), jnp.logical_not(_is_moderate(x)), lambda: products(x)[0])

    return resized


def _is_moderate(x: Any) -> Any:
    """Whether sums of elements, each times a weight, are finite."""
    large = x * np.float32(2 * MAX_SUM)
    return jnp.sum(large - large) == 0


def _resized(x: Any, chain: Chain) -> Any:
    """One axis after the other, the last first: so the largest arrays have the longest rows."""
    for axis, matrix in sorted(chain.weights, key=lambda one: -one[0]):
        x = along(x, axis, matrix)
    return x.transpose(chain.order)


def along(x: Any, axis: int, matrix: Array) -> Any:
    """The product of an axis with a matrix most of which is zero."""
    weights = Weights.of(matrix)
    first, last = min(weights.places), max(weights.places)
    reach = (weights.count - 1) * weights.step + last + 1
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (max(0, -first), max(0, reach - x.shape[axis]), 0)
    padded = lax.pad(x, np.zeros((), x.dtype), edges)
    slices = {
        place: _every(padded, axis, place + max(0, -first), weights) for place in weights.places
    }
    phases = [_sum(slices, phase, axis, x) for phase in weights.phases]
    sizes = [size if d != axis else matrix.shape[1] for d, size in enumerate(x.shape)]
    return jnp.stack(phases, axis + 1).reshape(sizes)


def _every(x: Any, axis: int, start: int, weights: Weights) -> Any:
    limit = start + (weights.count - 1) * weights.step + 1
    return lax.slice_in_dim(x, start, limit, weights.step, axis)


def _sum(slices: Mapping[int, Any], phase: Mapping[int, Array], axis: int, x: Any) -> Any:
    """The slices, each times its weights along the axis."""
    sizes = [1] * x.ndim
    sizes[axis] = -1
    terms = [slices[place] * column.reshape(sizes) for place, column in phase.items()]
    return sum(terms[1:], terms[0])


def _reads(m: Match) -> list[Any]:
    return [m.once(_chain).source]


def _has_known_weights(m: Match) -> str | None:
    chain = m.once(_chain)
    if not chain.weights:
        return "it is no product with a matrix that is known"
    axes = [axis for axis, _ in chain.weights]
    return None if len(set(axes)) == len(axes) else "it meets one axis twice"


def _is_whole(m: Match) -> str | None:
    """Whether no further product, and no transposition, belongs to it."""
    reader = m.root.result.only_reader
    if reader is None or reader.name not in ("dot_general", "transpose"):
        return None
    longer = chain_of(reader.result)
    return "it is a part of a longer one" if longer.source is _reads(m)[0] else None


def _keeps_finite(m: Match) -> str | None:
    sums = [float(np.abs(w).sum(0).max()) for _, w in m.once(_chain).weights]
    return None if np.prod([max(one, 1.0) for one in sums]) <= MAX_SUM else "the weights are large"


def _has_few_terms(m: Match) -> str | None:
    for _, matrix in m.once(_chain).weights:
        terms = sum(map(len, Weights.of(matrix).phases))
        if terms > MAX_TERMS or matrix.shape[0] < MIN_AXIS:
            return f"{terms} slices for {matrix.shape[0]} elements"
    return None if product(shape(m.root.result)) >= MIN_SIZE else "the result is small"


def _resize(x: Any, factors: Sequence[float], method: str = "linear") -> Any:
    sizes = [int(size * factor) for size, factor in zip(x.shape, factors, strict=True)]
    return jax.image.resize(x, sizes, method)


_ONES: Final = np.eye(3, dtype=np.float32)
_UP, _DOWN = (1, 2, 2, 1), (1, 0.5, 0.5, 1)

KERNELS: Final = (
    Kernel(
        name="resize-by-neighbours",
        law="(x @ w)[i] = sum of x[j] * w[j, i] over the few j where w[j, i] is not zero",
        pattern=op["dot_general", "transpose"].any(),
        form=_of_neighbours,
        reads=_reads,
        numerics=Numerics.ROUNDING,
        guards=(_has_known_weights, _is_whole, _keeps_finite),
        pays=_has_few_terms,
        examples=(
            example(lambda x: _resize(x, _UP), "f32[2,a,b,c]"),
            example(lambda x: _resize(x, _DOWN), "f32[2,6,8,c]"),
            example(lambda x: _resize(x, (1.5, 2), "cubic"), "f32[4,a]"),
            example(lambda x: _resize(x.T, (3, 1)), "f32[a,b]"),
        ),
        rejects=(
            example(lambda x, w: x @ w, "f32[a,b]", "f32[b,c]"),
            example(lambda x: x @ _ONES @ _ONES, "f32[a,3]"),
            example(lambda x: x @ (200.0 * _ONES), "f32[a,3]"),
        ),
        evidence=(
            Evidence(example(lambda x: _resize(x, _UP), "f32[8,64,64,16]"), 2.8),
            Evidence(example(lambda x: _resize(x, _UP), "f32[1,224,224,3]"), 8.9),
            Evidence(example(lambda x: _resize(x, (2, 2)), "f32[256,256]"), 6.6),
            Evidence(example(lambda x: _resize(x, _DOWN), "f32[8,128,128,16]"), 1.5),
        ),
    ),
)
