"""Scans as rules see them: which values are constants, carries, slices and stacked results.

``Scan`` only reads. ``ScanDraft`` makes another scan out of one, with other inputs and outputs,
and changes nothing that exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType, Type
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Term, array_type, with_regions
from compiler.rewrite.regions import Draft, depending


class Scan:
    """A scan op, read slot by slot.

    Attributes:
        op: the op.
        body: its region.
        length: how often the body runs.
        is_reversed: whether it starts with the last slices.
        constants: the body's parameters that are the same in every run.
        carries: those that hand a value from one run to the next.
        slices: those that are a row of a stacked input each.
        following: what each carry is in the next run.
        rows: what the body adds to each stacked output.
    """

    __slots__ = (
        "body",
        "carries",
        "constants",
        "following",
        "is_reversed",
        "length",
        "op",
        "rows",
        "slices",
    )

    def __init__(self, op: Operation) -> None:
        self.op = op
        (self.body,) = op.regions
        self.length = integer(op, "length")
        self.is_reversed = bool(op.attributes.get("reverse"))
        first = integer(op, "num_consts")
        carried = integer(op, "num_carry")
        parameters, outputs = self.body.parameters, self.body.outputs
        self.constants = parameters[:first]
        self.carries = parameters[first : first + carried]
        self.slices = parameters[first + carried :]
        self.following = outputs[:carried]
        self.rows = outputs[carried:]

    def outer(self, parameter: Value) -> Value:
        """The operand behind a parameter of the body: constant, first carry or stacked input."""
        return self.op.operands[parameter.index]

    def known(self) -> dict[Value, Term]:
        """The operands behind the constants, by parameter."""
        return {parameter: self.outer(parameter) for parameter in self.constants}

    def varying(self) -> set[Value]:
        """The values of the body that may differ from run to run."""
        return depending(self.body, (*self.carries, *self.slices))

    def history(self) -> set[Value]:
        """The values of the body that depend on what an earlier run has computed."""
        return depending(self.body, self.carries)


class Results(NamedTuple):
    """What a scan to be gives: the last carries, and the stacked outputs."""

    carries: tuple[Term, ...]
    stacked: tuple[Term, ...]


class ScanDraft(Draft):
    """A scan in the making, after the model of another.

    The parameters of the model that are kept are bound already. A new one has the type of its
    term, a new slice that of a row.

    Args:
        scan: the model.
        keep: which of its parameters stay.
        constants: further constants.
        carries: the first values of further carries.
        slices: further stacked inputs.

    Attributes:
        constants: the parameters for the further constants.
        carries: the parameters for the further carries.
        slices: the parameters for the further stacked inputs.
    """

    __slots__ = ("_counts", "_operands", "_scan", "carries", "constants", "slices")

    def __init__(
        self,
        scan: Scan,
        keep: Sequence[Value],
        *,
        constants: Sequence[Term] = (),
        carries: Sequence[Term] = (),
        slices: Sequence[Term] = (),
    ) -> None:
        self._scan = scan
        kinds = (
            _inputs(scan, scan.constants, keep, constants, [term.type for term in constants]),
            _inputs(scan, scan.carries, keep, carries, [term.type for term in carries]),
            _inputs(scan, scan.slices, keep, slices, [row_type(term) for term in slices]),
        )
        inputs = [found for kind in kinds for found in kind]
        super().__init__(scan.body, [found.type for found in inputs])
        self._operands = [found.term for found in inputs]
        self._counts = (len(kinds[0]), len(kinds[1]))
        fresh: dict[int, list[Value]] = {0: [], 1: [], 2: []}
        numbers = [number for number, kind in enumerate(kinds) for _ in kind]
        for found, number, value in zip(inputs, numbers, self.parameters, strict=True):
            if found.old is None:
                fresh[number].append(value)
            else:
                self.bind(found.old, value)
        self.constants, self.carries, self.slices = (tuple(fresh[i]) for i in range(3))

    def scan(self, following: Sequence[Value], rows: Sequence[Value]) -> Results:
        """The scan, from what the kept and further carries become, and the rows it stacks."""
        constants, carried = self._counts
        region = self.finish([*following, *rows])
        types = _result_types(self._scan, self.parameters[constants:], following, rows)
        changed = {"num_consts": constants, "num_carry": carried}
        if "linear" in self._scan.op.attributes:
            changed["linear"] = cast("int", (False,) * len(self._operands))
        results = with_regions(self._scan.op, self._operands, types, [region], **changed)
        return Results(results[:carried], results[carried:])


class _Input(NamedTuple):
    """An operand to be, the type of its parameter, and the parameter it was; None for a new one."""

    term: Term
    type: Type
    old: Value | None


def _inputs(
    scan: Scan,
    olds: Sequence[Value],
    keep: Sequence[Value],
    terms: Sequence[Term],
    types: Sequence[Type],
) -> list[_Input]:
    kept = [_Input(scan.outer(old), old.type, old) for old in olds if old in keep]
    return kept + [_Input(*pair, None) for pair in zip(terms, types, strict=True)]


def _result_types(
    scan: Scan, parameters: Sequence[Value], following: Sequence[Value], rows: Sequence[Value]
) -> list[Type]:
    carried = [value.type for value in parameters[: len(following)]]
    return [*carried, *(stacked_type(value.type, scan.length) for value in rows)]


def stacked_type(type: Type, length: int) -> Type:
    """The type of that many values under a new first dimension."""
    if not isinstance(type, ArrayType):
        raise TypeError(f"{type} cannot be stacked")
    return ArrayType((length, *type.shape), type.dtype, type.weak_type)


def row_type(term: Term) -> Type:
    """The type of what a stacked term holds for one run."""
    type = array_type(term)
    return ArrayType(type.shape[1:], type.dtype, type.weak_type)
