"""Golden cases: a graph, a pipeline, and the graph that comes out, in one file.

A file reads::

    // pipeline: cse
    // What the case shows, in a sentence.
    tracegraph.ir 1
    graph @f(...) { ... }

    // expected
    tracegraph.ir 1
    graph @f(...) { ... }

Both graphs are canonical text; they are written with locations if the first one has any. The head
may have two more lines: ``// numerics: rounding`` where the pipeline may do more than keep bits,
and ``// not run: because ...`` where a text cannot hold what running it takes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from compiler.ir import Graph, parse_graph, print_graph, verify, walk
from compiler.lowering import jax_compat
from compiler.lowering.check_types import check_types
from compiler.lowering.convert_types import NotInTextError
from compiler.lowering.evaluate import Evaluator
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.inputs import edge_values, moved, random_arguments
from compiler.lowering.yardstick import Noise, Yardstick
from compiler.passes.effect_order import is_kept, ordered_effects
from compiler.passes.instruments import OrderedEffects, Verify
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.numerics import Numerics, parse_level

SEPARATOR = "\n// expected\n"
UPDATE = "to accept what came out: pytest tests/golden --update-golden"
_HEAD = re.compile(r"(?://.*\n)*")
_LINE = re.compile(r"// (pipeline|numerics|not run): *(.*)")


@dataclass(frozen=True)
class Case:
    """One file, taken apart.

    Attributes:
        head: its comment lines.
        before: the text of the graph that goes in.
        after: the text that should come out; empty in a new file.
    """

    path: Path
    head: str
    before: str
    after: str
    says: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "says", dict(_LINE.findall(self.head)))

    @property
    def pipeline(self) -> str:
        return self.says["pipeline"]

    @property
    def numerics(self) -> Numerics:
        return parse_level(self.says.get("numerics", "exact"))

    @property
    def has_locations(self) -> bool:
        return " loc(" in self.before

    def print(self, graph: Graph) -> str:
        """The text of a graph as the case has it."""
        return print_graph(graph, locations=self.has_locations)

    def write(self, after: str) -> None:
        """Puts the text in the place of the expected one."""
        self.path.write_text(f"{self.head}{self.before}{SEPARATOR}{after}", encoding="utf-8")


def read_case(path: Path) -> Case:
    """The case in a file."""
    text = path.read_text(encoding="utf-8")
    head = _HEAD.match(text)[0]
    before, _, after = text.removeprefix(head).partition(SEPARATOR)
    return Case(path, head, before, after)


def run_case(case: Case) -> tuple[Graph, Result]:
    """The graph before, and what the pipeline makes of it, verified after each pass."""
    before = parse_graph(case.before, filename=case.path.name).freeze()
    manager = PassManager(parse_pipeline(case.pipeline), (Verify(), OrderedEffects()))
    result = manager.run(before)
    assert not result.failures, [str(failure.error) for failure in result.failures]
    return before, result


def check_invariants(before: Graph, after: Graph) -> None:
    """What every pass keeps: the rules, the types, the signature, the effects, the locations."""
    verify(after)
    check_types(after)
    assert signature(after) == signature(before)
    assert is_kept(ordered_effects(before), ordered_effects(after))
    if not nameless(before):
        assert nameless(after) == []


def signature(graph: Graph) -> object:
    """What callers see of a graph."""
    return (
        graph.name,
        [value.type for value in graph.parameters],
        [value.type for value in graph.outputs],
        graph.parameter_info,
        graph.result_names,
    )


def nameless(graph: Graph) -> list[str]:
    """The ops that no line stands behind; constants and terminators have none in any graph."""
    ops = (op for op in walk(graph) if not op.is_terminator and op.name != "constant")
    return [op.name for op in ops if not op.location.frames]


def check_values(before: Graph, after: Graph, numerics: Numerics) -> None:
    """Both graphs give the same on ordinary and on edge values, as far as the class allows.

    Each runs op by op, so that no compiler stands between; and as the jaxpr that JAX would get,
    which JAX's own checker has to accept, where text can give one.
    """
    ways = [(Evaluator(before), Evaluator(after)), (_exported(before), _exported(after))]
    for arguments in _argument_sets(before):
        expected = ways[0][0](*arguments)
        yardstick = Yardstick(before, _noisy(before, arguments), expected)
        for reference, ours in ways:
            wanted, found = reference(*arguments), ours(*arguments)
            assert [value.dtype for value in found] == [value.dtype for value in wanted]
            verdicts = yardstick.verdicts(list(found), numerics, list(wanted))
            assert all(verdict.ok for verdict in verdicts), (verdicts, wanted, found)


def _argument_sets(graph: Graph) -> Sequence[Sequence[Any]]:
    plain = [random_arguments(graph, seed) for seed in (0, 1)]
    rng = np.random.default_rng(2)
    edges = [[moved(value, edge_values, rng) for value in arguments] for arguments in plain]
    return [*plain, *edges]


def _noisy(graph: Graph, arguments: Sequence[Any]) -> Any:
    def run(noise: Noise) -> Sequence[Any]:
        moved_arguments = [noise.argument(value, i) for i, value in enumerate(arguments)]
        return Evaluator(graph, bind=noise.bind)(*moved_arguments)

    return run


def _exported(graph: Graph) -> Any:
    """The graph's jaxpr as a function, run op by op but for loops; else the evaluator."""
    try:
        jaxpr = export_jaxpr(graph)
    except NotInTextError:
        return Evaluator(graph)
    jax_compat.check_jaxpr(jaxpr)
    return jax_compat.jaxpr_function(jaxpr)
