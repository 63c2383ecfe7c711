"""Exact host evaluation of ops that move, repeat, select or reduce elements.

Moving elements never looks at their bits, so any element type that numpy can hold is fine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.graph import Operation
from compiler.ops.definition import Evaluator, NotExact
from compiler.ops.floats import FLOATS, check_no_denormal, check_no_nan, check_zero_signs
from compiler.ops.parameters import (
    dtype,
    integer,
    integer_table,
    integers,
    number_type,
    optional_integers,
    static_shape,
)

_PACKED: Final = re.compile(r"u?int[124]$|float[46]_")
"""Element types of fewer bits than the byte that numpy has for each."""


def evaluate_reshape(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The same elements in row-major order under another shape."""
    if optional_integers(op, "dimensions") is not None:
        raise NotExact("a reshape that permutes is not evaluated")
    return (_static_operand(operands).reshape(_result_shape(op)),)


def evaluate_transpose(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The dimensions in another order."""
    return (np.transpose(operands[0], integers(op, "permutation")),)


def evaluate_broadcast_in_dim(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Repeats elements along new dimensions and along those of size one."""
    array, shape = _static_operand(operands), _result_shape(op)
    dims = integers(op, "broadcast_dimensions")
    expanded = [1] * len(shape)
    for place, size in zip(dims, array.shape, strict=True):
        expanded[place] = size
    return (np.broadcast_to(array.reshape(expanded), shape),)


def evaluate_squeeze(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Drops dimensions of size one."""
    return (operands[0].reshape(_result_shape(op)),)


def evaluate_rev(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Reverses the order along some dimensions."""
    return (np.flip(operands[0], integers(op, "dimensions")),)


def evaluate_concatenate(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Joins arrays along one dimension."""
    return (np.concatenate(operands, axis=integer(op, "dimension")),)


def evaluate_slice(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Every stride-th element between two corners."""
    start, limit = integers(op, "start_indices"), integers(op, "limit_indices")
    strides = optional_integers(op, "strides") or (1,) * len(start)
    window = tuple(slice(*bounds) for bounds in zip(start, limit, strides, strict=True))
    return (operands[0][window],)


def evaluate_pad(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Pads the edges and between elements; a negative edge cuts off."""
    array, filler = operands
    config = integer_table(op, "padding_config")
    sizes = [
        size + max(size - 1, 0) * gap for size, (_, _, gap) in zip(array.shape, config, strict=True)
    ]
    padded = [
        s + max(low, 0) + max(high, 0) for s, (low, high, _) in zip(sizes, config, strict=True)
    ]
    out = np.full(padded, filler, array.dtype)
    inner = tuple(
        slice(max(low, 0), max(low, 0) + size, gap + 1)
        for size, (low, _, gap) in zip(sizes, config, strict=True)
    )
    out[inner] = array
    return (out[tuple(_cut(n, row) for n, row in zip(padded, config, strict=True))],)


def _cut(size: int, row: tuple[int, ...]) -> slice:
    low, high = row[:2]
    return slice(max(-low, 0), size - max(-high, 0))


def evaluate_iota(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Counts up from zero along one dimension."""
    if operands:
        raise NotExact("an iota of a dynamic shape is not evaluated")
    shape, axis = _result_shape(op), integer(op, "dimension")
    target = dtype(op, "dtype")
    if 0 in shape:  # the numbers along the other axes may be very many
        return (np.empty(shape, target),)
    numbers = np.arange(shape[axis])
    converted = numbers.astype(target)
    if not np.array_equal(converted.astype(np.int64), numbers):
        raise NotExact(f"{target} does not hold every number of this iota")
    lines = converted.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return (np.broadcast_to(lines, shape),)


def evaluate_select_n(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Takes each element from the case that the first operand names."""
    which, *cases = operands
    index = which.astype(np.int32)
    if bool(np.any((index < 0) | (index >= len(cases)))):
        raise NotExact("an index outside the cases has no fixed meaning")
    result = np.empty(_result_shape(op), cases[0].dtype)
    for number, case in enumerate(cases):
        np.copyto(result, case, where=index == number)
    return (result,)


def evaluate_bitcast(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The same bits as another element type."""
    source, target = operands[0].dtype, number_type(op.result)
    if (
        {source.kind, target.kind} & {"b", "c"}
        or source.itemsize != target.itemsize
        or any(_PACKED.match(type.name) for type in (source, target))
    ):
        raise NotExact("only element types of one whole width are cast")
    return (np.ascontiguousarray(operands[0]).view(target).reshape(_result_shape(op)),)


def evaluate_split(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Cuts an array into pieces along one dimension."""
    ends = np.cumsum(integers(op, "sizes"))[:-1].tolist()
    return tuple(np.split(operands[0], ends, axis=integer(op, "axis")))


def evaluate_stack(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Joins arrays along a new dimension."""
    return (np.stack(operands, axis=integer(op, "axis")),)


def evaluate_unstack(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The slices along one dimension, which goes away."""
    return tuple(np.moveaxis(operands[0], integer(op, "axis"), 0))


def evaluate_tile(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Repeats the whole array along its dimensions."""
    return (np.tile(operands[0], integers(op, "reps")).reshape(_result_shape(op)),)


def evaluate_real(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The real parts."""
    del op
    return (np.real(operands[0]),)


def evaluate_imag(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """The imaginary parts."""
    del op
    return (np.imag(operands[0]),)


def evaluate_dynamic_slice(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """A window of fixed size, moved inside where it would stick out."""
    array, *starts = operands
    return (array[_window(array, starts, integers(op, "slice_sizes"))],)


def evaluate_dynamic_update_slice(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
    """Writes a window of the array, moved inside where it would stick out."""
    del op
    array, update, *starts = operands
    result = array.copy()
    result[_window(array, starts, update.shape)] = update
    return (result,)


def _window(array: Array, starts: Sequence[Array], sizes: Sequence[int]) -> tuple[slice, ...]:
    if len(starts) != array.ndim:
        raise NotExact("a slice of a dynamic shape is not evaluated")
    begin = [
        min(max(int(start), 0), total - size)
        for start, size, total in zip(starts, sizes, array.shape, strict=True)
    ]
    return tuple(slice(b, b + size) for b, size in zip(begin, sizes, strict=True))


def reduction(function: np.ufunc, *, picks: bool = False) -> Evaluator:
    """An evaluator that reduces over ``axes``, on integers and where asked on floats.

    Args:
        function: combines two elements; integers wrap, as they do on a device.
        picks: whether it picks one of the elements, so that floats stay exact too.
    """

    def evaluate(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
        (array,), axes = operands, integers(op, "axes")
        _check_reducible(array, floats=picks)
        if array.dtype in FLOATS:
            _check_picking(array, axes)
        result = function.reduce(array, axis=axes, dtype=array.dtype)
        return (np.asarray(result, array.dtype).reshape(_result_shape(op)),)

    return evaluate


def argument(function: Callable[..., Array]) -> Evaluator:
    """An evaluator for the first index of an extreme element along one axis."""

    def evaluate(op: Operation, operands: Sequence[Array]) -> Sequence[Array]:
        (array,), (axis,) = operands, integers(op, "axes")
        _check_reducible(array, floats=True)
        if array.dtype in FLOATS:
            check_no_nan(array)
            check_no_denormal(array)
        return (np.asarray(function(array, axis=axis)).astype(dtype(op, "index_dtype")),)

    return evaluate


def _check_reducible(array: Array, *, floats: bool) -> None:
    # numpy has no identity for the extremes of nothing, and one rule for all keeps this simple.
    if array.size == 0:
        raise NotExact("an empty reduction is left to the device")
    if array.dtype in FLOATS and floats:
        return
    if array.dtype.isbuiltin != 1 or array.dtype.kind not in "iub":
        raise NotExact(f"a reduction of {array.dtype} has no fixed order")


def _check_picking(array: Array, axes: tuple[int, ...]) -> None:
    check_no_nan(array)
    check_no_denormal(array)
    moved = np.moveaxis(array, axes, range(len(axes)))
    lines = moved.reshape(-1, *moved.shape[len(axes) :])
    check_zero_signs(*lines)


def _static_operand(operands: Sequence[Array]) -> Array:
    if len(operands) != 1:
        raise NotExact("a dynamic shape is not evaluated")
    return operands[0]


def _result_shape(op: Operation) -> tuple[int, ...]:
    return static_shape(op.result)
