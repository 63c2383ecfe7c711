"""What is said of a rule that does not keep its word."""

from __future__ import annotations

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.ir.types import ArrayType
from compiler.ir.walk import walk
from compiler.lowering.rule_cases import Case, apply
from compiler.lowering.yardstick import Verdict
from compiler.rewrite.match import Search
from compiler.rewrite.rule import Rule


class RuleError(TracegraphError):
    """A rule does not keep its word."""


def place_of(rule: Rule) -> str:
    """The line on which the rule's replacement is written, which is in the rule's own lines."""
    code = getattr(rule.replace, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def where_of(rule: Rule, graph: Graph) -> str:
    """That line, and the types of the arguments with which the rule was tried."""
    types = ", ".join(str(v.type) for v in graph.parameters if isinstance(v.type, ArrayType))
    return f"{place_of(rule)}, on arguments ({types})"


def does_not_fire(rule: Rule, case: Case) -> RuleError:
    """It stays away from a program that its author has written for it."""
    return RuleError(
        f"the rule {rule.name} does not fire on its own example",
        where=where_of(rule, case.captured),
        expected="at least one firing",
        found=f"none: {_reason(rule, case.captured)}",
        hint=f"this is what the rule sees:\n{print_graph(case.captured)}",
    )


def _reason(rule: Rule, graph: Graph) -> str:
    """Why a rule does not fire, also where its outline alone says so."""
    near = apply(rule, graph).log.near_misses.get(rule.name)
    if near is not None:
        return near.miss.reason
    for op in walk(graph):
        search = Search()
        if op.name in rule.roots and not list(search.matches(rule.pattern, op)):
            return search.miss.reason
    return f"there is no op {' or '.join(sorted(rule.roots))}"


def failed(rule: Rule, case: Case, error: Exception) -> RuleError:
    """A guard or its replacement raises."""
    inner = error if isinstance(error, TracegraphError) else None
    found = inner.what if inner else f"{type(error).__name__}: {error}"
    return RuleError(
        f"the rule {rule.name} fails on its own example, {case.title}",
        where=where_of(rule, case.captured),
        expected=inner.expected if inner else "guards and a replacement that do not raise",
        found=f"{found}; {inner.found}" if inner and inner.found else found,
        hint=inner.hint if inner else "see the error that this one comes from",
    )


def broken(rule: Rule, title: str, found: str) -> RuleError:
    """What it makes has no derivative, or no batch."""
    return RuleError(
        f"the rule {rule.name} is not transparent: {title}",
        where=place_of(rule),
        expected="derivatives and batches wherever the original has them",
        found=found,
        hint="write transparent=False, or replace by ops with the same derivative rules",
    )


def differs(rule: Rule, title: str, index: int, verdict: Verdict, captured: Graph) -> RuleError:
    """It changes values by more than its class allows."""
    found = verdict.difference
    return RuleError(
        f"the rule {rule.name} changes values beyond its class, {title}",
        where=where_of(rule, captured),
        expected=f"{rule.numerics.name}: a relative difference of at most {verdict.allowed:.3g}",
        found=f"output {index} differs by {found.relative:.3g} ({found.ulps} ulps), "
        f"{found.misplaced} nans or infinities in other places, most at {found.index}",
        hint="correct the law, add a guard, or declare the class that it really has",
    )
