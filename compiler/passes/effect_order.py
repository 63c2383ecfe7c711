"""The sequence of ordered effects of a graph, and whether a pass has kept it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import traverse

_UNCERTAIN: Final = frozenset({"cond", "while", "scan"})
"""Ops whose regions may not run at all."""


class OrderedEffect(NamedTuple):
    """An effect that keeps its place among the others.

    Attributes:
        text: what it is.
        certain: whether it happens in every run of the graph.
    """

    text: str
    certain: bool


def ordered_effects(graph: Graph) -> list[OrderedEffect]:
    """The ordered effects of all ops, in the order of the program."""
    found: list[OrderedEffect] = []
    uncertain = 0
    for visit in traverse(graph.body):
        if isinstance(visit.item, Operation):
            texts = sorted(str(effect) for effect in visit.item.effects if effect.ordered)
            found += [OrderedEffect(text, uncertain == 0) for text in texts]
            continue
        owner = visit.item.owner
        if isinstance(owner, Operation) and owner.name in _UNCERTAIN:
            uncertain += -1 if visit.leaving else 1
    return found


def is_kept(before: Sequence[OrderedEffect], after: Sequence[OrderedEffect]) -> bool:
    """Whether the sequence is the same, but for effects that were not certain and are gone.

    A branch that is never taken goes with its effects, and so does a loop that never runs.
    """
    texts = [effect.text for effect in after]
    reached = {0}
    for effect in before:
        taken = {n + 1 for n in reached if n < len(texts) and texts[n] == effect.text}
        reached = taken if effect.certain else taken | reached
    return len(texts) in reached
