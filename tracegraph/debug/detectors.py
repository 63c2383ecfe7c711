"""What makes an op go bad: one detector per check, asked while the checked program is traced."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from compiler.ir.attributes import EnumValue, Record
from compiler.ir.graph import Operation, Value
from compiler.ir.origins import enclosing
from compiler.lowering import jax_compat
from compiler.lowering.arguments import numeric_dtype
from compiler.ops import shape
from compiler.ops.indexing import SCATTERS
from compiler.ops.parameters import field, integer, integers, static_shape

Values = Sequence[Any]

jax_compat.hide_frames(__file__)

_CONVERT: Final = frozenset({"bitcast_convert_type", "convert_element_type", "reduce_precision"})
_MOVES: Final = (
    frozenset(definition.name for definition in shape.DEFINITIONS)
    | {"abs", "ceil", "clamp", "conj", "copy", "copy_p", "cummax", "cummin", "dynamic_slice"}
    | {"dynamic_update_slice", "floor", "imag", "max", "min", "name", "neg", "real", "round"}
    | {"optimization_barrier", "select_n", "sign", "sort", "top_k"}
) - _CONVERT
"""Ops whose results hold no nan and no infinity that their operands do not hold."""

_DROPPING: Final = frozenset({"bincount", "nonzero", "_unique", "unique"})
"""Functions of jax.numpy that count on what falls outside being dropped."""


class Facts:
    """What is known of the values of one run of a region, each asked for once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Value], Any] = {}

    def any(self, what: str, values: Sequence[Value], arrays: Values) -> Any:
        """Whether any array holds a nan or an infinity; None where none of their types could."""
        found = [
            self._one(what, value, array)
            for value, array in zip(values, arrays, strict=True)
            if is_inexact(value)
        ]
        return _either(found)

    def _one(self, what: str, value: Value, array: Any) -> Any:
        key = what, value
        if key not in self._known:
            self._known[key] = jnp.any(_TESTS[what](array))
        return self._known[key]


def is_inexact(value: Value) -> bool:
    """Whether a value is an array that can hold a nan."""
    dtype = numeric_dtype(value.type)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _is_nan(array: Any) -> Any:
    return jnp.not_equal(array, array)


_TESTS: Final[Mapping[str, Callable[[Any], Any]]] = {"nan": _is_nan, "inf": jnp.isinf}


def holds_any(what: Sequence[str], array: Any) -> Any:
    """Where an array holds a nan, an infinity, or either, as ``what`` asks."""
    return ~jnp.isfinite(array) if len(what) > 1 else _TESTS[what[0]](array)


def may_go_bad(op: Operation, checks: Sequence[str]) -> bool:
    """Whether any of the checks concerns an op at all."""
    return any(_CONCERNS[check](op) for check in checks)


def _either(found: Sequence[Any]) -> Any:
    return jnp.any(jnp.stack(found)) if found else None


def _can_hold(op: Operation) -> bool:
    return op.name not in _MOVES and any(map(is_inexact, op.results))


def _divides(op: Operation) -> bool:
    if op.name == "integer_pow":
        return integer(op, "y") < 0
    return op.name in ("div", "rem")


def _indexes(op: Operation) -> bool:
    return op.name in _BOUNDS and not _drops_on_purpose(op)


Detector = Callable[[Operation, Values, Values, Facts], Any]
"""Whether the op went bad, as a traced bool; None where it cannot."""


def _newly(what: str) -> Detector:
    def detect(op: Operation, operands: Values, results: Values, facts: Facts) -> Any:
        if not _can_hold(op):
            return None
        found = facts.any(what, op.results, results)
        before = facts.any(what, op.operands, operands) if found is not None else None
        return found if before is None else found & ~before

    return detect


def _division(op: Operation, operands: Values, results: Values, facts: Facts) -> Any:
    del results, facts
    return jnp.any(operands[-1] == 0) if _divides(op) else None


def _index(op: Operation, operands: Values, results: Values, facts: Facts) -> Any:
    del results, facts
    return _BOUNDS[op.name](op, operands) if _indexes(op) else None


def _drops_on_purpose(op: Operation) -> bool:
    """Whether the program has said what becomes of indices outside.

    Batching makes clipping gathers and scatters of slices whose places are clamped: those count.
    """
    mode = op.attributes.get("mode")
    clips = isinstance(mode, EnumValue) and mode.member == "CLIP"
    at: Operation | None = op
    while at is not None:
        clips = clips and "vmap(" not in at.location.name_stack
        if at.attributes.get("name") in _DROPPING or _called_by(at) & _DROPPING:
            return True
        at = enclosing(at)
    return clips


def _called_by(op: Operation) -> set[str]:
    """The functions of JAX that the user's line called and that made the op."""
    handle = op.location.handle
    found = [] if handle is None else jax_compat.library_functions(handle)
    return {name.rpartition(":")[2] for name in found}


def _dynamic_slice(op: Operation, operands: Values) -> Any:
    return _slice_outside(op, operands[1:], integers(op, "slice_sizes"))


def _dynamic_update_slice(op: Operation, operands: Values) -> Any:
    return _slice_outside(op, operands[2:], static_shape(op.operands[1]))


def _slice_outside(op: Operation, starts: Values, window: Sequence[int]) -> Any:
    rooms = [size - part for size, part in zip(static_shape(op.operands[0]), window, strict=True)]
    return _either([_outside(start, room) for start, room in zip(starts, rooms, strict=True)])


def _gather(op: Operation, operands: Values) -> Any:
    places = _numbers(op, "start_index_map")
    return _places_outside(op, operands[1], places, integers(op, "slice_sizes"))


def _scatter(op: Operation, operands: Values) -> Any:
    updates = static_shape(op.operands[2])
    dropped = {*_numbers(op, "inserted_window_dims"), *_numbers(op, "operand_batching_dims")}
    sizes = iter([updates[dim] for dim in _numbers(op, "update_window_dims")])
    rank = len(static_shape(op.operands[0]))
    window = [1 if dim in dropped else next(sizes) for dim in range(rank)]
    places = _numbers(op, "scatter_dims_to_operand_dims")
    return _places_outside(op, operands[1], places, window)


def _places_outside(
    op: Operation, indices: Any, places: Sequence[int], window: Sequence[int]
) -> Any:
    shape = static_shape(op.operands[0])
    return _either(
        [_outside(indices[..., i], shape[dim] - window[dim]) for i, dim in enumerate(places)]
    )


def _outside(index: Any, room: int) -> Any:
    wide = jnp.asarray(index).astype(jax.dtypes.canonicalize_dtype(np.int64))
    return jnp.any((wide < 0) | (wide > room))


def _numbers(op: Operation, name: str) -> tuple[int, ...]:
    record = op.attributes["dimension_numbers"]
    known = isinstance(record, Record) and name in dict(record.fields)
    return tuple(field(op, "dimension_numbers", name)) if known else ()


_BOUNDS: Final[dict[str, Callable[[Operation, Values], Any]]] = {
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
    **dict.fromkeys(SCATTERS, _scatter),
}

_CONCERNS: Final[Mapping[str, Callable[[Operation], bool]]] = {
    "index": _indexes,
    "div": _divides,
    "nan": _can_hold,
    "inf": _can_hold,
}

DETECTORS: Final[Mapping[str, Detector]] = {
    "index": _index,
    "div": _division,
    "nan": _newly("nan"),
    "inf": _newly("inf"),
}
"""The checks by name; where an op goes bad in several ways, the first says the most."""
