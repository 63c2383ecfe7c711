"""The driver: applies rules to a graph until none fires, and keeps them to their word.

It is greedy and bounded. What an author claims is checked here, before anything changes: that a
rule's class is admitted and its replacement has the type of what it replaces; and that a rule
which leads to no normal form saves time by the cost model. Such a rule lowers the graph's score
each time, so these rules cannot go round in circles; the others are held by a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from compiler.analysis.cost import Cost, cost_of, total
from compiler.ir.equality import same_context
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, Value
from compiler.ir.locations import fuse
from compiler.ir.types import Type, is_numeric, is_plain
from compiler.ir.walk import count_ops, walk
from compiler.ops.definition import is_removable
from compiler.ops.parameters import runs_of_scan
from compiler.rewrite.expression import Term
from compiler.rewrite.fragment import Fragment, conform, dead_without, make_fragment
from compiler.rewrite.log import Firing, RuleFailure
from compiler.rewrite.match import GUARDED, Match, Miss, Search
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Refusal, Rule, guard_name, terms_by_op
from compiler.rewrite.rule_set import RuleSet

BYTE_SCORE: Final = 4
TRANSCENDENTAL_SCORE: Final = 8
"""What a byte of traffic and a transcendental weigh in FLOPs: the balance of current machines."""

FREE_FIRINGS: Final = 256
FIRINGS_PER_OP: Final = 8
"""One rule may fire so often on one graph, and so often more for each op, before it is stopped."""

FREE_OPS: Final = 4096
OPS_PER_OP: Final = 16
"""One rule may make so many ops on one graph, and so many more for each op that is there."""


def score(cost: Cost) -> int:
    """One number for a cost: FLOPs, with bytes and transcendentals converted into them."""
    return cost.flops + TRANSCENDENTAL_SCORE * cost.transcendentals + BYTE_SCORE * cost.bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    """A replacement that has passed every check."""

    fragment: Fragment
    results: Sequence[tuple[Operation, Sequence[bool]]]  # ops that go; for which results it stands
    dead: Sequence[Operation]
    before: int
    after: int


def apply_rules(graph: Graph, rewriter: Rewriter, rules: RuleSet) -> None:
    """Applies rules everywhere in the graph until none fires any more.

    A rule that raises, or that does not stop, is left out from there on; ``rewriter.log`` says so.
    """
    _Driver(graph, rewriter, rules).run()


class _Driver:
    def __init__(self, graph: Graph, rewriter: Rewriter, rules: RuleSet) -> None:
        self.rewriter = rewriter
        self.rules = rules
        self.log = rewriter.log
        self.fired: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.left_out: set[str] = set()
        self.graph = graph
        self.pending: list[Operation] = []
        self.waiting: set[Operation] = set()

    @cached_property
    def size(self) -> int:
        """How many ops there are when a rule fires first; most programs never ask."""
        return count_ops(self.graph)

    def run(self) -> None:
        """Goes over the whole graph until nothing fires.

        After a firing its neighbours are looked at again at once. That a rule fits because of what
        went elsewhere, only a further round finds.
        """
        fired = -1
        while fired < len(self.log.firings) and self.rewriter.may_change():
            fired = len(self.log.firings)
            self.pending = [op for op in walk(self.graph) if self.rules.may_fire(op)][::-1]
            self.waiting = set(self.pending)
            self._round()

    def _round(self) -> None:
        while self.pending and self.rewriter.may_change():
            op = self.pending.pop()
            self.waiting.discard(op)
            if op.parent is not None and op.parent.graph is not None:
                self._visit(op)

    def _visit(self, op: Operation) -> None:
        """Fires the first rule that applies at an op."""
        if op.name == "scan" and runs_of_scan(op) is None:  # rules compute with numbers
            return
        for rule in self.rules.at(op):
            if rule.name in self.left_out:
                continue
            try:
                plan = self._plan(rule, op)
            except Exception as error:  # an author's code may raise anything; the call goes on
                self._leave_out(rule, op, error)
                continue
            if plan is not None:
                self._fire(rule, op, plan)
                return

    def _plan(self, rule: Rule, op: Operation) -> _Plan | None:
        search = Search()
        for match in search.matches(rule.pattern, op):
            refused = _guarded(rule, match)
            plan = self._weigh(rule, match) if refused is None else None
            if isinstance(plan, _Plan):
                return plan
            template, words = (GUARDED, refused) if refused is not None else ("{}", (plan,))
            self.log.miss(rule.name, op.location, Miss(len(match.ops) + 1, template, words))
        if search.miss.progress > 1:
            self.log.miss(rule.name, op.location, search.miss)
        return None

    def _weigh(self, rule: Rule, match: Match) -> _Plan | str:
        """The plan for a match, or the reason why it is not worth it."""
        root = match.root
        objection = self.rules.objection(rule)
        if objection is not None:
            return objection
        if not all(same_context(op, root) for op in match.ops):
            return "its ops were made under different settings of JAX"
        unknown = next(_unknown_types(match), None)
        if unknown is not None:
            return f"{unknown} has a sharding, or sizes or elements that are no numbers"
        replacement = rule.replace(match)
        if isinstance(replacement, Refusal):
            return replacement.reason
        by_op = terms_by_op(root, replacement)
        location = fuse([op.location for op in {**dict.fromkeys(match.ops), **by_op}], rule.name)
        fragment = make_fragment(root, _conforming(by_op), location)
        readers = [op for op in by_op if op is not root]
        dead = dead_without(root, fragment.leaves, is_removable)
        gone = [*readers, *dead]
        before, after = (score(total(map(cost_of, ops))) for ops in (gone, fragment.region))
        if not rule.normal_form and after >= before:
            return f"it saves nothing here: the score would go from {before} to {after}"
        kept = [(op, [term is not None for term in terms]) for op, terms in by_op.items()]
        return _Plan(fragment, kept, dead, before, after)

    def _fire(self, rule: Rule, op: Operation, plan: _Plan) -> None:
        made = list(plan.fragment.region)
        users = [user for gone, _ in plan.results for v in gone.results for user in v.readers]
        self.log.firings.append(
            Firing(rule.name, rule.numerics, op.location, plan.before, plan.after)
        )
        with self.rewriter.rule(rule.name):
            made_values = self.rewriter.insert(op, plan.fragment)
            for gone, values in _by_op(plan.results, made_values):
                self._put(gone, values)
            for dead in plan.dead:
                if dead is not op:
                    self.rewriter.erase(dead)
        leaves = plan.fragment.leaves
        # A leaf that many read, such as a weight, would bring half the graph: the next round will.
        freed = [leaf.only_reader for leaf in leaves if leaf.only_reader is not None]
        read = [leaf.producer for leaf in leaves if leaf.producer is not None]  # has new readers
        inner = [inner for new in made for inner in _with_inner(new)]
        self._look_again([*freed, *read, *users, *inner])
        self._count(rule, op, len(made))

    def _put(self, op: Operation, values: Sequence[Value | None]) -> None:
        """Puts the values in the place of an op; of those that are None nobody reads the result."""
        whole = [value for value in values if value is not None]
        if len(whole) == len(values):
            self.rewriter.replace(op, whole)
            return
        for old, new in zip(op.results, values, strict=True):
            if new is not None:
                self.rewriter.replace_value(old, new)
        self.rewriter.erase(op)

    def _look_again(self, ops: Iterable[Operation]) -> None:
        for op in ops:
            if op not in self.waiting and self.rules.may_fire(op):
                self.pending.append(op)
                self.waiting.add(op)

    def _count(self, rule: Rule, op: Operation, made: int) -> None:
        self.fired[rule.name] = self.fired.get(rule.name, 0) + 1
        self.made[rule.name] = self.made.get(rule.name, 0) + made
        limit = FREE_FIRINGS + FIRINGS_PER_OP * self.size
        room = FREE_OPS + OPS_PER_OP * self.size
        if self.fired[rule.name] >= limit:
            self._leave_out(rule, op, _endless(rule, f"{limit} firings"))
        elif self.made[rule.name] >= room:
            self._leave_out(rule, op, _endless(rule, f"{room} ops made"))

    def _leave_out(self, rule: Rule, op: Operation, error: Exception) -> None:
        self.left_out.add(rule.name)
        self.log.failures.append(RuleFailure(rule.name, op.location, error))


def _conforming(by_op: Mapping[Operation, Sequence[Term | None]]) -> list[Term]:
    """All terms, each of the type of the result that it stands for."""
    terms: list[Term] = []
    for op, found in by_op.items():
        types = [value.type for value in op.results]
        if len(found) == len(types):
            types = [t for t, term in zip(types, found, strict=True) if term is not None]
        terms += conform([term for term in found if term is not None], types)
    return terms


def _by_op(
    results: Sequence[tuple[Operation, Sequence[bool]]], values: Sequence[Value]
) -> list[tuple[Operation, list[Value | None]]]:
    """The new values by the op whose results they stand for, the root last."""
    rest = iter(values)
    found = [(op, [next(rest) if kept else None for kept in flags]) for op, flags in results]
    return found[::-1]


def _guarded(rule: Rule, match: Match) -> tuple[str, str] | None:
    """The name of the first guard against a match, and its reason."""
    for guard in rule.guards:
        reason = guard(match)
        if reason is not None:
            return guard_name(guard), reason
    return None


def _unknown_types(match: Match) -> Iterator[Type]:
    """The types with which rules must not compute; loops and branches may hand keys through.

    A rule that asks for random bits by name knows that they come from keys.
    """
    for op in match.ops:
        takes_keys = bool(op.regions) or op.name == "random_bits"
        for value in (*op.operands, *op.results):
            if not (is_plain(value.type) and (takes_keys or is_numeric(value.type))):
                yield value.type


def _with_inner(op: Operation) -> Iterable[Operation]:
    yield op
    for region in op.regions:
        yield from walk(region)


def _endless(rule: Rule, limit: str) -> TracegraphError:
    return TracegraphError(
        f"the rule {rule.name} does not come to an end",
        expected=f"fewer than {limit} on this graph",
        found="that many, and more to come",
        hint="make the replacement simpler than the pattern, or add a guard that it fails",
    )
