"""Transposes pulled through the ops in front of them, to the transposes that they cancel.

A transposed result is computed from transposed operands. What must be computed anew is known
before: the ops that nobody else reads. At their edge a transpose is cancelled, taken over by what
repeats or counts, or left in the way; whether that saves anything is for the cost model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from compiler.analysis.constants import constant_value
from compiler.analysis.flops import elements
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integer_table, integers
from compiler.rewrite.expression import Term, constant, like, shape
from compiler.rules.dot_terms import broadcast, is_static, transpose
from compiler.rules.slice_terms import APPROXIMATED, CORRECT

Order: TypeAlias = tuple[int, ...]
MAX_OPS: Final = 64
"""So many ops are looked at behind one transpose."""
MAX_CONSTANT: Final = 4096
"""Larger constants are transposed when the program runs."""


class Pull:
    """One transpose pulled through the ops in front of it.

    Args:
        root: the transpose.
        names: the ops through which it may go.
    """

    def __init__(self, root: Operation, names: frozenset[str]) -> None:
        self.order = integers(root, "permutation")
        self.source = root.operands[0]
        self.inside = _only_read_by(root, names)
        self.made: dict[tuple[Value, Order], Term] = {}

    def result(self) -> Term | None:
        """What the transpose gives, made of transposed operands; None if there is nothing to do."""
        read = [value for op in self.inside for value in op.operands]
        if not any(_is_transposed(value) or _takes_over(value) for value in read):
            return None
        return self.term(self.source, self.order)

    def term(self, value: Value, order: Order) -> Term:
        """A value with its dimensions in another order."""
        key = (value, order)
        if key not in self.made:
            self.made[key] = self._term(value, order)
        return self.made[key]

    def _term(self, value: Value, order: Order) -> Term:
        op = value.producer
        if op in self.inside or (op is not None and _takes_over(value)):
            return PULLS[op.name](self, op, order)
        if order == tuple(range(len(order))):
            return value
        array = constant_value(value) if elements(value) <= MAX_CONSTANT else None
        if array is not None:
            return constant(np.ascontiguousarray(np.transpose(array, order)), like=value)
        if op is not None and op.name == "transpose":
            first = integers(op, "permutation")
            composed = tuple(first[i] for i in order)
            unmoved = composed == tuple(range(len(order)))
            return op.operands[0] if unmoved else transpose(op.operands[0], composed)
        return transpose(value, order)

    def order_before(self, axes: Sequence[int], rank: int, after: Order) -> Order:
        """An order of an operand for which dropping the axes leaves the order that is wanted.

        It is the order of the transpose itself if that will do.
        """
        kept = [dim for dim in range(rank) if dim not in axes]
        wanted = [kept[i] for i in after]
        if len(self.order) == rank and [d for d in self.order if d in kept] == wanted:
            return self.order
        rest = iter(wanted)
        return tuple(dim if dim in axes else next(rest) for dim in range(rank))


def _only_read_by(root: Operation, names: frozenset[str]) -> set[Operation]:
    """The root, and the ops before it whose every reader is among them."""
    inside, pending = {root}, [root]
    while pending and len(inside) < MAX_OPS:
        for value in pending.pop().operands:
            op = value.producer
            if op is None or op in inside or op.name not in names or len(op.results) != 1:
                continue
            is_known = all(map(is_static, (*op.operands, op.result)))
            if is_known and all(reader in inside for reader in value.readers):
                inside.add(op)
                pending.append(op)
    return inside


def _is_transposed(value: Value) -> bool:
    return value.producer is not None and value.producer.name == "transpose"


def _takes_over(value: Value) -> bool:
    """Whether another order costs nothing: it only counts, or repeats what is much smaller."""
    op = value.producer
    if op is None or op.attributes.get("sharding"):
        return False
    if op.name == "iota":
        return not op.operands
    return op.name == "broadcast_in_dim" and 2 * elements(op.operands[0]) <= elements(value)


def _elementwise(pull: Pull, op: Operation, order: Order) -> Term:
    terms = [pull.term(v, order) if shape(v) else v for v in op.operands]
    return like(op, terms)[0]


def _reduction(pull: Pull, op: Operation, order: Order) -> Term:
    axes = integers(op, "axes")
    before = pull.order_before(axes, len(shape(op.operands[0])), order)
    moved = tuple(sorted(before.index(axis) for axis in axes))
    return like(op, [pull.term(op.operands[0], before)], axes=moved)[0]


def _squeeze(pull: Pull, op: Operation, order: Order) -> Term:
    axes = integers(op, "dimensions")
    before = pull.order_before(axes, len(shape(op.operands[0])), order)
    moved = tuple(sorted(before.index(axis) for axis in axes))
    return like(op, [pull.term(op.operands[0], before)], dimensions=moved)[0]


def _broadcast(pull: Pull, op: Operation, order: Order) -> Term:
    dims = [order.index(dim) for dim in integers(op, "broadcast_dimensions")]
    inner = tuple(int(i) for i in np.argsort(dims))
    term = pull.term(op.operands[0], inner) if dims else op.operands[0]
    return broadcast(term, _reordered(shape(op.result), order), sorted(dims))


def _iota(pull: Pull, op: Operation, order: Order) -> Term:
    del pull
    sizes = _reordered(shape(op.result), order)
    return like(op, [], shape=sizes, dimension=order.index(integer(op, "dimension")))[0]


def _along(name: str) -> Callable[[Pull, Operation, Order], Term]:
    """For ops that say by one attribute along which dimension they work."""

    def pulled(pull: Pull, op: Operation, order: Order) -> Term:
        terms = [pull.term(value, order) for value in op.operands]
        return like(op, terms, **{name: order.index(integer(op, name))})[0]

    return pulled


def _pad(pull: Pull, op: Operation, order: Order) -> Term:
    config = integer_table(op, "padding_config")
    operand, number = op.operands
    moved = tuple(config[dim] for dim in order)
    return like(op, [pull.term(operand, order), number], padding_config=moved)[0]


def _rev(pull: Pull, op: Operation, order: Order) -> Term:
    moved = tuple(sorted(order.index(dim) for dim in integers(op, "dimensions")))
    return like(op, [pull.term(op.operands[0], order)], dimensions=moved)[0]


def _by_dimension(*names: str) -> Callable[[Pull, Operation, Order], Term]:
    """For ops with attributes that have one entry for each dimension."""

    def pulled(pull: Pull, op: Operation, order: Order) -> Term:
        rows = {name: op.attributes[name] for name in names}
        moved = {
            name: tuple(row[dim] for dim in order) if isinstance(row, tuple) else row
            for name, row in rows.items()
        }
        return like(op, [pull.term(op.operands[0], order)], **moved)[0]

    return pulled


def _fft(pull: Pull, op: Operation, order: Order) -> Term:
    """Only the dimensions in front of those that are transformed change places."""
    count, rank = len(integers(op, "fft_lengths")), len(order)
    last = tuple(range(rank - count, rank))
    if order[rank - count :] != last:
        plain = like(op, [pull.term(op.operands[0], tuple(range(rank)))])[0]
        return transpose(plain, order)
    return like(op, [pull.term(op.operands[0], order)])[0]


def _reordered(sizes: tuple[int, ...], order: Order) -> tuple[int, ...]:
    return tuple(sizes[dim] for dim in order)


_WINDOW: Final = _by_dimension(
    "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"
)


def _extreme_window(pull: Pull, op: Operation, order: Order) -> Term:
    """The axes of a window keep their order: of equal elements the first takes the derivative."""
    sizes = integers(op, "window_dimensions")
    wide = [dim for dim in order if sizes[dim] != 1]
    if wide == sorted(wide):
        return _WINDOW(pull, op, order)
    plain = like(op, [pull.term(op.operands[0], tuple(range(len(order))))])[0]
    return transpose(plain, order)


Puller = Callable[[Pull, Operation, Order], Term]
_EXACT: Final[Mapping[str, Puller]] = {
    **dict.fromkeys(sorted(CORRECT), _elementwise),
    **dict.fromkeys(("convert_element_type", "stop_gradient"), _elementwise),
    **dict.fromkeys(("reduce_and", "reduce_max", "reduce_min", "reduce_or"), _reduction),
    **dict.fromkeys(("cummax", "cummin"), _along("axis")),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min"), _extreme_window),
    "broadcast_in_dim": _broadcast,
    "concatenate": _along("dimension"),
    "iota": _iota,
    "pad": _pad,
    "rev": _rev,
    "slice": _by_dimension("start_indices", "limit_indices", "strides"),
    "sort": _along("dimension"),
    "squeeze": _squeeze,
}
_ROUNDING: Final[Mapping[str, Puller]] = {
    **dict.fromkeys(sorted(APPROXIMATED), _elementwise),
    **dict.fromkeys(("reduce_prod", "reduce_sum"), _reduction),
    **dict.fromkeys(("cumlogsumexp", "cumprod", "cumsum"), _along("axis")),
    "fft": _fft,
    "reduce_window_sum": _WINDOW,
}
PULLS: Final[Mapping[str, Puller]] = {**_EXACT, **_ROUNDING}

EXACT_PULLS: Final = frozenset(_EXACT)
"""The ops through which a transpose may go without a change of any bit."""
ALL_PULLS: Final = frozenset(PULLS)
"""Those, and the ops that a device may round otherwise along another dimension."""
