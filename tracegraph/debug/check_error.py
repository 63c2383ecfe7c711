"""``CheckError``: the first op of a checked function that went bad, told in four parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, Value
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.naming import Names, assign_names, user_names
from compiler.ir.origins import enclosing, outer_value, user_location
from compiler.lowering import jax_compat
from tracegraph.debug.probe import shown_values

jax_compat.hide_frames(__file__)

_LOOPS: Final = {"scan": "scan", "while": "while loop"}
_WHAT: Final = {
    "nan": "made a nan",
    "inf": "made an infinity",
    "index": "got an index out of bounds",
    "div": "divided by zero",
}
_EXPECTED: Final = {
    "nan": "no nan, for no operand holds one",
    "inf": "no infinity, for no operand holds one",
    "index": "indices inside the array that they index",
    "div": "no zero to divide by",
}
_HINTS: Final = {
    "nan": "look at the operands' ranges; keep them where the op is defined, and do so before the "
    "op: a jnp.where behind it hides the nan from the result and not from the gradient",
    "inf": "look at the operands' ranges; scale them, or use a form that does not overflow, such "
    "as jax.nn.logsumexp",
    "index": "look at the range of the indices; JAX clamps or drops what lies outside in silence",
    "div": "keep the divisor from zero before dividing: x / jnp.where(y == 0, 1, y)",
}


@dataclass(frozen=True, slots=True)
class Range:
    """What a value held when an op went bad.

    Attributes:
        name: the value's name in the captured graph.
        type: its shape and element type, as graphs print it.
        least: the least number in it; infinite if there is none.
        greatest: the greatest number in it.
        nans: how many nans it held.
        infs: how many infinities it held.
        is_result: whether the op made it; else it is an operand.
    """

    name: str
    type: str
    least: float
    greatest: float
    nans: int
    infs: int
    is_result: bool = False

    def __str__(self) -> str:
        role = "result" if self.is_result else "operand"
        span = f"{self.least:.6g} to {self.greatest:.6g}"
        if self.least > self.greatest:
            span = "no number"
        return f"{role} %{self.name}: {self.type}, {span}, {self.nans} nan, {self.infs} inf"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checked run says of the first op that went bad.

    Attributes:
        graph: the captured graph.
        op: the op.
        check: the name of the check.
        iterations: the iteration of each loop around it, the outermost first.
        ranges: least, greatest, nans and infinities of the values that ``shown_values`` names.
    """

    graph: Graph
    op: Operation
    check: str
    iterations: Sequence[int]
    ranges: Sequence[Sequence[float]]


class CheckError(TracegraphError):
    """A checked function went bad; the first op that did is named.

    Attributes:
        check: which check found it: ``nan``, ``inf``, ``index`` or ``div``.
        op: the name of the op.
        name: the name of its first result, the user's variable where there is one.
        location: the user's line.
        iterations: the iteration of each loop around it, counted from 0, the outermost first.
        ranges: what the op's results and operands held.
        backward: whether the op computes a gradient.
    """

    check: str = ""
    op: str = ""
    name: str = ""
    location: Location = UNKNOWN
    iterations: tuple[int, ...] = ()
    ranges: tuple[Range, ...] = ()
    backward: bool = False


def check_error(finding: Finding) -> CheckError:
    """The error that tells a finding."""
    op, names = finding.op, _Namer(finding.graph)
    name = names.name(op.results[0]) if op.results else op.name
    ranges = tuple(
        _range(names.name(value), value, numbers, value in op.results)
        for value, numbers in zip(shown_values(op), finding.ranges, strict=False)
    )
    backward = _is_backward(op)
    error = CheckError(
        f"{finding.graph.name}: the op {op.name} {_WHAT[finding.check]}, at the value %{name}",
        where=_where(op, finding.iterations, backward),
        expected=_EXPECTED[finding.check],
        found="\n".join(map(str, ranges)),
        hint=_HINTS[finding.check],
    )
    error.check, error.op, error.name, error.ranges = finding.check, op.name, name, ranges
    error.location = replace(user_location(op), handle=None)
    error.iterations, error.backward = tuple(finding.iterations), backward
    return error


class _Namer:
    """Names of values as a user knows them: those of the caller where a region has none."""

    def __init__(self, graph: Graph) -> None:
        self._own: Names = user_names(graph)
        self._all: Names = assign_names(graph)

    def name(self, value: Value) -> str:
        """The user's name, that of the operand behind a region's parameter, or the printed one."""
        at: Value | None = value
        while at is not None:
            if at in self._own:
                return self._own[at]
            at = outer_value(at)
        return self._all[value]


def _range(name: str, value: Value, numbers: Sequence[float], is_result: bool) -> Range:
    least, greatest, nans, infs = numbers
    return Range(name, str(value.type), least, greatest, int(nans), int(infs), is_result)


def _where(op: Operation, iterations: Sequence[int], backward: bool) -> str:
    lines = [str(user_location(op))]
    loops = _loops(op)
    for loop, iteration in zip(loops, iterations, strict=False):
        lines.append(
            f"in iteration {iteration} of the {_LOOPS[loop.name]} at {user_location(loop)}"
        )
    if backward:
        lines.append("on the way back: the gradient of that line")
    return "\n".join(lines)


def _is_backward(op: Operation) -> bool:
    """Whether it computes a gradient, or stands in an op that does."""
    return any("transpose(" in one.location.name_stack for one in (op, *_around(op)))


def _loops(op: Operation) -> list[Operation]:
    """The loops around an op, the outermost first."""
    return [one for one in reversed(_around(op)) if one.name in _LOOPS]


def _around(op: Operation) -> list[Operation]:
    """The ops in whose regions an op stands, the innermost first."""
    found: list[Operation] = []
    at = enclosing(op)
    while at is not None:
        found.append(at)
        at = enclosing(at)
    return found
