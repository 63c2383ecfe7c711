"""Runs a graph by the reference evaluator as often as wanted, without harm to anybody.

Mutable arrays are copied before they are written to. Debug prints and callbacks are not made; what
they would have been given, where their order is fixed, is kept instead. A graph with other side
effects is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from compiler.ir.effects import Effect
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.lowering.compare import host
from compiler.lowering.evaluate import Binder, Evaluator, Runner, Values
from compiler.ops.definition import HARMLESS_EFFECTS

DEBUG: Final = "Debug"
REFERENCES: Final = frozenset({"Read", "Write", "Accum"})
_REPEATABLE: Final = HARMLESS_EFFECTS | REFERENCES | {DEBUG}


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        results: the graph's results, then what each mutable argument holds at the end.
        printed: what the debug calls in fixed order would have been given.
    """

    results: list[Any]
    printed: list[Any]


def check_repeatable(graph: Graph) -> None:
    """Returns if the graph may be run any number of times.

    Raises:
        TracegraphError: it has a side effect that somebody outside would see again each time.
    """
    for op in walk(graph):
        kinds = {effect.kind for effect in op.effects} - _REPEATABLE
        if kinds:
            raise TracegraphError(
                f"@{graph.name} cannot be run again and again: {op.name} has side effects",
                where=str(op.location),
                expected="no side effects but debug prints and writes to mutable arrays",
                found=", ".join(sorted(kinds)),
                hint="verify the part of the function that only computes",
            )


def prints(graph: Graph) -> bool:
    """Whether the graph makes debug calls."""
    return any(effect.kind == DEBUG for op in walk(graph) for effect in op.effects)


def run_quietly(graph: Graph, arguments: Sequence[Any], bind: Binder | None = None) -> Outcome:
    """Runs a graph.

    Args:
        graph: a graph for which ``check_repeatable`` returns.
        arguments: a value for each parameter, captured ones too.
        bind: runs the ops that are not interpreted; None to run each as it is.
    """
    own = [_copy(value) for value in arguments]
    printed: list[Any] = []

    def quiet(op: Operation, operands: Values, run: Runner) -> Values:
        if not op.results and op.effects and all(map(_is_debug, op.effects)):
            if any(effect.ordered for effect in op.effects):
                printed.extend(map(host, operands))
            return ()
        return run(operands) if bind is None else bind(op, operands, run)

    results = Evaluator(graph, bind=quiet)(*own)
    held = [value[...] for value in own if jax_compat.is_ref(value)]
    return Outcome([*results, *held], printed)


def _copy(value: Any) -> Any:
    return jax_compat.copy_ref(value) if jax_compat.is_ref(value) else value


def _is_debug(effect: Effect) -> bool:
    return effect.kind == DEBUG
