"""The values that a graph is evaluated on: one for each parameter, and of its type."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Value
from compiler.ir.types import ArrayType, ExtendedDType, Type
from compiler.lowering import jax_compat
from compiler.lowering.convert_types import to_jax_dtype
from compiler.lowering.on_host import device_array

Values = Sequence[Any]


def numeric_dtype(type: Type) -> np.dtype[Any] | None:
    """The element type of ordinary arrays; None for keys, float0, references and tokens."""
    if not isinstance(type, ArrayType) or isinstance(type.dtype, ExtendedDType):
        return None
    return type.dtype if type.dtype.fields is None else None


def arguments_of(graph: Graph, arrays: Values) -> list[Any]:
    """A value for each parameter, converted where only the kind of object differs."""
    given = list(arrays)
    if len(given) != len(graph.parameters):
        captured = [info.handle for info in graph.parameter_info if info.captured]
        if None in captured or len(captured) + len(given) != len(graph.parameters):
            raise _wrong_number(graph, len(given))
        given = [*captured, *given]
    pairs = zip(given, graph.parameters, strict=True)
    return [_argument(value, parameter, graph) for value, parameter in pairs]


def _argument(value: Any, parameter: Value, graph: Graph) -> Any:
    type, dtype = parameter.type, numeric_dtype(parameter.type)
    if dtype is not None and not isinstance(value, jax.Array):
        value = device_array(value, dtype)
    check_value(
        value, type, f"the argument %{parameter.hint or parameter.index}", f"graph @{graph.name}"
    )
    return value


def check_value(value: Any, type: Type, what: str, where: object) -> None:
    """Raises if an array does not have the type; references and unknown sizes are not looked at."""
    if not isinstance(type, ArrayType) or not type.is_static or jax_compat.is_ref(value):
        return
    if np.shape(value) == type.shape and value.dtype == to_jax_dtype(type.dtype):
        return
    raise TracegraphError(
        f"{what} has another type than the graph says",
        where=str(where),
        expected=str(type),
        found=f"{value.dtype}{list(np.shape(value))}",
        hint="correct the graph's text, or the rewrite that made the op; pass arrays of its types",
    )


def _wrong_number(graph: Graph, count: int) -> TracegraphError:
    names = [
        f"%{value.hint or value.index}: {value.type}{' (captured)' if info.captured else ''}"
        for value, info in zip(graph.parameters, graph.parameter_info, strict=True)
    ]
    return TracegraphError(
        f"{count} values do not fit the parameters of graph @{graph.name}",
        where=f"graph @{graph.name}",
        expected=", ".join(names) or "no values",
        found=f"{count} values",
        hint="pass a value for each parameter; captured ones may be left out of a graph that was "
        "captured here",
    )
