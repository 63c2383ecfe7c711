"""Constant folding: ops on constants are computed once, on the host, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.analysis.constants import constant_value, is_constant, may_be_known, uniform
from compiler.ir.attributes import Array, Attributes, Dense
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import CONSTANT, Graph, Operation, Value
from compiler.ir.types import ArrayType, is_numeric, is_plain
from compiler.ir.walk import walk
from compiler.ops.definition import NotExact, is_removable, lookup
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import static_shape
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter

_BY_ELEMENTS: Final = ELEMENTWISE | {"convert_element_type"}


@dataclass(frozen=True, slots=True)
class FoldConstants(Pass):
    """Replace an op whose operands are all constants by its value.

    Only ops that can be evaluated to the very bits a device gives are folded. A single number
    always is, also where it stands for all elements of an array; another array only if it is small
    and takes no more bytes than the constants that it makes useless, so that no executable grows.

    Attributes:
        max_elements: results of more elements than this are left alone.

    Before::

        tracegraph.ir 1
        graph @f(%x: i32[2]) -> (i32[2]) {
          %a = constant {value = 2} : i32[]
          %b = constant {value = 3} : i32[]
          %c = mul %a, %b : i32[]
          %y = mul %x, %c : i32[2]
          return %y
        }

    After::

        tracegraph.ir 1
        graph @f(%x: i32[2]) -> (i32[2]) {
          %a = constant {value = 2} : i32[]
          %b = constant {value = 3} : i32[]
          %c = constant {value = 6} : i32[]
          %y = mul %x, %c : i32[2]
          return %y
        }
    """

    name: ClassVar[str] = "fold-constants"
    keeps_derivatives: ClassVar[bool] = True
    max_elements: int = 64

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        pending = list(walk(graph))[::-1]
        while pending and rewriter.may_change():
            op = pending.pop()
            operands = op.operands
            if op.parent is not None and self._folds(op, rewriter):
                # Where one reader is left, folding that one too would free the constant.
                pending += [reader for value in operands if (reader := value.only_reader)]

    def _folds(self, op: Operation, rewriter: Rewriter) -> bool:
        """Replaces an op by its value, if that is known, pays, and has bits that are fixed."""
        if _is_of_repeated_numbers(op):
            return _fold_number(op, rewriter)
        constants = _constant_operands(op)
        return constants is not None and self._pays(op) and _fold(op, constants, rewriter)

    def _pays(self, op: Operation) -> bool:
        """Whether the results are single numbers, or small and no larger than what they replace."""
        results = [_plain_type(value) for value in op.results]
        if all(type.size <= 1 for type in results if type):
            return True
        if sum(type.size for type in results if type) > self.max_elements:
            return False
        dying = {value for value in op.operands if value.only_reader is op}
        freed = sum(type.nbytes for value in dying if (type := _plain_type(value)))
        return sum(type.nbytes for type in results if type) <= freed


def _constant_operands(op: Operation) -> list[Array] | None:
    """The operands' elements, if the op may be folded and all of them are known."""
    if op.name == CONSTANT or not all(map(is_constant, op.operands)):
        return None
    if lookup(op.name).evaluate is None or not is_removable(op):
        return None
    if any(_plain_type(value) is None for value in op.results):
        return None
    arrays = [constant_value(value) for value in op.operands]
    known = [array for array in arrays if array is not None]
    return known if len(known) == len(arrays) else None


def _is_of_repeated_numbers(op: Operation) -> bool:
    """Whether an elementwise op reads single numbers only, some of them as larger arrays."""
    if op.name not in _BY_ELEMENTS or not all(map(may_be_known, op.operands)):
        return False
    if all(map(is_constant, op.operands)) or not is_removable(op) or len(op.results) != 1:
        return False
    return all(uniform(value) is not None for value in op.operands)


def _fold_number(op: Operation, rewriter: Rewriter) -> bool:
    """Replaces an op on repeated numbers by its value, repeated; says whether that is exact."""
    evaluate, type = lookup(op.name).evaluate, _plain_type(op.result)
    if evaluate is None or type is None:
        return False
    numbers = [array for value in op.operands if (array := uniform(value)) is not None]
    one = ArrayType((), type.dtype, type.weak_type)
    try:
        (found,) = evaluate(Operation(op.name, (), (one,), op.attributes), numbers)
    except NotExact:
        return False
    _check(op, [one], [found])
    if type.size == 1:
        made = rewriter.constant(op, Dense(found.reshape(static_shape(op.result))), type)
    else:
        number = rewriter.constant(op, Dense(found), one)
        repeat: Attributes = {"shape": static_shape(op.result), "broadcast_dimensions": ()}
        made = rewriter.create(op, "broadcast_in_dim", (number,), (type,), repeat).result
    rewriter.replace(op, [made])
    return True


def _plain_type(value: Value) -> ArrayType | None:
    """The type, if it is an array of numbers of known shape on no particular devices."""
    type = value.type
    return type if is_plain(type) and is_numeric(type) else None


def _fold(op: Operation, constants: Sequence[Array], rewriter: Rewriter) -> bool:
    """Replaces the op by its value; says whether it has one whose every bit is fixed."""
    evaluate = lookup(op.name).evaluate
    if evaluate is None:
        return False
    try:
        arrays = evaluate(op, constants)
    except NotExact:
        return False
    types = [type for value in op.results if (type := _plain_type(value))]
    _check(op, types, arrays)
    values = [
        rewriter.constant(op, Dense(array), type) for array, type in zip(arrays, types, strict=True)
    ]
    rewriter.replace(op, values)
    return True


def _check(op: Operation, types: Sequence[ArrayType], arrays: Sequence[Array]) -> None:
    expected = [(type.shape, type.dtype) for type in types]
    found = [(array.shape, array.dtype) for array in arrays]
    if expected == found:
        return
    raise TracegraphError(
        f"the host evaluation of {op.name} gave values of other types than the op",
        where=str(op.location),
        expected=str(expected),
        found=str(found),
        hint=f"correct the evaluator of {op.name}, or leave it out of its definition",
    )
