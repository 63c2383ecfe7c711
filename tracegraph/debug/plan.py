"""How one signature of a function is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import walk
from compiler.ops import callback
from compiler.ops.definition import HARMLESS_EFFECTS, UNKNOWN, lookup
from tracegraph.debug.screen import Stretches


class Plan:
    """How one signature of a function is checked.

    Attributes:
        graph: the captured graph.
        stretches: its ops in stretches, which are screened together.
        acts: whether the program does something that somebody else sees, so that it runs once.
        repeats: whether it can run again without anybody noticing, once what acts is left out.
        works: whether the checked program can be traced; None until somebody has tried.
        programs: the programs that look at some of the ops.
    """

    def __init__(self, graph: Graph, checks: Sequence[str]) -> None:
        self.graph = graph.freeze()
        self.stretches = Stretches(graph, checks)
        acting = [op for op in walk(graph) if acts(op)]
        self.acts = bool(acting)
        self.repeats = not any(op.results for op in acting)
        self.works: bool | None = None
        self.programs: dict[object, Any] = {}


def acts(op: Operation) -> bool:
    """Whether an op does something beside computing, or may do so for all that is known."""
    if op.is_terminator or op.regions:
        return False
    definition = lookup(op.name)
    if definition is UNKNOWN or definition.family == callback.FAMILY:
        return True
    return any(effect.kind not in HARMLESS_EFFECTS for effect in op.effects)
