"""``constants``: the arrays that a function carries along without being given them."""

# numpy and jax annotate their arrays in part only.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from compiler.ir.attributes import Dense, Opaque
from compiler.ir.graph import CONSTANT, Graph, Operation, Value
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.origins import outer_value, user_location
from compiler.ir.types import ArrayType, DType, ExtendedDType, dtype_name
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from tracegraph.boundary import boundary
from tracegraph.debug.reach import reachable
from tracegraph.debug.target import target_of, trace_call

jax_compat.hide_frames(__file__)


@dataclass(frozen=True, slots=True)
class Constant:
    """An array that a function has captured.

    Attributes:
        name: the words for it in the function's code, such as ``weights`` or ``self.table``; empty
            where no variable in reach holds it, as with an array made while tracing.
        shape: its shape.
        dtype: its element type.
        nbytes: its size in bytes.
        location: the user's line that first uses it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    location: Location


class Constants(tuple[Constant, ...]):
    """The captured arrays of a function, the largest first. ``print`` shows them as a table."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return sum(row.nbytes for row in self)

    def __str__(self) -> str:
        if not self:
            return "no captured arrays"
        cells = [("bytes", "type", "name", "first used at"), *map(_cells, self)]
        widths = [max(len(row[i]) for row in cells) for i in range(3)]
        lines = [
            f"{size:>{widths[0]}}  {kind:<{widths[1]}}  {name:<{widths[2]}}  {place}"
            for size, kind, name, place in cells
        ]
        return "\n".join([*lines, f"{self.nbytes:,} bytes in {len(self)} captured arrays"])


def _cells(row: Constant) -> tuple[str, str, str, str]:
    kind = f"{row.dtype}{list(row.shape)}".replace(" ", "")
    return f"{row.nbytes:,}", kind, row.name or "(no name)", str(row.location)


@boundary
def constants(step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Constants:
    """The arrays that a function captures from closures and globals, for these arguments.

    Such an array is compiled into the program or held beside it: it is not seen as an argument, is
    not donated or sharded with them, and a new one means a new trace.

    Args:
        step: a decorated function, or any other.
        *args: the function's arguments; nothing is run.
        **kwargs: its keyword arguments.

    Returns:
        A row for each array, the largest first. Numbers are not listed.
    """
    target = target_of(step)
    graph = trace_call(target, args, kwargs).graph()
    names = _Names(target.fun)
    rows: dict[int, Constant] = {}
    for value, array in _captured(graph):
        if id(array) not in rows:
            rows[id(array)] = _row(names, value, array)
    return Constants(sorted(rows.values(), key=lambda row: -row.nbytes))


def _captured(graph: Graph) -> Iterator[tuple[Value, Any]]:
    """The values of captured arrays, and the arrays."""
    for value, info in zip(graph.parameters, graph.parameter_info, strict=True):
        if info.captured:
            yield value, info.handle
    for op in walk(graph):
        array = _array(op) if op.name == CONSTANT else None
        if array is not None:
            yield op.result, array


def _array(op: Operation) -> Any:
    """The array in a constant; None for a number."""
    held = op.attributes["value"]
    if isinstance(held, Opaque):
        return held.handle
    if not isinstance(held, Dense) or held.shape == ():
        return None
    return held.array if held.handle is None else held.handle


def _row(names: _Names, value: Value, array: Any) -> Constant:
    type = value.type
    shape = tuple(int(dim) for dim in np.shape(array))
    dtype = _dtype(type.dtype) if isinstance(type, ArrayType) else str(type)
    nbytes = type.nbytes if isinstance(type, ArrayType) else int(getattr(array, "nbytes", 0))
    return Constant(names.of(array), shape, dtype, nbytes, _first_use(value))


def _dtype(dtype: DType) -> str:
    return dtype.name if isinstance(dtype, ExtendedDType) else dtype_name(dtype)


def _first_use(value: Value) -> Location:
    """The user's line of the first op that reads a value, inside a call or a loop too."""
    region = value.region
    if region is None:
        return UNKNOWN
    readers = set(value.readers)
    op = next((op for op in region if op in readers), None)
    if op is None or op.is_terminator:
        return UNKNOWN
    parameters = [value for region in op.regions for value in region.parameters]
    inner = [_first_use(one) for one in parameters if outer_value(one) is value]
    return next((location for location in inner if location.frames), user_location(op))


class _Names:
    """The words for arrays in a function's code."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._by_id: dict[int, str] = {}
        self._on_host: list[tuple[str, Any]] = []
        self._kept: list[object] = []  # so that no number is taken by another object
        for name, value in reachable(function):
            if isinstance(value, jax.Array | np.ndarray):
                self._kept.append(value)
                self._by_id.setdefault(id(value), name)
                self._on_host += [(name, value)] if isinstance(value, np.ndarray) else []

    def of(self, array: Any) -> str:
        """The words for an array; of a numpy array JAX holds a copy, which must be equal."""
        found = self._by_id.get(id(array))
        if found is not None:
            return found
        return next((name for name, host in self._on_host if _is_copy(array, host)), "")


def _is_copy(array: Any, host: Any) -> bool:
    if np.shape(array) != np.shape(host) or not isinstance(getattr(array, "dtype", None), np.dtype):
        return False
    same = np.asarray(array) == np.asarray(host).astype(array.dtype)
    return bool(np.all(same | (np.asarray(array) != np.asarray(array))))
