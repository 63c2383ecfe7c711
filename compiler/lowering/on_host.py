"""Ops on few elements computed on the host, where the bits are fixed: no compilation for each."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import numpy as np
from jax.core import Tracer

from compiler.analysis.flops import elements
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric, is_plain
from compiler.ops.definition import NotExact, lookup

MAX_ELEMENTS: Final = 1 << 12
"""Larger arrays are left to the device, which is faster then."""


def device_array(value: Any, dtype: Any = None) -> jax.Array:
    """The value as jax's own array, on no device in particular; ``jnp.asarray`` would compile."""
    return jax.device_put(np.asarray(value, dtype))


def host_runner(op: Operation) -> Callable[[Sequence[Any]], Sequence[Any] | None] | None:
    """From an op's operands to its results, or to None where a device has to say; None for most.

    It is there for ops whose results are fixed to the bit, on arrays of known sizes that lie on no
    device in particular.
    """
    evaluate = lookup(op.name).evaluate
    values = (*op.operands, *op.results)
    if evaluate is None or op.effects or op.context is not None or not all(map(_is_strong, values)):
        return None
    if sum(elements(value) for value in values) > MAX_ELEMENTS or _is_reciprocal(op):
        return None

    def run(operands: Sequence[Any]) -> Sequence[Any] | None:
        if not all(map(_is_anywhere, operands)):
            return None
        try:
            results = evaluate(op, [np.asarray(value) for value in operands])
        except NotExact:
            return None
        return [device_array(result) for result in results]

    return run


def _is_strong(value: Value) -> bool:
    type = value.type
    return is_plain(type) and is_numeric(type) and not type.weak_type


def _is_reciprocal(op: Operation) -> bool:
    """Whether XLA multiplies by one over a single divisor, which rounds twice."""
    return op.name == "div" and op.operands[0].type != op.operands[1].type


def _is_anywhere(value: Any) -> bool:
    """Whether it is an array with elements to look at, which was put on no device on purpose."""
    if not isinstance(value, jax.Array) or isinstance(value, Tracer):
        return False
    return value.is_fully_addressable and not value.committed
