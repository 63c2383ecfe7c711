"""A stage of a region as a loop nest over its rows, in a branch on the platform."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Final, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Graph, Value
from compiler.lowering import jax_compat
from compiler.lowering.blocks import Step, Window
from compiler.lowering.export_jax import constant_value, export_jaxpr
from compiler.ops.host import host
from compiler.ops.parameters import element_kind, number_type, static_shape
from compiler.passes.tile import offer
from compiler.rewrite.regions import graph_between
from compiler.rewrite.stages import Places, Stage

PLATFORM: Final = "cpu"

_Cut: TypeAlias = "dict[tuple[Value, Places], Any]"


def tiled(stage: Stage, inputs: Sequence[Value], outputs: Sequence[Value], rows: int) -> Graph:
    """A graph of the stage's outputs from its inputs: by loops on a CPU, as it was elsewhere.

    Args:
        stage: what is computed.
        inputs: the values from outside that its ops read.
        outputs: the values of it that are wanted; none of them is large but sums over rows.
        rows: how many places of the innermost loop's axis are computed at a time.
    """
    whole = jax_compat.jaxpr_function(export_jaxpr(graph_between(inputs, outputs)))
    nest = _Nest(stage, inputs, outputs, rows)

    def chosen(*operands: Any) -> Any:
        ways: dict[str, Callable[..., Any]] = {PLATFORM: nest}
        return lax.platform_dependent(*operands, **ways, default=lambda *a: tuple(whole(*a)))

    return host().trace(chosen, [value.type for value in inputs])


class _Nest:
    """The loops, as a JAX function of the inputs."""

    def __init__(
        self, stage: Stage, inputs: Sequence[Value], outputs: Sequence[Value], rows: int
    ) -> None:
        self._stage = stage
        self._rows = rows
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._body = [Step(op, stage.ends[op]) for op in stage.ordered()]

    def __call__(self, *operands: Any) -> tuple[Any, ...]:
        known = dict(zip(self._inputs, operands, strict=True))
        *outer, rows = self._stage.sizes
        at_once = min(self._rows, rows)
        whole, rest = divmod(rows, at_once)

        def each(index: Any, results: Any) -> Any:
            places = _unraveled(index, outer)
            run = partial(self._block, known, places, self._whole_rows(known, places))
            blocks = lax.fori_loop(
                0, whole, lambda i, found: run(i * at_once, at_once, found), results
            )
            return run(whole * at_once, rest, blocks) if rest else blocks

        empty = [self._empty(value) for value in self._outputs]
        times = prod(outer)
        found = lax.fori_loop(0, times, each, empty) if times > 1 else each(0, empty)
        return tuple(map(self._in_order, self._outputs, found))

    def _order(self, value: Value) -> tuple[int, ...]:
        """The axes of an output as it is stored: those of the loops first, so that rows are whole.

        A product whose rows come last is that of its operands the other way round, transposed;
        stored as it is, it is computed by the loop over whole rows.
        """
        places = self._stage.places.get(value, ())
        first = [place for place in places if place is not None]
        return (*first, *(i for i in range(len(static_shape(value))) if i not in first))

    def _empty(self, value: Value) -> Any:
        sizes = static_shape(value)
        stored = [sizes[axis] for axis in self._order(value)]
        dtype = number_type(value)
        return jnp.zeros(stored, _wide(dtype) if value in self._stage.sums else dtype)

    def _in_order(self, value: Value, array: Any) -> Any:
        order = self._order(value)
        found = lax.transpose(array, [order.index(i) for i in range(len(order))])
        return lax.convert_element_type(found, number_type(value))

    def _whole_rows(self, known: Mapping[Value, Any], outer: Sequence[Any]) -> _Cut:
        """What all blocks of rows read alike, cut from the inputs before the loop over them."""
        window = Window((*outer, 0), (*(1 for _ in outer), 1))
        reads = dict.fromkeys(  # no set, whose order is another one in every process
            (value, places)
            for step in self._body
            for value, places in zip(step.op.operands, step.operands, strict=True)
            if value not in self._stage.places and places[-1] is None
        )
        return {(v, places): window.of(_given(known, v), places) for v, places in reads}

    def _block(
        self,
        known: Mapping[Value, Any],
        outer: Sequence[Any],
        alike: _Cut,
        row: Any,
        count: int,
        found: Any,
    ) -> list[Any]:
        """The outputs after one more block of rows."""
        window = Window((*outer, row), (*(1 for _ in outer), count))
        values: dict[Value, Any] = {}
        cut = dict(alike)

        def read(value: Value, places: Places) -> Any:
            if value in values:
                return values[value]
            if (value, places) not in cut:
                cut[value, places] = window.of(_given(known, value), places)
            return cut[value, places]

        for step in self._body:
            operands = [read(v, p) for v, p in zip(step.op.operands, step.operands, strict=True)]
            values.update(zip(step.op.results, step.run(operands, window), strict=True))
        return [
            self._with(value, window, array, values[value])
            for value, array in zip(self._outputs, found, strict=True)
        ]

    def _with(self, value: Value, window: Window, array: Any, part: Any) -> Any:
        """An output with the part of it that a block has computed, or added up."""
        sums = self._stage.sums.get(value)
        if sums is None:
            order = self._order(value)
            places = tuple(None if p is None else order.index(p) for p in self._stage.places[value])
            return window.put(array, lax.transpose(part, order), places)
        part = lax.convert_element_type(part, array.dtype)
        return window.put(array, window.of(array, sums, like=part) + part, sums)


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The element type in which blocks' sums are added up: a short float soon stops growing."""
    short = element_kind(dtype) == "f" and dtype.itemsize < np.dtype(np.float32).itemsize
    return np.dtype(np.float32) if short else dtype


def _given(known: Mapping[Value, Any], value: Value) -> Any:
    if value in known:
        return known[value]
    assert value.producer is not None
    return jnp.asarray(constant_value(value.producer.attributes["value"]))


def _unraveled(index: Any, sizes: Sequence[int]) -> list[Any]:
    """The place in each of some nested loops."""
    places: list[Any] = []
    for size in reversed(sizes):
        places.append(lax.rem(index, size))
        index = lax.div(index, size)
    return places[::-1]


offer(tiled)
