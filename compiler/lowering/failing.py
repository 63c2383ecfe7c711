"""The ways in which a pipeline can fail on a graph, each a question that can be asked of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering.check_types import type_settings
from compiler.lowering.inputs import random_arguments
from compiler.lowering.quiet import check_repeatable, run_quietly
from compiler.lowering.yardstick import Noise, Yardstick
from compiler.passes.instruments import OrderedEffects, Verify
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import Pipeline
from compiler.rewrite.numerics import Numerics

SEEDS: Final = range(3)
"""Values are compared on arguments drawn from each of these."""


@dataclass(frozen=True, slots=True)
class FailingStep:
    """A pass or a rule raises an error of one type, or leaves a graph that breaks the IR's rules.

    Attributes:
        pipeline: what runs.
        name: what fails, such as ``the pass cse``.
        error: the type of the error.
    """

    pipeline: Pipeline
    name: str
    error: str

    def __call__(self, graph: Graph) -> bool:
        """Whether it fails like this on the graph."""
        return (self.name, self.error) in _failures(graph, self.pipeline)

    def __str__(self) -> str:
        return f"{self.name} fails with {self.error}"


@dataclass(frozen=True, slots=True)
class WrongValues:
    """The graph computes something else after the pipeline than before it.

    Attributes:
        pipeline: what runs.
        numerics: what it may do to the numbers.
    """

    pipeline: Pipeline
    numerics: Numerics

    def __call__(self, graph: Graph) -> bool:
        """Whether the results differ by more than is allowed, on arguments drawn at random.

        Raises:
            TracegraphError: the graph itself cannot be evaluated.
        """
        with type_settings(graph):
            return any(_differs(graph, self, seed) for seed in SEEDS)

    def __str__(self) -> str:
        return "the results differ"


def failing_steps(graph: Graph, pipeline: Pipeline) -> Iterator[FailingStep]:
    """The passes and rules of a pipeline that fail on a graph; the others still run."""
    for name, error in _failures(graph, pipeline):
        yield FailingStep(pipeline, name, error)


def _failures(graph: Graph, pipeline: Pipeline) -> list[tuple[str, str]]:
    result = _run(graph, pipeline)
    return [(failure.name, type(failure.error).__name__) for failure in result.failures]


def _run(graph: Graph, pipeline: Pipeline) -> Result:
    return PassManager(pipeline, (Verify(), OrderedEffects())).run(graph)


def _differs(graph: Graph, way: WrongValues, seed: int) -> bool:
    check_repeatable(graph)
    arguments = random_arguments(graph, seed)
    expected = run_quietly(graph, arguments).results
    try:
        found = run_quietly(_run(graph, way.pipeline).graph, arguments).results
    except TracegraphError:
        return True

    def noisy(noise: Noise) -> list[Any]:
        moved = [noise.argument(value, i) for i, value in enumerate(arguments)]
        return run_quietly(graph, moved, noise.bind).results

    yardstick = Yardstick(graph, noisy, expected)
    return not all(verdict.ok for verdict in yardstick.verdicts(found, way.numerics))
