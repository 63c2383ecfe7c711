"""Rewriting by rules: the laws of ``compiler.rules``, and those that a user adds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.passes.base import Pass
from compiler.rewrite.driver import apply_rules
from compiler.rewrite.numerics import parse_level
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Rule
from compiler.rewrite.rule_set import RuleSet
from compiler.rules import all_rules, groups
from compiler.rules.registered import registered

ALL: Final = "all"

MAX_PREPARED: Final = 16
"""So many passes keep their rules prepared; a program uses a few levels and forms at a time."""


@dataclass(frozen=True, slots=True)
class Rewrite(Pass):
    """Apply rules wherever one fires: each a named law with a numerics class.

    Attributes:
        rules: which rules: ``all``, or names of tables and rules joined by ``+``.
        skip: names of tables and rules that are left out, joined by ``+``.
        numerics: the largest class that may fire: exact, rounding, reassociate or fast.
        transparent: whether only rules may fire that derivatives and batching see through.
        extra: further rules, tried first; not part of the text form. They stand in for registered
            rules of the same names. The log says also where one of them would have fired at
            another level.

    A name that no table and no rule has is an error when the pass is made. If it was that of a
    registered rule which has been taken away since, it means nothing.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[2,3,4]) -> (f32[2,4]) {
          %a = transpose %x {permutation = (0, 2, 1)} : f32[2,4,3]
          %b = reduce_max %a {axes = (2,)} : f32[2,4]
          return %b
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[2,3,4]) -> (f32[2,4]) {
          %b = reduce_max %x {axes = (1,)} : f32[2,4]
          return %b
        }
    """

    name: ClassVar[str] = "rewrite"
    rules: str = ALL
    skip: str = ""
    numerics: str = "rounding"
    transparent: bool = False
    extra: tuple[Rule, ...] = field(default=(), metadata={"hidden": True})

    def __post_init__(self) -> None:
        parse_level(self.numerics)
        _check(self.rules)
        _check(self.skip)

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        apply_rules(graph, rewriter, self.rule_set())

    def rule_set(self) -> RuleSet:
        """The rules that may fire, by the ops at which they do."""
        return _rule_set(self, registered())


@lru_cache(MAX_PREPARED)
def _rule_set(step: Rewrite, user: tuple[Rule, ...]) -> RuleSet:
    """The rules of a pass, prepared once for as long as the registered rules are the same."""
    del user  # a part of the key; ``_named`` asks for them by itself
    skipped = _named(step.skip)
    chosen = {rule.name: rule for rule in step.extra}
    for name, rule in _named(step.rules).items():
        chosen.setdefault(name, rule)
    left = [rule for name, rule in chosen.items() if name not in skipped]
    level = parse_level(step.numerics)
    return RuleSet(left, level, transparent_only=step.transparent, watched=step.extra)


def forget_rules() -> None:
    """Lets go of all rules that passes have prepared, when the registered ones are not the same."""
    _rule_set.cache_clear()


def _named(text: str) -> dict[str, Rule]:
    """The rules that an option names, as far as there are such rules now."""
    known = _known()
    if text == ALL:
        return known
    found: dict[str, Rule] = {}
    for name in text.split("+"):
        if name in groups():
            found |= {rule.name: rule for rule in groups()[name]}
        elif name in known:
            found[name] = known[name]
    return found


def _check(text: str) -> None:
    """Returns if there is a table or a rule of every name.

    Raises:
        TracegraphError: there is none.
    """
    known = _known()
    for name in text.split("+") if text not in ("", ALL) else ():
        if name and name not in groups() and name not in known:
            raise _unknown(name, [*groups(), *known])


def _known() -> dict[str, Rule]:
    return {rule.name: rule for rule in (*registered(), *all_rules().values())}


def _unknown(name: str, known: Sequence[str]) -> TracegraphError:
    close = difflib.get_close_matches(name, known, n=3)
    return TracegraphError(
        f"there is no rule and no table of rules named {name}",
        expected=f"one of the tables {', '.join(groups())}, or a rule",
        found=name,
        hint=f"did you mean {' or '.join(close)}?" if close else "see the list of rules",
    )
