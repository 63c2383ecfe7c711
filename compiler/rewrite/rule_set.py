"""Rule sets: which rules are worth trying at an op, found by the names of the ops around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from compiler.ir.graph import Operation
from compiler.rewrite.match import read_only_by
from compiler.rewrite.numerics import Numerics, level_name
from compiler.rewrite.outline import Names, Outline, names_around, outline, readers_wanted
from compiler.rewrite.rule import Rule

MAX_AROUND: Final = 4096
MAX_NAMES: Final = 5
"""For so many sets of at most so many names, the rules whose outline they fit are remembered."""


class RuleSet:
    """Rules by the ops at which they may fire, in the order of their tables.

    Args:
        rules: the rules.
        level: the largest numerics class that is admitted.
        transparent_only: whether only rules that derivatives see through are admitted.
        watched: rules among them that are tried even where they are not admitted, so that the log
            says where they would have fired.
    """

    __slots__ = ("_around", "_by_root", "_level", "_transparent_only")

    def __init__(
        self,
        rules: Iterable[Rule],
        level: Numerics,
        *,
        transparent_only: bool = False,
        watched: Sequence[Rule] = (),
    ) -> None:
        self._level = level
        self._transparent_only = transparent_only
        self._by_root: dict[str, list[tuple[Outline, Rule]]] = {}
        self._around: dict[Names, list[tuple[frozenset[str] | None, Rule]]] = {}
        for rule in rules:
            if rule in watched or self.objection(rule) is None:
                for name in rule.roots:
                    self._by_root.setdefault(name, []).append((outline(rule.pattern), rule))

    def may_fire(self, op: Operation) -> bool:
        """Whether there is any rule for ops of this name."""
        return op.name in self._by_root

    def at(self, op: Operation) -> list[Rule]:
        """The rules to be tried at an op: those whose outline it fits."""
        names = names_around(op)
        found = self._around.get(names)
        if found is None:
            rules = [rule for fits, rule in self._by_root.get(op.name, ()) if fits(names)]
            found = [(readers_wanted(rule.pattern), rule) for rule in rules]
            if len(self._around) < MAX_AROUND and len(names) <= MAX_NAMES:
                self._around[names] = found
        if not found:  # of nearly all ops
            return []
        return [r for readers, r in found if readers is None or read_only_by(op, readers)]

    def objection(self, rule: Rule) -> str | None:
        """Why a rule must not fire, if it must not."""
        if rule.numerics > self._level:
            wanted, level = level_name(rule.numerics), level_name(self._level)
            return f"it needs the numerics level {wanted}, and the level is {level}"
        if self._transparent_only and not rule.transparent:
            return "it is not transparent, and somebody outside differentiates or batches"
        return None
