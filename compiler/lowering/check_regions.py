"""Whether the regions of an op take and give what the op does, asked of the graph itself.

JAX has rules of its own for this, but they want the regions as jaxprs, which a text that holds a
callback cannot give. These need types only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType, Type
from compiler.lowering.import_jaxpr import REGION_PARAMETERS


class Misfit(NamedTuple):
    """How an op does not fit: what was expected, and what was found."""

    expected: str
    found: str


def region_misfit(op: Operation) -> Misfit | None:
    """The first way in which the regions of an op of JAX do not fit it; None if they do.

    An op of another name may have any regions.
    """
    bases = REGION_PARAMETERS.get(op.name)
    if bases is None:
        return None
    rule = _RULES.get(op.name, _nothing)
    return _names_misfit(op, bases) or rule(op)


def same_array(left: Type, right: Type) -> bool:
    """Whether two types agree in shape and element type, which is what JAX insists on."""
    if isinstance(left, ArrayType) and isinstance(right, ArrayType):
        return (left.shape, left.dtype) == (right.shape, right.dtype)
    return left == right


def _names_misfit(op: Operation, bases: Sequence[str]) -> Misfit | None:
    names = [region.name for region in op.regions]
    if op.name == "cond":
        wanted = [f"branches[{i}]" for i in range(max(1, len(names)))]
    else:
        wanted = sorted(bases)
    if (names if op.name == "cond" else sorted(names)) == wanted:
        return None
    return Misfit(f"the regions {', '.join(wanted)}", ", ".join(names) or "no regions")


def _nothing(op: Operation) -> Misfit | None:
    del op
    return None


def _call(op: Operation) -> Misfit | None:
    (region,) = op.regions
    return _given(region, op.operands) or _taken(region, op.results)


def _cond(op: Operation) -> Misfit | None:
    if not op.operands or not same_array(op.operands[0].type, ArrayType((), np.dtype(np.int32))):
        found = op.operands[0].type if op.operands else "no operands"
        return Misfit("i32[] as operand 0, the number of the branch", str(found))
    found = (_given(region, op.operands[1:]) or _taken(region, op.results) for region in op.regions)
    return next((misfit for misfit in found if misfit is not None), None)


def _while(op: Operation) -> Misfit | None:
    cond, body = op.region("cond_jaxpr"), op.region("body_jaxpr")
    counted = _counts(op, "cond_nconsts", "body_nconsts")
    if isinstance(counted, Misfit):
        return counted
    for_cond, for_body = counted
    first = for_cond + for_body
    carry = op.operands[first:]
    return (
        _given(cond, (*op.operands[:for_cond], *carry))
        or _given(body, (*op.operands[for_cond:first], *carry))
        or _same_as("result", op.results, "carried operand", carry)
        or _taken(body, op.results)
        or _decides(cond)
    )


def _decides(cond: Region) -> Misfit | None:
    found = [value.type for value in cond.outputs]
    if len(found) == 1 and isinstance(found[0], ArrayType) and found[0].dtype == np.bool_:
        return None  # of a batch, each element stops by itself
    return Misfit(f"one bool[] from region {cond.name}", ", ".join(map(str, found)) or "nothing")


def _scan(op: Operation) -> Misfit | None:
    (body,) = op.regions
    counted = _counts(op, "num_consts", "num_carry")
    if isinstance(counted, Misfit):
        return counted
    constants, carried = counted
    length, first = op.attributes.get("length"), constants + carried
    if not isinstance(length, int):
        return Misfit("a whole number as the attribute length", str(length))
    if len(op.results) < carried or len(body.outputs) != len(op.results):
        return Misfit(f"{len(op.results)} values from region {body.name}", str(len(body.outputs)))
    return (
        _given(body, op.operands[:first], len(op.operands))
        or _same_as("result", op.results[:carried], "carried operand", op.operands[constants:first])
        or _taken(body, op.results[:carried], len(op.results))
        or _stacked("operand", op.operands[first:], body.parameters[first:], length)
        or _stacked("result", op.results[carried:], body.outputs[carried:], length)
    )


def _counts(op: Operation, *names: str) -> tuple[int, ...] | Misfit:
    """The attributes that count operands, as far as there are so many."""
    values = [op.attributes.get(name) for name in names]
    counts = tuple(value for value in values if isinstance(value, int) and value >= 0)
    if len(counts) == len(names) and sum(counts) <= len(op.operands):
        return counts
    listed = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
    return Misfit(f"{' and '.join(names)}: how many of the {len(op.operands)} operands", listed)


def _given(region: Region, values: Sequence[Value], count: int | None = None) -> Misfit | None:
    """Whether the region takes these values first, and so many in all."""
    count = len(values) if count is None else count
    if len(region.parameters) != count:
        found = f"{len(region.parameters)} parameters"
        return Misfit(f"{count} parameters of region {region.name}, one for each operand", found)
    return _same_as(f"parameter of {region.name}", region.parameters, "operand", values)


def _taken(region: Region, values: Sequence[Value], count: int | None = None) -> Misfit | None:
    """Whether the region yields the types of these results first, and so many in all."""
    count = len(values) if count is None else count
    if len(region.outputs) != count:
        found = f"{len(region.outputs)} values"
        return Misfit(f"{count} values from region {region.name}, one for each result", found)
    return _same_as(f"value from {region.name}", region.outputs, "result", values)


def _same_as(
    what: str, found: Sequence[Value], like: str, expected: Sequence[Value]
) -> Misfit | None:
    """The first value that does not have the type of the one that it corresponds to."""
    for place, (value, other) in enumerate(zip(found, expected, strict=False)):
        if not same_array(value.type, other.type):
            return Misfit(f"{other.type} as {what} {place}, like the {like}", str(value.type))
    return None


def _stacked(
    what: str, outside: Sequence[Value], inside: Sequence[Value], length: int
) -> Misfit | None:
    """Whether the values outside hold, along a first dimension, so many of those inside."""
    for place, (whole, slice) in enumerate(zip(outside, inside, strict=False)):
        if not isinstance(slice.type, ArrayType):
            continue
        type = ArrayType((length, *slice.type.shape), slice.type.dtype)
        if not same_array(whole.type, type):
            return Misfit(f"{type} as stacked {what} {place}", str(whole.type))
    return None


_RULES: Final[Mapping[str, Callable[[Operation], Misfit | None]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call"), _call),
    **dict.fromkeys(("remat", "remat2", "checkpoint"), _call),
    **dict.fromkeys(("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"), _call),
    "cond": _cond,
    "while": _while,
    "scan": _scan,
}
"""shard_map is left out: what its region takes depends on a mesh that no text holds."""
