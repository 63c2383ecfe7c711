"""Products of a loop, for several cores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import walk
from compiler.ops.parameters import runs_of_scan
from compiler.passes.base import Pass
from compiler.rewrite.driver import apply_rules
from compiler.rewrite.numerics import parse_level
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule_set import RuleSet
from compiler.rewrite.scans import Scan
from compiler.rules.scan_columns import RULE, columns_of_parts


@dataclass(frozen=True, slots=True)
class SpreadDots(Pass):
    """Take the products of a scan's body apart by columns, so that several cores compute them.

    Where the cores wake each other in time, recurrent networks are 1.1 to 1.6 times as fast on two
    of them; where a core falls asleep in between, or has other work, 0.8 to 1.1. So no pipeline has
    this pass by default: ``autotune=True`` measures it. The constants of the products are copied
    once before the loop, and a product's parts may be rounded otherwise than the whole.

    Before::

        %h2 = dot_general %h, %w {...} : f32[16,1024]

    After::

        %p1 = dot_general %h, %w1 {...} : f32[16,64]
        ...
        %h2 = concatenate %p1, ... {dimension = 1} : f32[16,1024]

    Attributes:
        numerics: the largest class that may be used; at ``exact`` the pass does nothing.
    """

    name: ClassVar[str] = "spread-dots"
    numerics: str = "rounding"

    def __post_init__(self) -> None:
        parse_level(self.numerics)

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        apply_rules(graph, rewriter, _rules(self.numerics))

    def applies_to(self, graph: Graph) -> bool:
        """Whether there is a scan with products that it would take apart."""
        if parse_level(self.numerics) < RULE.numerics:
            return False
        scans = (Scan(op) for op in walk(graph) if op.name == "scan" and _may_change(op))
        return any(map(columns_of_parts, scans))


def _may_change(op: Operation) -> bool:
    return not op.effects and runs_of_scan(op) is not None


@cache
def _rules(level: str) -> RuleSet:
    return RuleSet([RULE], parse_level(level))
