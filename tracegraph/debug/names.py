"""The user's names for the values of a captured graph, as often as each was assigned.

The graph's text names one value for each statement. Here every run of a statement counts: those of
a Python loop, and those of the functions that called on the way to an op.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.naming import StatementNames, assign_names
from compiler.ir.source_files import is_installed_file
from compiler.ir.source_loops import repeated_lines
from compiler.ir.text import value_name
from compiler.ir.walk import walk, walk_regions
from compiler.lowering import jax_compat

Line = tuple[str, int]
Place = tuple[int, str]


class Statement(NamedTuple):
    """An assignment to a name, at its line, and the function that it stands in."""

    file: str
    line: int
    function: str
    name: str


class Step(NamedTuple):
    """An op on its way through the user's statements.

    Attributes:
        op: the op.
        place: the same for two ops only if they are of one kind and come from the very same
            expression.
        lines: the user's lines that led to it, the innermost first.
        statements: the assignment that each of those lines belongs to, if it does.
    """

    op: Operation
    place: Place
    lines: Sequence[Line]
    statements: Sequence[Statement | None]


def named_values(graph: Graph) -> dict[str, list[Value]]:
    """The values behind each of the user's names, in the order in which they are computed.

    Where the user has no such name, the names that the graph's text shows are there too.
    """
    named = dict.fromkeys(_named(graph))  # a value may have several names, each once
    order = {value: i for i, value in enumerate(_all_values(graph))}
    found: dict[str, list[Value]] = {}
    for value, name in sorted(named, key=lambda pair: order[pair[0]]):
        found.setdefault(name, []).append(value)
    printed: dict[str, list[Value]] = {}
    for value, name in assign_names(graph).items():
        if value.producer is None or value.producer.name != CONSTANT:
            printed.setdefault(name, []).append(value)
    return found | {name: values for name, values in printed.items() if name not in found}


def _all_values(graph: Graph) -> Iterator[Value]:
    """Every value, those of regions before the results of their op: as they are computed."""
    yield from graph.parameters
    for op in walk(graph):
        for region in op.regions:
            yield from region.parameters
        yield from op.results


def _named(graph: Graph) -> Iterator[tuple[Value, str]]:
    """Each value that has a name of the user's, and the name."""
    infos = zip(graph.parameters, graph.parameter_info, strict=True)
    yield from (
        (value, hint)
        for value, info in infos
        if (hint := value_name(value.hint)) and not info.captured
    )
    reader = _Reader()
    around: dict[Region, frozenset[Statement]] = {}
    for region in walk_regions(graph):
        outer = around.get(region, frozenset())
        steps = [reader.step(op) for op in region if op.name != CONSTANT and not op.is_terminator]
        for step in steps:
            within = outer | {one for one in step.statements if one is not None}
            around.update(dict.fromkeys(step.op.regions, within))
        yield from _in_region(steps, outer)
    yield from _explicit(graph)


def _explicit(graph: Graph) -> Iterator[tuple[Value, str]]:
    for op in walk(graph):
        if op.name == "name" and isinstance(op.attributes.get("name"), str):
            yield op.result, str(op.attributes["name"])


def _in_region(steps: Sequence[Step], outer: frozenset[Statement]) -> Iterator[tuple[Value, str]]:
    """The value of every run of every statement."""
    forward = [step for step in steps if not _is_backward(step.op)]
    places: dict[Statement, list[int]] = {}
    for i, step in enumerate(forward):
        for statement in dict.fromkeys(one for one in step.statements if one):
            places.setdefault(statement, []).append(i)
    for statement, where in places.items():
        runs = () if statement in outer else _runs(statement, where, forward)
        values = [_value_of(run) for run in runs]
        yield from ((value, statement.name) for value in values if value is not None)


def _runs(
    statement: Statement, places: Sequence[int], steps: Sequence[Step]
) -> Iterator[list[Step]]:
    """The ops of each run of a statement: without a gap, and without a loop coming round."""
    current: list[Step] = []
    seen: set[Place] = set()
    before = -1
    for i in places:
        step = steps[i]
        if current and (i != before + 1 or _comes_round(statement, current[-1], step, seen)):
            yield current
            current, seen = [], set()
        current.append(step)
        seen.add(step.place)
        before = i
    if current:
        yield current


def _comes_round(statement: Statement, last: Step, step: Step, seen: set[Place]) -> bool:
    """Whether an op of a statement belongs to its next run.

    That is so when the very same expression has made an op of this run, a loop stands around the
    statement, and none within it.
    """
    if step.place not in seen:
        return False
    if last.place == step.place and not _reads(step.op, last.op):
        return False
    at = step.statements.index(statement)
    if any(_is_repeated(line, within=True) for line in step.lines[: at + 1]):
        return False
    if any(_is_repeated(line, within=False) for line in step.lines[:at]):
        return False
    return any(_is_repeated(line, within=False) for line in step.lines[at:])


def _is_repeated(line: Line, *, within: bool) -> bool:
    file, number = line
    lines = repeated_lines(file)
    return number in lines.comprehensions if within else number in lines.loops


def _reads(op: Operation, other: Operation) -> bool:
    return any(value.producer is other for value in op.operands)


def _value_of(run: Sequence[Step]) -> Value | None:
    """The last result of a run that something outside of it reads, else the last result.

    None if the op has several results: which of them the name holds is not known.
    """
    ops = {step.op for step in run}
    ends = (step for step in reversed(run) if any(op not in ops for op in _readers(step.op)))
    last = next(ends, run[-1])
    return last.op.result if len(last.op.results) == 1 else None


def _readers(op: Operation) -> Iterator[Operation]:
    """The ops of the way forward that read a result."""
    for value in op.results:
        yield from (reader for reader in value.readers if not _is_backward(reader))


def _is_backward(op: Operation) -> bool:
    return "transpose(" in op.location.name_stack


class _Reader:
    """Reads the user's lines behind ops, each distinct traceback once."""

    def __init__(self) -> None:
        self._sources = StatementNames()
        self._known: dict[object, tuple[int, Sequence[Line], Sequence[Statement | None]]] = {}

    def step(self, op: Operation) -> Step:
        """The op with the statements that led to it."""
        info = op.location.handle
        if info is None:
            return Step(op, (-1, op.name), (), ())
        place = jax_compat.source_place(info)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = (len(self._known), *self._read(info))
        number, lines, statements = known
        return Step(op, (number, op.name), lines, statements)

    def _read(self, info: object) -> tuple[Sequence[Line], Sequence[Statement | None]]:
        frames = [
            frame for frame in jax_compat.user_frames(info) if not is_installed_file(frame[0])
        ]
        lines = [(file, line) for file, line, _, _ in frames]
        return lines, [self._statement(file, line, function) for file, line, _, function in frames]

    def _statement(self, file: str, line: int, function: str) -> Statement | None:
        assignment = self._sources.assignment(file, line)
        own = function.rpartition(".")[2]
        if assignment is None or (own.startswith("<") and own != "<module>"):
            return None  # a lambda or a comprehension stands in an assignment and makes none
        return Statement(file, assignment.line, function, assignment.name)
