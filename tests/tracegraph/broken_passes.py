"""Passes that break a graph on purpose, to be found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from compiler.ir import ArrayType, Dense, Graph, Operation, walk
from compiler.passes.base import Pass
from compiler.passes.pipeline import Pipeline, parse_pipeline
from compiler.rewrite.rewriter import Rewriter


def pipeline(*steps: str | Pass) -> Pipeline:
    """A pipeline of passes by their text, and of passes that have none."""
    parts = [parse_pipeline(s).steps if isinstance(s, str) else (s,) for s in steps]
    return Pipeline(tuple(step for part in parts for step in part))


@dataclass(frozen=True, slots=True)
class Replacing(Pass):
    """Replaces the ops of one name by what ``_new`` makes, in the name of a rule."""

    name: ClassVar[str] = "replacing"
    idempotent: ClassVar[bool] = False

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        for op in list(self._found(graph)):
            if not rewriter.may_change():
                return
            with rewriter.rule(f"{self.name}-rule"):
                rewriter.replace(op, [self._new(op, rewriter)])

    def _found(self, graph: Graph) -> Iterator[Operation]:
        raise NotImplementedError

    def _new(self, op: Operation, rewriter: Rewriter) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class OneUlp(Replacing):
    """Moves the results of ``sin`` by one unit in the last place."""

    name: ClassVar[str] = "one-ulp"

    def _found(self, graph: Graph) -> Iterator[Operation]:
        return (op for op in walk(graph) if op.name == "sin")

    def _new(self, op: Operation, rewriter: Rewriter) -> Any:
        again = rewriter.create(op, "sin", op.operands, [op.result.type])
        infinity = constant(op, np.inf, rewriter)
        return rewriter.create(op, "nextafter", [again.result, infinity], [op.result.type]).result


@dataclass(frozen=True, slots=True)
class WrongSign(Replacing):
    """Turns the additions in loop bodies into subtractions."""

    name: ClassVar[str] = "wrong-sign"

    def _found(self, graph: Graph) -> Iterator[Operation]:
        ops = (op for op in walk(graph) if op.name == "add")
        return (op for op in ops if op.parent is not None and op.parent.owner is not graph)

    def _new(self, op: Operation, rewriter: Rewriter) -> Any:
        return rewriter.create(op, "sub", op.operands, [op.result.type]).result


@dataclass(frozen=True, slots=True)
class WrongType(Replacing):
    """Gives ``cos`` an operand of another shape than its result has."""

    name: ClassVar[str] = "wrong-type"

    def _found(self, graph: Graph) -> Iterator[Operation]:
        return (op for op in walk(graph) if op.name == "cos")

    def _new(self, op: Operation, rewriter: Rewriter) -> Any:
        (operand,) = op.operands
        axes = tuple(range(len(operand.type.shape)))
        scalar = ArrayType((), operand.type.dtype)
        small = rewriter.create(op, "reduce_sum", [operand], [scalar], {"axes": axes})
        return rewriter.create(op, "cos", [small.result], [op.result.type]).result


def constant(op: Operation, value: float, rewriter: Rewriter) -> Any:
    """A constant of the type of the op's result, before the op."""
    type = op.result.type
    assert isinstance(type, ArrayType)
    return rewriter.constant(op, Dense(np.full(type.shape, value, type.dtype)), type)


def raising(error: Exception, where: Callable[[Graph], bool]) -> Any:
    """A ``run`` for a pass that raises on some graphs, to be put in the place of its own."""

    def run(self: object, graph: Graph, rewriter: object) -> None:
        if where(graph):
            raise error

    return run
