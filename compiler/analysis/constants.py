"""Which values are known when the graph is compiled."""

from __future__ import annotations

from typing import Final

import numpy as np

from compiler.ir.attributes import Array, Dense
from compiler.ir.graph import CONSTANT, Operation, Value
from compiler.ops.parameters import integer, number_type, runs_of_scan

MAX_SCAN: Final = 1024
"""Constants of more elements are not searched for being one number everywhere."""

_FILLED: Final = frozenset(
    {"broadcast_in_dim", "copy", "dynamic_slice", "reshape", "rev", "slice", "squeeze", "transpose"}
)
"""Ops whose result has no other elements than their first operand."""
_OF_A_CONSTANT: Final = _FILLED | {CONSTANT}


def is_constant(value: Value) -> bool:
    """Whether a constant makes the value."""
    return value.producer is not None and value.producer.name == CONSTANT


def constant_value(value: Value) -> Array | None:
    """The array that a value always is; None where that is not known."""
    op = value.producer
    if op is None or op.name != CONSTANT:
        return None
    found = op.attributes["value"]
    return found.array if isinstance(found, Dense) else None


def may_be_known(value: Value) -> bool:
    """Whether ``uniform`` can find anything: a glance at the producer's name."""
    return value.producer is not None and value.producer.name in _OF_A_CONSTANT


def uniform(value: Value) -> Array | None:
    """The number that every element of a value is, as a scalar array; None if not known."""
    producer = value.producer
    while producer is not None and producer.name in _FILLED:
        value = producer.operands[0]
        producer = value.producer
    array = constant_value(value)
    if array is None or not 0 < array.size <= MAX_SCAN:
        return None
    if array.size == 1:
        return array.reshape(())
    first = array.reshape(-1)[:1]
    repeated = array.size * first.tobytes()
    return first.reshape(()) if np.ascontiguousarray(array).tobytes() == repeated else None


def integer_value(value: Value) -> int | None:
    """The number that an integer scalar always is; None where that is not known."""
    array = constant_value(value)
    if array is None or array.shape != () or not np.issubdtype(array.dtype, np.integer):
        return None
    return int(array)


def trip_count(op: Operation) -> int | None:
    """How often a loop's body runs; None where that is not known.

    Knows ``scan``, and the ``while`` that counts: one carried integer starts at a constant, grows
    by a constant and is compared with a constant.
    """
    if op.name == "scan":
        return runs_of_scan(op)
    if op.name != "while":
        return None
    test = op.region("cond_jaxpr").outputs[0].producer
    if test is None or test.name not in ("lt", "le"):
        return None
    counter, bound = test.operands
    limit = _outer_integer(op, bound)
    place = counter.index - integer(op, "cond_nconsts")
    if limit is None or counter.producer is not None or place < 0:
        return None
    return _count(op, place, limit + (test.name == "le"))


def _outer_integer(op: Operation, value: Value) -> int | None:
    """A number inside the condition: made there, or handed in as one of its constants."""
    if value.producer is None and value.index < integer(op, "cond_nconsts"):
        return integer_value(op.operands[value.index])
    return integer_value(value)


def _count(op: Operation, place: int, limit: int) -> int | None:
    """The rounds until the carried number at this place reaches the limit."""
    constants = integer(op, "body_nconsts")
    start = integer_value(op.operands[integer(op, "cond_nconsts") + constants + place])
    body = op.region("body_jaxpr")
    step = _step(body.outputs[place], body.parameters[constants + place])
    if start is None or step is None or step <= 0:
        return None
    rounds = max(0, -((start - limit) // step))
    last = start + rounds * step
    return rounds if last <= np.iinfo(number_type(body.outputs[place])).max else None  # it wraps


def _step(following: Value, counter: Value) -> int | None:
    op = following.producer
    if op is None or op.name != "add" or counter not in op.operands:
        return None
    first, second = op.operands
    return integer_value(second if first is counter else first)
