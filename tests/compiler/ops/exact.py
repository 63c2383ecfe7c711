"""Compares the host evaluators with XLA on the CPU, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import ml_dtypes
import numpy as np

import compiler.ops  # noqa: F401 fills the table
from compiler.ir.graph import Graph
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.definition import NotExact, lookup

INTEGERS = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
NARROW_FLOATS = ("float16", "bfloat16")
FLOATS = (*NARROW_FLOATS, "float32")


def dtype_of(name: str) -> np.dtype[Any]:
    """The element type of a numpy or ml_dtypes name."""
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def is_float(name: str) -> bool:
    return "float" in name


def edges(name: str) -> np.ndarray:
    """Values at which arithmetic of this type goes wrong if it can."""
    dtype = dtype_of(name)
    if name == "bool":
        return np.array([False, True])
    if is_float(name):
        return _float_edges(dtype)
    info = np.iinfo(dtype)
    near = [info.min, info.min + 1, info.max // 2, info.max - 1, info.max]
    small = [v for v in (-8, -3, -2, -1, 0, 1, 2, 3, 7, 8, 31, 33, 100) if v >= info.min]
    return np.array([*near, *small], dtype)


def _float_edges(dtype: np.dtype[Any]) -> np.ndarray:
    info = ml_dtypes.finfo(dtype)
    tiny, largest = float(info.smallest_normal), float(info.max)
    specials = [np.nan, np.inf, 0.0, tiny, largest, tiny / 2, float(info.eps)]
    ordinary = [0.25, 0.49999997, 0.5, 1.0, 1.5, 2.5, 3.0, 1 / 3, 10.0, 127.0, 200.5, 65000.0]
    values = np.array([*specials, *ordinary], np.float64)
    with np.errstate(over="ignore"):
        return np.concatenate([values, -values]).astype(dtype)


def all_tuples(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Every combination of the columns' elements, a flat array for each column."""
    return [grid.ravel() for grid in np.meshgrid(*columns, indexing="ij")]


def bits(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    """What two arrays must agree in to be the same to the bit."""
    host = np.asarray(array)
    return (host.dtype.name, host.shape, np.ascontiguousarray(host).tobytes())


def imported(function: Callable[..., Any], *arrays: Any) -> Graph:
    return import_jaxpr(jax.make_jaxpr(function)(*arrays))


def evaluate(graph: Graph, arrays: Sequence[Any]) -> list[np.ndarray]:
    """The graph's outputs by the host evaluators alone; raises NotExact if one refuses."""
    env = dict(zip(graph.parameters, (np.asarray(a) for a in arrays), strict=True))
    for op in graph.body:
        if op.is_terminator:
            break
        evaluator = lookup(op.name).evaluate
        assert evaluator is not None, f"{op.name} has no evaluator"
        results = evaluator(op, [env[value] for value in op.operands])
        for value, result in zip(op.results, results, strict=True):
            assert result.dtype == value.type.dtype, op.name
            assert result.shape == value.type.shape, op.name
            env[value] = result
    return [env[value] for value in graph.outputs]


def check_arrays(function: Callable[..., Any], *arrays: Any) -> None:
    """The evaluators give what XLA gives on whole arrays, and refuse nothing."""
    found = evaluate(imported(function, *arrays), arrays)
    wanted = jax.tree.leaves(jax.jit(function)(*arrays))
    assert [bits(a) for a in found] == [bits(a) for a in wanted]


def check_elements(function: Callable[..., Any], *columns: np.ndarray) -> list[tuple[Any, ...]]:
    """The evaluators give what XLA gives on every combination of elements, or refuse.

    Returns the combinations that were refused.
    """
    operands = all_tuples(columns)
    wanted = np.asarray(jax.jit(function)(*operands))
    graph = imported(function, *(column[0] for column in operands))
    refused: list[tuple[Any, ...]] = []
    for index, row in enumerate(zip(*operands, strict=True)):
        try:
            (found,) = evaluate(graph, row)
        except NotExact:
            refused.append(row)
            continue
        assert bits(found) == bits(wanted[index]), f"{row}: {found} is not {wanted[index]}"
    return refused
