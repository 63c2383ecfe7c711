"""Slices of results taken of operands: the op computes only what is read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import (
    field,
    integer,
    integer_table,
    integers,
    optional_integers,
)
from compiler.rewrite.expression import Term, like, new, shape
from compiler.rules.dot_terms import Cut, broadcast, cut
from compiler.rules.slice_terms import (
    APPROXIMATED,
    CORRECT,
    Cuts,
    broadcast_cuts,
    cut_sizes,
    full,
    part,
    taken,
)

Sink = Callable[[Operation, Cuts], Term | None]


def sunk(op: Operation, cuts: Cuts) -> Term | None:
    """What the cuts take of the op's result, computed from parts of its operands; None if not."""
    return SINKS[op.name](op, cuts)


def _elementwise(op: Operation, cuts: Cuts) -> Term:
    sizes = shape(op.result)
    return like(op, [_aligned(value, sizes, cuts) for value in op.operands])[0]


def _aligned(value: Value, sizes: tuple[int, ...], cuts: Cuts) -> Term:
    """The part of an operand that meets the part of the result; what repeats stays whole."""
    own = shape(value)
    return part(value, {d: c for d, c in cuts.items() if own and own[d] == sizes[d]})


def _reduction(op: Operation, cuts: Cuts) -> Term:
    axes = integers(op, "axes")
    kept = [dim for dim in range(len(shape(op.operands[0]))) if dim not in axes]
    return like(op, [part(op.operands[0], {kept[dim]: one for dim, one in cuts.items()})])[0]


def _along_axis(name: str) -> Sink:
    """For ops that mix the elements of one axis and keep the shape.

    Running extremes are among them: how their derivative is shared out between equal elements
    depends on how many elements there are.
    """

    def sink(op: Operation, cuts: Cuts) -> Term | None:
        axis = integer(op, name)
        if axis in cuts or len(op.results) != 1:
            return None
        return like(op, [part(value, cuts) for value in op.operands])[0]

    return sink


def _cumulative(op: Operation, cuts: Cuts) -> Term:
    """Of a running total only the elements up to the last that is read are needed."""
    axis, operand = integer(op, "axis"), op.operands[0]
    one = cuts.get(axis)
    if one is None or not taken(one):
        return like(op, [part(operand, cuts)])[0]
    size = shape(operand)[axis]
    needed = Cut(one.start, size) if op.attributes.get("reverse") else Cut(0, one.limit)
    (total,) = like(op, [part(operand, {**cuts, axis: needed})])
    rest = Cut(one.start - needed.start, one.limit - needed.start, one.stride)
    return cut(total, {axis: rest} if rest != Cut(0, needed.limit - needed.start) else {})


def _transpose(op: Operation, cuts: Cuts) -> Term:
    order = integers(op, "permutation")
    return like(op, [part(op.operands[0], {order[dim]: one for dim, one in cuts.items()})])[0]


def _rev(op: Operation, cuts: Cuts) -> Term:
    sizes, turned = shape(op.result), integers(op, "dimensions")
    mirrored = {d: _mirrored(c, sizes[d]) if d in turned else c for d, c in cuts.items()}
    return like(op, [part(op.operands[0], mirrored)])[0]


def _mirrored(one: Cut, size: int) -> Cut:
    if not taken(one):
        return Cut(0, 0)
    last = one.start + (taken(one) - 1) * one.stride
    return Cut(size - 1 - last, size - one.start, one.stride)


def _concatenate(op: Operation, cuts: Cuts) -> Term | None:
    """The pieces that are read, each cut to what is read of it."""
    axis, start = integer(op, "dimension"), 0
    whole = Cut(0, shape(op.result)[axis])
    pieces: list[Term] = []
    for piece in op.operands:
        size = shape(piece)[axis]
        one = _overlap(cuts.get(axis, whole), start, size)
        start += size
        if taken(one):
            pieces.append(part(piece, {**cuts, axis: one}))
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    return new("concatenate", *pieces, dimension=axis)


def _overlap(one: Cut, start: int, size: int) -> Cut:
    """What a cut takes of the elements from ``start`` on, counted from there."""
    behind = max(0, -(-(start - one.start) // one.stride)) * one.stride
    first = one.start + behind - start
    return Cut(first, min(one.limit - start, size), one.stride)


def _pad(op: Operation, cuts: Cuts) -> Term | None:
    """The operand's part and the padding's."""
    sizes, inner = shape(op.operands[0]), dict[int, Cut]()
    config = list(integer_table(op, "padding_config"))
    for dim, one in cuts.items():
        low, high, interior = config[dim]
        if interior or one.stride != 1 or low < 0 or high < 0:
            return None
        start = min(max(one.start - low, 0), sizes[dim])
        limit = max(min(one.limit - low, sizes[dim]), start)
        inner[dim] = Cut(start, limit)
        before = min(max(low - one.start, 0), taken(one))
        config[dim] = (before, taken(one) - before - (limit - start), 0)
    operand, number = op.operands
    if any(not taken(one) for one in inner.values()):
        return full(number, cut_sizes(shape(op.result), cuts))
    return new("pad", part(operand, inner), number, padding_config=tuple(config))


def _broadcast(op: Operation, cuts: Cuts) -> Term:
    inner = part(op.operands[0], broadcast_cuts(op, cuts))
    return broadcast(inner, cut_sizes(shape(op.result), cuts), integers(op, "broadcast_dimensions"))


def _window(op: Operation, cuts: Cuts) -> Term | None:
    """Along dimensions whose windows have one element each."""
    rank = len(shape(op.result))
    sizes = (integers(op, "window_dimensions"), integers(op, "window_strides"))
    dilations = [optional_integers(op, f"{n}_dilation") or (1,) * rank for n in ("base", "window")]
    padding = integer_table(op, "padding")
    if any(padding[d] != (0, 0) or {n[d] for n in (*sizes, *dilations)} != {1} for d in cuts):
        return None
    return like(op, [part(op.operands[0], cuts)])[0]


def _convolution(op: Operation, cuts: Cuts) -> Term | None:
    """Along the batch."""
    batch = field(op, "dimension_numbers", "out_spec")[0]
    if set(cuts) != {batch} or integer(op, "batch_group_count") != 1:
        return None
    lhs, rhs = op.operands
    place = field(op, "dimension_numbers", "lhs_spec")[0]
    return like(op, [part(lhs, {place: cuts[batch]}), rhs])[0]


def _gather(op: Operation, cuts: Cuts) -> Term | None:
    """Along the dimensions of the indices: fewer of them are looked up."""
    offsets = field(op, "dimension_numbers", "offset_dims")
    batch = [dim for dim in range(len(shape(op.result))) if dim not in offsets]
    if any(dim in offsets for dim in cuts) or _has_batches(op):
        return None
    table, indices = op.operands
    return like(op, [table, part(indices, {batch.index(d): one for d, one in cuts.items()})])[0]


def _has_batches(op: Operation) -> bool:
    return bool(field(op, "dimension_numbers", "operand_batching_dims"))


def _fft(op: Operation, cuts: Cuts) -> Term | None:
    lengths = integers(op, "fft_lengths")
    if any(dim >= len(shape(op.result)) - len(lengths) for dim in cuts):
        return None
    return like(op, [part(op.operands[0], cuts)])[0]


EXACT_SINKS: Final[Mapping[str, Sink]] = {
    **dict.fromkeys(sorted(CORRECT), _elementwise),
    "convert_element_type": _elementwise,
    **dict.fromkeys(("argmax", "argmin", "reduce_and", "reduce_max"), _reduction),
    **dict.fromkeys(("reduce_min", "reduce_or", "reduce_xor"), _reduction),
    **dict.fromkeys(("cummax", "cummin"), _along_axis("axis")),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min"), _window),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "gather": _gather,
    "pad": _pad,
    "rev": _rev,
    "sort": _along_axis("dimension"),
    "transpose": _transpose,
}
"""Ops whose elements are the same to the bit, however many of them are computed."""

ROUNDING_SINKS: Final[Mapping[str, Sink]] = {
    **dict.fromkeys(sorted(APPROXIMATED), _elementwise),
    **dict.fromkeys(("reduce_prod", "reduce_sum"), _reduction),
    **dict.fromkeys(("cumlogsumexp", "cumprod", "cumsum"), _cumulative),
    "conv_general_dilated": _convolution,
    "fft": _fft,
    "reduce_window_sum": _window,
}
"""Ops that a device may round otherwise where there are fewer elements."""

SINKS: Final[Mapping[str, Sink]] = {**EXACT_SINKS, **ROUNDING_SINKS}
