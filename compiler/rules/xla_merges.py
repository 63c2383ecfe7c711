"""Pairs of ops that XLA makes one where nothing stands between them.

XLA's algebraic simplifier writes ``(a / b) / c`` as ``a / (b * c)``, and a mask times ``x`` as a
choice between ``x`` and 0.0. That is right for ordinary numbers, and loses what is very large, very
small or no number. A slice or a gather between the two keeps it from doing so, and a rule that
takes it away would change such values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import array_type

MERGED: Final = "XLA would compute it and what reads it as one op, and lose extreme values"
_Pair = Callable[[Operation, Operation, Value], bool]


def is_merged(first: Operation, taken: Value) -> bool:
    """Whether an op that reads a part of another op's result would become one with that op.

    Args:
        first: the op.
        taken: the part of its result, which will be the op's own result.
    """
    pair = _PAIRS.get(first.name)
    return pair is not None and any(pair(first, reader, taken) for reader in taken.readers)


def _of_quotients(_first: Operation, reader: Operation, _taken: Value) -> bool:
    return reader.name == "div"


def _of_sums(first: Operation, reader: Operation, _taken: Value) -> bool:
    return reader.name in ("add", "sub") and _has_number(first) and _has_number(reader)


def _of_products(first: Operation, reader: Operation, _taken: Value) -> bool:
    if reader.name == "sqrt":
        return first.operands[0] is first.operands[-1]
    return reader.name == "mul" and _has_number(first) and _has_number(reader)


def _of_powers(_first: Operation, reader: Operation, _taken: Value) -> bool:
    return reader.name in ("log", "sqrt")


def _of_exponentials(_first: Operation, reader: Operation, taken: Value) -> bool:
    if reader.name == "mul":
        return all(value is taken or _is_exponential(value) for value in reader.operands)
    return reader.name in ("log", "pow") or (reader.name == "div" and reader.operands[1] is taken)


def _of_roots(_first: Operation, reader: Operation, taken: Value) -> bool:
    return reader.name == "div" and reader.operands[1] is taken


def _of_masks(first: Operation, reader: Operation, _taken: Value) -> bool:
    return reader.name == "mul" and str(array_type(first.operands[0]).dtype) == "bool"


def _has_number(op: Operation) -> bool:
    return any(uniform(value) is not None for value in op.operands)


def _is_exponential(value: Value) -> bool:
    """Whether a value is an exponential, or taken from one."""
    op = value.producer
    while op is not None and op.name in ("slice", "gather", "dynamic_slice", "reshape"):
        op = op.operands[0].producer
    return op is not None and op.name == "exp"


_PAIRS: Final[dict[str, _Pair]] = {
    "add": _of_sums,
    "convert_element_type": _of_masks,
    "div": _of_quotients,
    "exp": _of_exponentials,
    "integer_pow": _of_powers,
    "mul": _of_products,
    "pow": _of_powers,
    "rsqrt": _of_roots,
    "sqrt": _of_roots,
    "square": _of_powers,
    "sub": _of_sums,
}
