"""Gives every value of a graph a name: the user's own where there is one.

Names are unique within a region and the same in every process. Owns the choice of names only; how
they are written is the printer's.
"""

from __future__ import annotations

import ast
import linecache
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.locations import Frame
from compiler.ir.source_names import Assignment, SourceNames
from compiler.ir.text import value_name
from compiler.ir.walk import walk_regions

Names = dict[Value, str]
_Statement = tuple[str, int]

_COMPOUND: Final = frozenset({"body", "cases"})
"""The fields of statements that hold others."""

_SHORT: Final = {
    "argmax": "argmax",
    "broadcast_in_dim": "bcast",
    "closed_call": "call",
    "concatenate": "concat",
    "constant": "c",
    "conv_general_dilated": "conv",
    "convert_element_type": "convert",
    "custom_jvp_call": "call",
    "custom_vjp_call": "call",
    "custom_vjp_call_jaxpr": "call",
    "dot_general": "dot",
    "dynamic_slice": "slice",
    "dynamic_update_slice": "update",
    "integer_pow": "pow",
    "reduce_and": "all",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_or": "any",
    "reduce_prod": "prod",
    "reduce_sum": "sum",
    "select_n": "select",
    "squeeze": "squeeze",
}


class StatementNames(SourceNames):
    """Answers which assignment stands on a line; none where several statements share one.

    Ops know their lines alone, so that there nobody can say which statement an op belongs to.
    """

    __slots__ = ("_crowded",)

    def __init__(self) -> None:
        super().__init__()
        self._crowded: dict[str, frozenset[int]] = {}

    def assignment(self, file: str, line: int) -> Assignment | None:
        """The simple assignment whose statement covers the line, if no other one touches it."""
        found = super().assignment(file, line)
        if found is not None and file not in self._crowded:
            self._crowded[file] = _crowded_lines("".join(linecache.getlines(file)))
        return None if found is None or line in self._crowded[file] else found


@lru_cache(maxsize=64)
def _crowded_lines(source: str) -> frozenset[int]:
    """The lines of all statements that share a line with another."""
    if ";" not in source:  # as nearly always, and at once
        return frozenset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    statements = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and _COMPOUND.isdisjoint(node._fields)
    ]
    count = Counter(line for lines in statements for line in lines)
    shared = (lines for lines in statements if any(count[line] > 1 for line in lines))
    return frozenset(line for lines in shared for line in lines)


def assign_names(graph: Graph) -> Names:
    """A name for every value, unique within its region.

    A hint comes first and stays as it is where it can. Next comes the variable that the user's line
    assigns, for the last op of the region that stands on that line. Then the op's name, shortened.
    What is taken already gets a counter, one per name.
    """
    names: Names = {}
    sources = StatementNames()
    for region in walk_regions(graph):
        _name_region(region, names, sources)
    return names


def user_names(graph: Graph) -> Names:
    """The name that the user has given, for each value that has one; several may share one."""
    names: Names = {}
    sources = StatementNames()
    for region in walk_regions(graph):
        names |= _variables(region, sources)
        names |= {value: hint for value in _values(region) if (hint := _hint(value))}
    return names


def _name_region(region: Region, names: Names, sources: SourceNames) -> None:
    taken: dict[str, int] = {}
    variables = _variables(region, sources)
    captured = _captured(region)

    def variable(value: Value) -> str:
        return variables.get(value, "")

    def fallback(value: Value) -> str:
        return _fallback(value, captured)

    # Hints first, so that a text keeps its names; then what the user wrote; then what is left.
    for choose in (_hint, variable, fallback):
        _give(_values(region), choose, names, taken)


def _give(
    values: Iterable[Value], choose: Callable[[Value], str], names: Names, taken: dict[str, int]
) -> None:
    for value in values:
        base = "" if value in names else choose(value)
        if base:
            names[value] = _unique(base, taken)


def _unique(base: str, taken: dict[str, int]) -> str:
    """The base itself, or with the next free number; ``taken`` remembers where counting stopped."""
    name, count = base, taken.get(base, 0)
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken[base] = count
    taken[name] = taken.get(name, 0)
    return name


def _values(region: Region) -> Iterator[Value]:
    yield from region.parameters
    for op in region:
        yield from op.results


def _hint(value: Value) -> str:
    return value_name(value.hint)


def _captured(region: Region) -> int:
    """How many of the parameters are captured arrays, which stand in front of the others."""
    graph = region.owner
    return sum(i.captured for i in graph.parameter_info) if isinstance(graph, Graph) else 0


def _fallback(value: Value, captured: int) -> str:
    owner = value.owner
    if isinstance(owner, Operation):
        return value_name(_SHORT.get(owner.name, owner.name)) or "value"
    if not isinstance(owner.owner, Graph):
        return _letters(value.index)
    if value.index < captured:
        return f"const{value.index}"
    return f"arg{value.index - captured}"


def _letters(index: int) -> str:
    """``a`` to ``z``, then ``aa``, ``ab`` and so on."""
    rest, last = divmod(index, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)


def _variables(region: Region, sources: SourceNames) -> Names:
    """The user's variable for the value that each statement hands on.

    That is the last one another statement reads, else the last one: differentiation leaves more ops
    on a statement's line, which only the way back reads.
    """
    last: dict[_Statement, tuple[Value, str]] = {}
    read: dict[_Statement, tuple[Value, str]] = {}
    for op in region:
        frame = op.location.frame
        if frame is None or not _may_be_named(op, frame):
            continue
        assignment = sources.assignment(frame.file, frame.line)
        if assignment is None:
            continue
        statement = (frame.file, assignment.line)
        last[statement] = (op.result, assignment.name)
        if _is_read_elsewhere(op.result, frame):
            read[statement] = last[statement]
    return dict((last | read).values())


def _may_be_named(op: Operation, frame: Frame) -> bool:
    if len(op.results) != 1 or op.name == CONSTANT or _is_backward(op):
        return False
    # A lambda may stand in an assignment, but assigns nothing itself.
    return not frame.function.endswith("<lambda>")


def _is_read_elsewhere(value: Value, frame: Frame) -> bool:
    """Whether an op of the way forward reads the value on another line."""
    return any(
        op.location.frame not in (None, frame) and not _is_backward(op) for op in value.readers
    )


def _is_backward(op: Operation) -> bool:
    """Whether the op computes a gradient: it stands on the line of what it differentiates."""
    return "transpose(" in op.location.name_stack
