"""Gathers of computed rows: only the rows that are read are computed."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Final, NamedTuple

import jax.numpy as jnp

from compiler.analysis.flops import elements
from compiler.ir.attributes import EnumValue
from compiler.ir.graph import Operation, Value
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import element_kind, field, integer, integers
from compiler.rewrite.expression import Term, dtype, like, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, rest
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import broadcast, reshape
from compiler.rules.gather_terms import rows_of, take_rows
from compiler.rules.xla_merges import MERGED, is_merged

_ELEMENT_BY_ELEMENT: Final = (*sorted(ELEMENTWISE), "convert_element_type")

_NAN_STAYS_NAN: Final = frozenset(
    {
        *("abs", "add", "add_any", "cbrt", "cos", "cosh", "div", "erf", "exp", "exp2", "expm1"),
        *("integer_pow", "log", "log1p", "log2", "logistic", "mul", "neg", "rsqrt", "sin", "sinh"),
        *("sqrt", "square", "sub", "tan", "tanh"),
    }
)
"""Ops that give nan where any operand is nan."""


class Places(NamedTuple):
    """Where a gather puts the dimensions of its operand that it takes whole.

    Attributes:
        by_dim: the result's dimension for each such dimension of the operand.
        picked: the dimensions that it indexes.
    """

    by_dim: dict[int, int]
    picked: tuple[int, ...]


def _places(gather: Operation) -> Places | None:
    """None if the gather takes parts of a dimension that it does not index."""
    offsets, collapsed, mapped, batching, paired = (
        field(gather, "dimension_numbers", name)
        for name in (
            "offset_dims",
            "collapsed_slice_dims",
            "start_index_map",
            "operand_batching_dims",
            "start_indices_batching_dims",
        )
    )
    sizes, rank = shape(gather.operands[0]), len(shape(gather.result))
    taken = integers(gather, "slice_sizes")
    if set(collapsed) != set(mapped):
        return None
    own = [d for d in range(len(sizes)) if d not in (*collapsed, *batching)]
    if any(taken[d] != sizes[d] for d in own):
        return None
    from_index = [d for d in range(rank) if d not in offsets]
    by_dim = dict(zip(own, offsets, strict=True))
    by_dim |= {d: from_index[place] for d, place in zip(batching, paired, strict=True)}
    return Places(by_dim, tuple(collapsed))


def _of_elementwise(m: Match) -> Replacement:
    """Only the elements that are read are computed."""
    if elements(m.root.result) >= elements(m.inner.result):
        return Refusal("it saves nothing: as many elements are read as there are")
    if is_merged(m.inner, m.root.result):
        return Refusal(MERGED)
    places = _places(m.root)
    if places is None:
        return Refusal("it takes parts of a dimension that it does not index")
    terms = [_met(value, m, places) for value in m.inner.operands]
    whole = [term for term in terms if term is not None]
    if len(whole) < len(terms):
        return Refusal("an operand is repeated along some of the indexed dimensions only")
    if not _clips(m.root) and not _keeps_nan(m):
        return Refusal("what is out of range would be computed from what is filled in")
    return like(m.inner, whole)


def _clips(gather: Operation) -> bool:
    mode = gather.attributes.get("mode")
    return isinstance(mode, EnumValue) and mode.member in ("CLIP", "PROMISE_IN_BOUNDS")


def _keeps_nan(m: Match) -> bool:
    """Whether what is filled in is nan, and stays nan: some operand of the op is filled with it."""
    fill = m.root.attributes.get("fill_value")
    is_nan = fill is None or (isinstance(fill, float) and fill != fill)
    same = [v for v in m.inner.operands if shape(v) == shape(m.inner.result)]
    is_float = all(element_kind(dtype(v)) == "f" for v in (*m.inner.operands, m.inner.result))
    is_one = m.inner.name == "integer_pow" and integer(m.inner, "y") == 0
    return is_nan and is_float and bool(same) and not is_one and m.inner.name in _NAN_STAYS_NAN


def _met(value: Value, m: Match, places: Places) -> Term | None:
    """The part of an operand that meets what is read of the result; None if there is none such."""
    own, whole = shape(value), shape(m.inner.result)
    if not own:
        return value
    if own == whole:
        return like(m.root, (value, *m.indices))[0]
    if any(own[d] != 1 for d in places.picked):
        return _narrow_rows(value, m)
    kept = [d for d, size in enumerate(own) if size == whole[d] and d not in places.picked]
    left = reshape(value, [own[d] for d in kept])
    order = sorted(kept, key=lambda d: places.by_dim[d])
    if order != kept:
        return None
    return broadcast(left, shape(m.root.result), [places.by_dim[d] for d in kept])


def _narrow_rows(value: Value, m: Match) -> Term | None:
    """Rows of an operand that is repeated along other dimensions."""
    rows = rows_of(m.root)
    if rows is None or shape(value)[rows.dim] != rows.size:
        return None
    return take_rows(rows, value, rows.indices, rows.dim)


def _of_reduction(m: Match) -> Replacement:
    """Only the rows that are read are added up."""
    rows = rows_of(m.root)
    if rows is None:
        return Refusal("it does not take whole rows of one dimension")
    source, axes = m.inner.operands[0], integers(m.inner, "axes")
    is_nan = rows.fills_with_nan and all(shape(source)[d] for d in axes)
    if not rows.clips and not is_nan:
        return Refusal("what is out of range would be computed from what is filled in")
    left = [d for d in range(len(shape(source))) if d not in axes]
    dim, width = left[rows.dim], len(rows.batch)
    moved = tuple(d if d < dim else d + width - 1 for d in axes)
    return like(m.inner, (take_rows(rows, source, rows.indices, dim),), axes=moved)


RULES: Final = (
    Rule(
        name="gather-of-elementwise",
        law="f(x)[i] = f(x[i]), element by element",
        pattern=op.gather(op[_ELEMENT_BY_ELEMENT].any().named("inner"), rest("indices")),
        replace=_of_elementwise,
        transparent=True,
        examples=(
            example(lambda x, i: (jnp.sin(x) * x[:, :1])[i], "f32[16,3]", "i32[2]"),
            example(
                lambda x, y: jnp.take_along_axis(x - jnp.log(x.sum(1, keepdims=True)), y, 1),
                "f32[3,n]",
                "i32[3,1]",
                n=16,
            ),
        ),
        rejects=(
            example(
                lambda x, i: jnp.take(jnp.maximum(x, 0), i, axis=0, fill_value=1.0, mode="fill"),
                "f32[64]",
                "i32[2]",
                reason="filled in",
            ),
            example(
                lambda x, i, y: (x > 0).astype(y.dtype)[i] * y,
                "f32[64]",
                "i32[2]",
                "f32[2]",
                reason="as one",
            ),
        ),
        elsewhere="Enzyme-JAX: GatherElementwise; ONNX Runtime: UpStreamGather",
    ),
    Rule(
        name="gather-of-extreme",
        law="max(x, axis)[i] = max(x[i], axis)",
        pattern=op.gather(
            op["reduce_max", "reduce_min", "reduce_and", "reduce_or"].any().named("inner"),
            rest("indices"),
        ),
        replace=_of_reduction,
        transparent=True,
        examples=(example(lambda x, i: x.max(1)[i], "i32[n,3]", "i32[2]", n=16),),
        elsewhere="ONNX Runtime: UpStreamGather",
    ),
    Rule(
        name="gather-of-sum",
        law="sum(x, axis)[i] = sum(x[i], axis)",
        pattern=op.gather(op["reduce_sum", "reduce_prod"].any().named("inner"), rest("indices")),
        replace=_of_reduction,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(lambda x, i: x.sum(1)[i], "f32[n,3]", "i32[2]", n=16),
            example(lambda x, i: jnp.take(x.sum(0), i, axis=1), "f32[3,2,16]", "i32[2,2]"),
        ),
        rejects=(example(lambda x, i: x.sum(1)[i], "f32[3,2]", "i32[9]", reason="saves nothing"),),
        elsewhere="ONNX Runtime: UpStreamGather",
    ),
)
