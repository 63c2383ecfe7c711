"""Ops at the sizes of a block: some places along the axes of loops, all of the other axes."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.axes import Ends
from compiler.ir.graph import Operation
from compiler.lowering.export_jax import primitive_and_params
from compiler.ops.parameters import dot_dimensions, integer, static_shape
from compiler.rewrite.stages import Places


class Window:
    """The places that one block has in the axes of the loops.

    Args:
        starts: the first in each axis.
        sizes: how many in each.
    """

    def __init__(self, starts: Sequence[Any], sizes: Sequence[int]) -> None:
        self.starts = tuple(starts)
        self.sizes = tuple(sizes)

    def shape(self, whole: Sequence[int], places: Places) -> tuple[int, ...]:
        """The sizes of a value within the block."""
        found = list(whole)
        for place, size in zip(places, self.sizes, strict=True):
            if place is not None:
                found[place] = size
        return tuple(found)

    def of(self, array: Any, places: Places, like: Any = None) -> Any:
        """The part of an array that lies in the block."""
        if all(place is None for place in places):
            return array
        shape = self.shape(array.shape, places) if like is None else like.shape
        begin = self._begin(array, places)
        return lax.dynamic_slice(array, begin, shape, allow_negative_indices=False)

    def put(self, array: Any, part: Any, places: Places) -> Any:
        """The array with the block's part of it replaced."""
        if all(place is None for place in places):
            return part
        begin = self._begin(array, places)
        return lax.dynamic_update_slice(array, part, begin, allow_negative_indices=False)

    def _begin(self, array: Any, places: Places) -> list[Any]:
        begin: list[Any] = [0] * array.ndim
        for place, start in zip(places, self.starts, strict=True):
            if place is not None:
                begin[place] = start
        return begin


class Step:
    """An op at the sizes of a block.

    Args:
        op: the op.
        ends: where the axes of the loops lie at it, the one of which a block has rows last.

    Attributes:
        op: the op.
        operands: where the axes lie in each operand.
    """

    def __init__(self, op: Operation, ends: Sequence[Ends]) -> None:
        self.op = op
        self.operands = [
            tuple(one.operands[slot] for one in ends) for slot in range(len(op.operands))
        ]
        self._result = tuple(one.result for one in ends)
        self._primitive, self._params = primitive_and_params(op)

    def run(self, operands: Sequence[Any], window: Window) -> Sequence[Any]:
        """Its results for the block."""
        params = self._params
        sized = _SIZED.get(self.op.name)
        if sized is not None:
            shape = window.shape(static_shape(self.op.result), self._result)
            params = {**params, sized: shape}
        if self.op.name == "dot_general":
            return [self._product(operands)]
        if self.op.name == "iota":
            return [self._numbers(params, window)]
        found = self._primitive.bind(*operands, **params)
        return found if self._primitive.multiple_results else [found]

    def _product(self, operands: Sequence[Any]) -> Any:
        """A product without the axes of which a block has one place: XLA is best at matrices."""
        dropped = [sorted(p for p in places[:-1] if p is not None) for places in self.operands]
        left, right = (
            lax.squeeze(array, axes) for array, axes in zip(operands, dropped, strict=True)
        )
        numbers = _without(dot_dimensions(self.op), dropped)
        units = sorted(place for place in self._result[:-1] if place is not None)
        if numbers == _TRANSPOSED and left.ndim == right.ndim == 2:
            found = self._bound(right, left, (((1,), (0,)), ((), ())))
            return _swapped(lax.expand_dims(found, units), units)
        return lax.expand_dims(self._bound(left, right, numbers), units)

    def _bound(self, left: Any, right: Any, numbers: Any) -> Any:
        return self._primitive.bind(left, right, **{**self._params, "dimension_numbers": numbers})

    def _numbers(self, params: Mapping[str, Any], window: Window) -> Any:
        """Numbers that count along the axis of a loop begin where the block does.

        They are counted as integers: a narrow float cannot hold where a late block begins.
        """
        count = self._primitive.bind(**{**params, "dtype": np.dtype(np.int32)})
        for place, start in zip(self._result, window.starts, strict=True):
            if place == integer(self.op, "dimension"):
                count = count + jnp.asarray(start, count.dtype)
        return lax.convert_element_type(count, params["dtype"])


_TRANSPOSED: Final = (((0,), (1,)), ((), ()))
"""The product of two transposed matrices, which is that of them the other way round, transposed."""


def _swapped(array: Any, units: Sequence[int]) -> Any:
    """The array with its two axes exchanged that are none of these."""
    first, second = (axis for axis in range(array.ndim) if axis not in units)
    order = list(range(array.ndim))
    order[first], order[second] = second, first
    return lax.transpose(array, order)


def _without(numbers: Any, dropped: Sequence[Sequence[int]]) -> Any:
    """A product's dimension numbers where some axes of the operands are gone."""
    found = [
        [
            tuple(i - sum(gone < i for gone in axes) for i in side if i not in axes)
            for side, axes in zip(pair, dropped, strict=True)
        ]
        for pair in numbers
    ]
    return tuple(map(tuple, found))


_SIZED: Final = {"broadcast_in_dim": "shape", "iota": "shape", "reshape": "new_sizes"}
"""Ops whose parameters say how large the result is."""
