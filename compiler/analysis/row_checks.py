"""What each op must keep to so that it treats rows one by one.

One small check per op, over types and attributes. None is the answer that it does; a text is the
reason why it is not known to. An op that is in neither table is never taken to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from compiler.analysis.row_indexing import (
    check_dynamic_slice,
    check_dynamic_update_slice,
    check_gather,
    check_scatter,
    is_window_start,
)
from compiler.analysis.row_types import Rows, rank, size_in
from compiler.ir.attributes import Attribute
from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.indexing import SCATTERS
from compiler.ops.parameters import dot_dimensions, field, integer
from compiler.ops.reduction import CUMULATIVE, REDUCTIONS

Check = Callable[[Operation, Rows], str | None]

SIZE_AS_VALUE: Final = "dim_as_value"
HARMLESS: Final = (
    ELEMENTWISE
    | frozenset([CONSTANT, "broadcast_in_dim", "iota", "squeeze", "transpose"])
    | frozenset(["bitcast_convert_type", "convert_element_type", "copy", "copy_p", "device_put"])
    | frozenset(["name", "optimization_barrier", "stack", "stop_gradient", "zeros_like"])
    | frozenset(["checkpoint", "closed_call", "cond", "core_call", "custom_jvp_call", "jit"])
    | frozenset(["custom_vjp_call", "custom_vjp_call_jaxpr", "pjit", "remat", "remat2", "while"])
    | frozenset(["threefry2x32"])
)
"""Ops that keep rows aligned whatever their attributes are.

They work element by element, or move axes whole, or only run ops that are checked themselves. A
branch or a loop is decided by a scalar, and none can come from rows that no op mixed.
"""


def _along(op: Operation, rows: Rows, *names: str) -> bool:
    """Whether one of the attributes names the axis in which an operand has its rows."""
    axes = {rows.axis(value) for value in op.operands} - {None}
    for name in names:
        value = op.attributes.get(name)
        listed = value if isinstance(value, tuple) else (value,)
        if any(item in axes for item in listed if isinstance(item, int)):
            return True
    return False


def _not_along(reason: str, *names: str) -> Check:
    """A check for ops that work along axes which their attributes name."""

    def check(op: Operation, rows: Rows) -> str | None:
        return reason if _along(op, rows, *names) else None

    return check


def _top_k(op: Operation, rows: Rows) -> str | None:
    axis = op.attributes.get("axis", rank(op.operands[0]) - 1)
    last = rank(op.operands[0]) - 1
    return "it picks among the rows" if rows.axis(op.operands[0]) in (axis, last) else None


def _reshape(op: Operation, rows: Rows) -> str | None:
    (source, *_), (result,) = op.operands, op.results
    if not rows.any_in([source, result]):
        return None
    place = rows.place(source)
    whole = op.attributes.get("dimensions") is None and place is not None
    return None if whole and place == rows.place(result) else "it breaks rows up"


def _pad(op: Operation, rows: Rows) -> str | None:
    entry = _entry(op, "padding_config", rows.axis(op.operands[0]))
    return None if entry in (None, (0, 0, 0)) else "it adds or cuts rows"


def _slice(op: Operation, rows: Rows) -> str | None:
    axis = rows.axis(op.operands[0])
    if axis is None:
        return None
    first = _entry(op, "start_indices", axis) == 0 and _entry(op, "strides", axis) in (None, 1)
    whole = size_in(op.operands[0], axis) == size_in(op.results[0], axis)
    return None if first and whole else "it takes some rows only"


def _tile(op: Operation, rows: Rows) -> str | None:
    return None if _entry(op, "reps", rows.axis(op.operands[0])) in (None, 1) else "it repeats rows"


def _dot(op: Operation, rows: Rows) -> str | None:
    contracting, _ = dot_dimensions(op)
    pairs = zip(op.operands, contracting, strict=False)
    summed = any(rows.axis(value) in axes for value, axes in pairs)
    return "it sums over the rows" if summed else None


def _convolution(op: Operation, rows: Rows) -> str | None:
    images, filters = op.operands
    if not rows.any_in([images, filters]):
        return None
    batch = field(op, "dimension_numbers", "lhs_spec")[0]
    if rows.axis(filters) is not None or rows.axis(images) != batch:
        return "the rows are not its batch"
    return None if integer(op, "batch_group_count") == 1 else "it groups rows"


def _window(op: Operation, rows: Rows) -> str | None:
    neutral = {"window_dimensions": 1, "window_strides": 1, "padding": (0, 0)}
    neutral |= {"base_dilation": 1, "window_dilation": 1}
    for value in op.operands:
        axis = rows.axis(value)
        if any(_entry(op, name, axis) not in (None, one) for name, one in neutral.items()):
            return "its window spans several rows"
    return None


def _random(op: Operation, rows: Rows) -> str | None:
    given = {rows.axis(value) for value in op.operands} - {None}
    made = {rows.axis(value) for value in op.results} - {None}
    return None if given == made else "what it draws depends on how many rows there are"


def _matrix(op: Operation, rows: Rows) -> str | None:
    for value in op.operands:
        axis = rows.axis(value)
        if axis is not None and axis >= rank(value) - 2:
            return "the rows are within its matrices"
    return None


def _fft(op: Operation, rows: Rows) -> str | None:
    lengths = op.attributes.get("fft_lengths")
    count = len(lengths) if isinstance(lengths, tuple) else rank(op.operands[0])
    axis = rows.axis(op.operands[0])
    inside = axis is not None and axis >= rank(op.operands[0]) - count
    return "it transforms along the rows" if inside else None


def _scan(op: Operation, rows: Rows) -> str | None:
    inputs = integer(op, "num_consts") + integer(op, "num_carry")
    slices = [*op.operands[inputs:], *op.results[integer(op, "num_carry") :]]
    along = any(rows.axis(value) == 0 for value in slices)
    counted = rows.named_in(_text(op.attributes.get("length")))
    return "it runs over the rows" if along or counted else None


def _size_as_value(op: Operation, rows: Rows) -> str | None:
    named = rows.named_in(_text(op.attributes.get("dim")))
    harmful = named and not _only_starts_windows(op.result, rows)
    return "the number of rows itself becomes a value" if harmful else None


def _only_starts_windows(number: Value, rows: Rows) -> bool:
    """Whether a number ends up as nothing but the start of windows that span all rows.

    JAX adds the size to a start below zero. A window of all rows starts at the first anyway.
    """
    pending = [number]
    while pending:
        for use in pending.pop().uses:
            op = use.operation
            if op.name in ELEMENTWISE or op.name == "convert_element_type":
                pending += op.results
            elif not is_window_start(use, rows):
                return False
    return True


def _entry(op: Operation, name: str, axis: int | None) -> Attribute:
    """An attribute's entry for an axis; None where there is none."""
    value = op.attributes.get(name)
    return value[axis] if isinstance(value, tuple) and axis is not None else None


def _text(value: Attribute) -> str:
    return str(getattr(value, "text", value))


_SUMS: Final = _not_along("it combines all rows into one", "axes", "dimensions")
_CUMULATES: Final = _not_along("it runs along the rows", "axis")
_ORDERS: Final = _not_along("it orders the rows", "dimension")
_JOINS: Final = _not_along("it joins or parts rows", "dimension", "axis")
_WINDOWS: Final = (
    *("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum"),
    *("select_and_gather_add", "select_and_scatter", "select_and_scatter_add"),
)
_RANDOM: Final = (
    *("random_bits", "random_clone", "random_fold_in", "random_seed", "random_split"),
    *("random_unwrap", "random_wrap"),
)
_MATRICES: Final = ("cholesky", "eigh", "lu", "qr", "svd", "triangular_solve")

CHECKS: Final[Mapping[str, Check]] = {
    **dict.fromkeys([*REDUCTIONS], _SUMS),
    **dict.fromkeys(CUMULATIVE, _CUMULATES),
    **dict.fromkeys(["concatenate", "split", "unstack"], _JOINS),
    **dict.fromkeys(_WINDOWS, _window),
    **dict.fromkeys(_RANDOM, _random),
    **dict.fromkeys(_MATRICES, _matrix),
    **dict.fromkeys(SCATTERS, check_scatter),
    "conv_general_dilated": _convolution,
    SIZE_AS_VALUE: _size_as_value,
    "dot_general": _dot,
    "dynamic_slice": check_dynamic_slice,
    "dynamic_update_slice": check_dynamic_update_slice,
    "fft": _fft,
    "gather": check_gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _not_along("it reverses the rows", "dimensions"),
    "scan": _scan,
    "slice": _slice,
    "sort": _ORDERS,
    "tile": _tile,
    "top_k": _top_k,
}
"""Ops that keep rows aligned only with the right attributes."""
