"""Audits one signature of a function: does it still compute, optimized, what it did before?

The captured and the optimized graph run op by op on the caller's own arguments and on arguments
moved away from them; then the decorated function and plain ``jax.jit`` run compiled. Where a
difference is more than the numerics class allows, a bisection over the changes of the pipeline
finds the first rewrite that is to blame.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import jax
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.types import ArrayType, Type, dtype_name
from compiler.lowering import jax_compat
from compiler.lowering.inputs import Move, edge_values, few_ulps, moved, one_percent
from compiler.lowering.quiet import check_repeatable
from compiler.lowering.yardstick import Verdict
from compiler.rewrite.numerics import Numerics
from tracegraph.program import Program
from tracegraph.runs import Call, Run
from tracegraph.verification import COMPILED, OP_BY_OP, Culprit, Row, Verification

PRINTED: Final = "debug calls"
"""What the row about prints in fixed order is called."""

_NO_REWRITE: Final = "no rewrite is to blame: it is wrong before the first of them"


def verify_call(
    call: Call, program: Program, numerics: Numerics, *, seeds: int, edges: bool
) -> Verification:
    """Verifies a function on the arguments of a call.

    Args:
        call: the call.
        program: what the function was traced and optimized to for it.
        numerics: what the rewrites may do to the numbers.
        seeds: how many times the arguments are moved, in each way.
        edges: whether to put nans, infinities and negative zeros into the arguments as well.

    Raises:
        TracegraphError: the arguments are no values, or the function has side effects that would be
            seen again.
    """
    _check_call(call, program)
    check_repeatable(program.captured)
    verifier = _Verifier(call, program, numerics)
    for inputs in _inputs(call.leaves, seeds, edges):
        verifier.check(inputs)
    return verifier.verification()


def level_of(program: Program) -> Numerics:
    """The largest numerics class of a rule that fired; all passes but the rules keep every bit."""
    return max((firing.numerics for firing in program.rewrites), default=Numerics.EXACT)


class _Inputs(NamedTuple):
    """Arguments to run on: their name, and the leaves."""

    name: str
    leaves: list[Any]


def _inputs(leaves: Sequence[Any], seeds: int, edges: bool) -> list[_Inputs]:
    found = [_Inputs("as given", list(leaves))]
    moves: list[tuple[str, Move]] = [("few ulps", few_ulps), ("one percent", one_percent)]
    moves += [("edge values", edge_values)] if edges else []
    for seed in range(1, seeds + 1):
        for place, (name, move) in enumerate(moves):
            rng = np.random.default_rng((seed, place))
            other = [moved(leaf, move, rng) for leaf in leaves]
            if any(a is not b for a, b in zip(leaves, other, strict=True)):
                found.append(_Inputs(f"{name} #{seed}", other))
    return found


@dataclass(slots=True)
class _Verifier:
    """Collects the rows of a verification, and what is needed to find the culprit."""

    call: Call
    program: Program
    numerics: Numerics
    rows: dict[tuple[str, str], Row] = field(default_factory=dict[tuple[str, str], Row])
    names: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    error: str = ""
    broken: Callable[[Graph], bool] | None = None

    def check(self, inputs: _Inputs) -> None:
        """Runs and compares everything on some inputs."""
        self.names.append(inputs.name)
        run = Run(self.call, self.program, self.numerics, inputs.leaves)
        try:
            verdicts = run.op_by_op(self.program.optimized)
        except TracegraphError as error:
            self.error = f"the optimized graph cannot be run on the inputs {inputs.name}: {error}"
            self._blame(OP_BY_OP, lambda graph: _fails(run.op_by_op, graph))
            return
        if not self._enter(verdicts, OP_BY_OP, inputs.name):
            self._blame(OP_BY_OP, lambda graph: _fails(run.op_by_op, graph))
        if run.not_compiled:
            self.notes = [f"not compared compiled, because {run.not_compiled}"]
        elif not self._enter(run.compiled(), COMPILED, inputs.name):
            self._blame(COMPILED, lambda graph: _fails(run.compiled, graph))

    def _blame(self, compared: str, broken: Callable[[Graph], bool]) -> None:
        """Keeps the first failure to bisect; one without a compiler in it is the better one."""
        if self.broken is None or (compared == OP_BY_OP and self._only_compiled_fails()):
            self.broken = broken

    def _only_compiled_fails(self) -> bool:
        return all(row.ok for row in self.rows.values() if row.compared == OP_BY_OP)

    def _enter(self, verdicts: Sequence[Verdict], compared: str, inputs: str) -> bool:
        """Notes the verdicts on some inputs where they are the worst so far; are they all good?"""
        labels = _labels(self.program.captured, len(verdicts))
        for (name, type), verdict in zip(labels, verdicts, strict=True):
            row = Row(name, type, compared, verdict.difference, verdict.allowed, verdict.ok, inputs)
            known = self.rows.get((name, compared))
            if known is None or _badness(known) < _badness(row):
                self.rows[name, compared] = row
        return all(verdict.ok for verdict in verdicts)

    def verification(self) -> Verification:
        """The report; finds the culprit if something is broken."""
        culprit = None
        if self.broken is not None:
            culprit = _bisect(self.program, self.broken)
            self.notes += [] if culprit else [_NO_REWRITE]
        return Verification(
            self.program.captured.name,
            self.numerics,
            tuple(self.names),
            tuple(self.rows.values()),
            culprit,
            tuple(self.notes),
            self.error,
        )


def _fails(verdicts: Callable[[Graph], Sequence[Verdict]], graph: Graph) -> bool:
    try:
        return not all(verdict.ok for verdict in verdicts(graph))
    except TracegraphError:
        return True


def _bisect(program: Program, broken: Callable[[Graph], bool]) -> Culprit | None:
    """The first rewrite of the pipeline after which the graph is broken; None if there is none."""
    good, bad = 0, sum(run.changes for run in program.runs)
    changes = bad
    if not changes or broken(program.prefix(0)[0]):
        return None
    while bad - good > 1:
        middle = (good + bad) // 2
        if broken(program.prefix(middle)[0]):
            bad = middle
        else:
            good = middle
    _, last = program.prefix(bad)
    if last is None or last.last is None:
        return None
    rule, location = last.last
    return Culprit(bad, changes, last.title, rule, location)


def _badness(row: Row) -> tuple[bool, tuple[bool, int, float, int]]:
    return (not row.ok, row.difference.rank)


def _labels(graph: Graph, count: int) -> list[tuple[str, str]]:
    """The name and type of each thing compared: results, mutable arguments, debug calls."""
    outputs = [value.type for value in graph.outputs]
    names = graph.result_names or (
        ["result"] if len(outputs) == 1 else [f"[{i}]" for i in range(len(outputs))]
    )
    found = [(name, _type_text(type)) for name, type in zip(names, outputs, strict=True)]
    references = [value for value in graph.parameters if not isinstance(value.type, ArrayType)]
    found += [(f"%{value.hint}, at the end", _type_text(value.type)) for value in references]
    return [*found, (PRINTED, "")][:count]


def _type_text(type: Type) -> str:
    if not isinstance(type, ArrayType):
        return type.text
    return f"{dtype_name(type.dtype)}[{','.join(map(str, type.shape))}]"


def _check_call(call: Call, program: Program) -> None:
    if not jax_compat.at_top_level():
        raise TracegraphError(
            f"@{program.captured.name} cannot be verified while JAX is tracing",
            expected="a call of verify outside every jit, grad, vmap and scan",
            found="a trace that is running",
            hint="call verify with arrays, at the top level",
        )
    for leaf in call.leaves:
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise TracegraphError(
                f"@{program.captured.name} cannot be verified without values",
                expected="arrays",
                found=f"a shape: {leaf}",
                hint="pass the arguments that the function is called with",
            )
