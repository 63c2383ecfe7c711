"""What rewriting did and nearly did: firings, near misses and rules that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.ir.locations import Location
from compiler.rewrite.match import Miss
from compiler.rewrite.numerics import Numerics


class Firing(NamedTuple):
    """One application of a rule.

    Attributes:
        rule: the rule's name.
        numerics: the rule's class.
        location: where the op stood that was replaced.
        before: the score of the ops that went, by the cost model.
        after: the score of the ops that came.
    """

    rule: str
    numerics: Numerics
    location: Location
    before: int
    after: int


class NearMiss(NamedTuple):
    """The place where a rule came nearest to firing, and why it did not."""

    rule: str
    location: Location
    miss: Miss

    @property
    def progress(self) -> int:
        """How many ops of the pattern matched."""
        return self.miss.progress

    def __str__(self) -> str:
        return f"{self.rule} at {self.location}: {self.miss.words}"


class RuleFailure(NamedTuple):
    """A rule that raised, gave another type or did not stop, and was left out from there on."""

    rule: str
    location: Location
    error: Exception


@dataclass(slots=True)
class RewriteLog:
    """All that happened while rules were applied to one graph.

    Attributes:
        firings: in order.
        near_misses: the nearest one of each rule, by its name.
        failures: in order; one for each rule at most.
    """

    firings: list[Firing] = field(default_factory=list[Firing])
    near_misses: dict[str, NearMiss] = field(default_factory=dict[str, NearMiss])
    failures: list[RuleFailure] = field(default_factory=list[RuleFailure])

    def miss(self, rule: str, location: Location, miss: Miss) -> None:
        """Keeps a near miss if it came further than the one that is known."""
        known = self.near_misses.get(rule)
        if known is None or miss.progress > known.miss.progress:
            self.near_misses[rule] = NearMiss(rule, location, miss)
