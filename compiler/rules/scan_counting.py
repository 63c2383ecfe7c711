"""Numbers that a loop counts through: what is known of its integers before it runs.

A line is a whole number that is ``start + step * r`` in the run that reads row r of the stacked
inputs. It is known exactly or not at all: where a number would not fit its type, nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from compiler.analysis.constants import constant_value, uniform
from compiler.analysis.flops import elements
from compiler.ir.attributes import Array
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops.parameters import static_shape
from compiler.rewrite.scans import Scan

MAX_ELEMENTS: Final = 1 << 16
"""Arrays of more elements are not looked through for a line."""


class Line(NamedTuple):
    """A whole number that changes by the same step from row to row."""

    start: int
    step: int = 0

    def at(self, row: int) -> int:
        """The number in the run of a row."""
        return self.start + self.step * row


class Counting:
    """The lines among the values of a scan's body.

    Args:
        scan: the scan; its length is not zero.
    """

    __slots__ = ("_known", "_scan")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._known: dict[Value, Line | None] = {}
        for value in scan.body.parameters:
            self._known[value] = self._checked(value, self._parameter(value))
        for op in scan.body:
            for value in op.results:
                self._known[value] = self._checked(value, self._result(op))

    def line(self, value: Value) -> Line | None:
        """The line that a value of the body follows; None if none is known."""
        return self._known.get(value)

    def _checked(self, value: Value, line: Line | None) -> Line | None:
        """The line, if the value is one number and each of the line's fits its type."""
        return _fitting(value, line, self._scan.length - 1) if elements(value) == 1 else None

    def _parameter(self, value: Value) -> Line | None:
        scan = self._scan
        if value in scan.constants:
            return _constant_line(scan.outer(value))
        if value in scan.slices:
            return _stacked_line(scan.outer(value))
        return self._counter(value)

    def _counter(self, value: Value) -> Line | None:
        """The line of a carry that grows by a known number in each run."""
        first, step = _constant_line(self._scan.outer(value)), counter_step(self._scan, value)
        if first is None or step is None:
            return None
        if self._scan.is_reversed:
            return Line(first.start + step * (self._scan.length - 1), -step)
        return Line(first.start, step)

    def _result(self, op: Operation) -> Line | None:
        if op.name == "constant":
            return _constant_line(op.result)
        rule = _RULES.get(op.name)
        if rule is None:
            return None
        lines = [self._known.get(value) for value in op.operands]
        if op.name == "select_n":
            return self._selected(lines)
        known = [line for line in lines if line is not None]
        return rule(known, self._scan.length - 1) if len(known) == len(lines) else None

    def _selected(self, lines: Sequence[Line | None]) -> Line | None:
        which = lines[0]
        if which is None or which.step or not 0 <= which.start < len(lines) - 1:
            return None
        return lines[1 + which.start]


def counter_step(scan: Scan, value: Value) -> int | None:
    """What a carry grows by in each run, if that is a known whole number."""
    following = scan.following[value.index - len(scan.constants)]
    producer = following.producer
    if producer is None or producer.name != "add" or not is_integer(value):
        return None
    first, second = producer.operands
    if value not in (first, second):
        return None
    step = known_number(scan, second if first is value else first)
    return None if step is None else int(step)


def known_number(scan: Scan, value: Value) -> Array | None:
    """The number that all elements of a value of the body always are; None if not known."""
    number = uniform(value)
    if number is None and value in scan.constants:
        number = uniform(scan.outer(value))
    return number


def is_integer(value: Value) -> bool:
    """Whether it is an array of whole numbers or of truth values."""
    return _dtype(value).kind in "biu"


def _constant_line(value: Value) -> Line | None:
    number = uniform(value) if is_integer(value) else None
    return None if number is None else Line(int(number))


def _stacked_line(value: Value) -> Line | None:
    """The line that the elements of a vector lie on."""
    producer = value.producer
    if producer is None or not is_integer(value) or len(_sizes(value)) != 1:
        return None
    if producer.name == "iota":
        return _fitting(value, Line(0, 1), _sizes(value)[0] - 1)
    array = constant_value(value)
    if array is not None:
        return _line_through(array)
    rule = _ARITHMETIC.get(producer.name)
    if rule is None:
        return None
    lines = [_constant_line(v) or _stacked_line(v) for v in producer.operands]
    known = [line for line in lines if line is not None]
    last = _sizes(value)[0] - 1
    return _fitting(value, rule(known, last), last) if len(known) == len(lines) else None


def _line_through(array: Array) -> Line | None:
    if not 0 < array.size <= MAX_ELEMENTS or array.dtype.kind == "b":
        return None
    numbers: list[int] = array.tolist()
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    line = Line(numbers[0], step)
    return line if all(line.at(row) == n for row, n in enumerate(numbers)) else None


_Rule = Callable[[Sequence[Line], int], Line | None]
"""From the lines of an op's operands and the last row to the line of its result."""


def _add(lines: Sequence[Line], last: int) -> Line:
    del last
    a, b = lines
    return Line(a.start + b.start, a.step + b.step)


def _sub(lines: Sequence[Line], last: int) -> Line:
    del last
    a, b = lines
    return Line(a.start - b.start, a.step - b.step)


def _mul(lines: Sequence[Line], last: int) -> Line | None:
    del last
    a, b = lines
    if a.step and b.step:
        return None
    if a.step:
        a, b = b, a
    return Line(a.start * b.start, a.start * b.step)


def _same(lines: Sequence[Line], last: int) -> Line:
    del last
    return lines[0]


def _rem(lines: Sequence[Line], last: int) -> Line | None:
    """A number below the divisor is its own remainder."""
    a, b = lines
    inside = not b.step and all(0 <= end < b.start for end in (a.start, a.at(last)))
    return a if inside else None


def _compared(holds: Callable[[int, int], bool]) -> _Rule:
    """A comparison that comes out the same in every run; lines differ by a line."""

    def rule(lines: Sequence[Line], last: int) -> Line | None:
        a, b = lines
        ends = {holds(a.at(row), b.at(row)) for row in (0, last)}
        return Line(int(ends.pop())) if len(ends) == 1 else None

    return rule


_ARITHMETIC: Final[dict[str, _Rule]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "convert_element_type": _same,
}
_RULES: Final[dict[str, _Rule]] = {
    **_ARITHMETIC,
    **dict.fromkeys(("broadcast_in_dim", "reshape", "squeeze", "copy", "copy_p"), _same),
    "rem": _rem,
    "select_n": _same,
    "lt": _compared(lambda a, b: a < b),
    "le": _compared(lambda a, b: a <= b),
    "gt": _compared(lambda a, b: a > b),
    "ge": _compared(lambda a, b: a >= b),
}


def _fitting(value: Value, line: Line | None, last: int) -> Line | None:
    """The line, if each of its numbers up to the last row is one of the value's type."""
    if line is None or not is_integer(value):
        return None
    low, high = _range(_dtype(value))
    ends = (line.start, line.at(last))
    return line if low <= min(ends) and max(ends) <= high else None


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _sizes(value: Value) -> tuple[int, ...]:
    return static_shape(value) if isinstance(value.type, ArrayType) else ()


def _dtype(value: Value) -> np.dtype[Any]:
    found = value.type.dtype if isinstance(value.type, ArrayType) else None
    return found if isinstance(found, np.dtype) else np.dtype("V8")
