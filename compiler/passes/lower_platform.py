"""Lowering by platform: the kernels that ``compiler.lowering`` offers, put beside the ops."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, Value
from compiler.ir.types import ArrayType
from compiler.ir.walk import walk
from compiler.ops.elementwise import ELEMENTWISE
from compiler.passes.base import Pass
from compiler.rewrite.driver import apply_rules
from compiler.rewrite.numerics import Numerics, parse_level
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Rule
from compiler.rewrite.rule_set import RuleSet

MIN_ELEMENTS: Final = 64
"""No kernel is measured to pay for an op all of whose arrays have fewer."""

MANY_NAMES: Final = 16
"""A kernel with more elementwise ops as its root is one of any such op."""

_offered: Final[dict[str, Rule]] = {}
_needs: Final[dict[str, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class LowerPlatform(Pass):
    """Put another way to compute an op beside it, for platforms where that was measured to pay.

    The two stand in a branch on the platform, of which JAX keeps the one that it lowers for. So an
    export for several platforms carries each platform's own. Derivatives taken later would see the
    kernel and not the op, so the pass runs only where nobody outside differentiates or batches.

    Attributes:
        numerics: the largest class that may be used: exact, rounding, reassociate or fast.
        skip: names of kernels that are left out, joined by ``+``.
    """

    name: ClassVar[str] = "lower-platform"
    numerics: str = "rounding"
    skip: str = ""

    def __post_init__(self) -> None:
        parse_level(self.numerics)
        for name in self.skip.split("+") if self.skip else ():
            if name not in _offered:
                raise _unknown(name)

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        there = {op.name for op in walk(graph)}
        useful = tuple(rule for name, rule in _offered.items() if _needs[name] <= there)
        apply_rules(graph, rewriter, _rule_set(self, useful))


def offer(kernel: Rule, needs: Iterable[str] = ()) -> None:
    """Makes a kernel, in the form of a rule, known to the pass.

    Args:
        kernel: the rule.
        needs: ops without which it fires nowhere in a graph.

    Raises:
        ValueError: there is one of that name.
    """
    if kernel.name in _offered:
        raise ValueError(f"two kernels are named {kernel.name}")
    _offered[kernel.name] = kernel
    _needs[kernel.name] = frozenset(needs)


class _Kernels(RuleSet):
    """Kernels, which nothing small is worth."""

    __slots__ = ("_named",)

    def __init__(self, rules: Iterable[Rule], level: Numerics) -> None:
        rules = list(rules)
        super().__init__(rules, level)
        named = (rule for rule in rules if not _is_of_any(rule))
        self._named = frozenset(name for rule in named for name in rule.roots)

    def may_fire(self, op: Operation) -> bool:
        """Whether there is a kernel for ops of this name, and the op is about enough elements."""
        if not super().may_fire(op) or (op.name not in self._named and _leads_on(op)):
            return False
        return any(map(_is_worth_it, (*op.operands, *op.results)))


def _is_of_any(rule: Rule) -> bool:
    """Whether it stands in for elementwise ops of whatever name."""
    return len(rule.roots & ELEMENTWISE) > MANY_NAMES


def _leads_on(op: Operation) -> bool:
    """Whether it is elementwise and another such op goes on: kernels of any stand for the last."""
    if op.name not in ELEMENTWISE or len(op.results) != 1:
        return False
    reader = op.results[0].only_reader
    return reader is not None and reader.name in ELEMENTWISE


def _is_worth_it(value: Value) -> bool:
    type = value.type
    return isinstance(type, ArrayType) and type.is_static and type.size >= MIN_ELEMENTS


@lru_cache(8)
def _rule_set(step: LowerPlatform, offered: tuple[Rule, ...]) -> RuleSet:
    skipped = step.skip.split("+")
    left = [rule for rule in offered if rule.name not in skipped]
    return _Kernels(left, parse_level(step.numerics))


def _unknown(name: str) -> TracegraphError:
    close = difflib.get_close_matches(name, _offered, n=3)
    return TracegraphError(
        f"there is no kernel named {name}",
        expected="the name of a kernel",
        found=name,
        hint=f"did you mean {' or '.join(close)}?" if close else "see the list of kernels",
    )
