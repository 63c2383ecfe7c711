"""Rewrite rules of your own: write one, have it proved, apply it to one function or to all.

import jax.numpy as jnp
from tracegraph.rules import Numerics, Rule, example, op, register, var

x = var("x")
log_of_exp = Rule(
    name="log-of-exp",
    law="log(exp(x)) = x",
    pattern=op.log(op.exp(x)),
    replace=lambda m: m.x,
    numerics=Numerics.FINITE,
    transparent=True,
    examples=(example(lambda x: jnp.log(jnp.exp(x)), "f32[n]"),),
)
register(log_of_exp)                      # for every function traced from now on
step = tg.function(f, rules=[log_of_exp])  # or for this one
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from compiler.lowering import jax_compat
from compiler.lowering.check_rule import check_company, check_rule
from compiler.lowering.rule_errors import RuleError
from compiler.passes.rewrite import forget_rules
from compiler.rewrite.expression import (
    Expr,
    array_type,
    constant,
    dtype,
    like,
    shape,
    traced,
    with_regions,
)
from compiler.rewrite.log import Firing, NearMiss
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import (
    BOOL,
    COMPLEX,
    FLOAT,
    INTEGER,
    Pattern,
    Var,
    known,
    num,
    op,
    region,
    rest,
    var,
    variables,
)
from compiler.rewrite.rule import Example, Refusal, Rule, example
from compiler.rules import all_rules, groups, registered
from tracegraph.boundary import boundary

jax_compat.hide_frames(__file__)

_verified: weakref.WeakSet[Rule] = weakref.WeakSet()


@boundary
def verify(rule: Rule) -> None:
    """Returns if the rule keeps its word; what is proved is listed in the guide to rules.

    A rule is proved once: verifying it again is free.

    Raises:
        RuleError: it does not; the error says how.
        TypeError: it is no rule.
    """
    _check_kind(rule)
    if rule in _verified:
        return
    check_rule(rule, (*registered.beside([rule]), *all_rules().values()))
    _verified.add(rule)


def _check_kind(rule: object) -> None:
    if not isinstance(rule, Rule):
        raise TypeError(f"a rule is an instance of tracegraph.rules.Rule, not {rule!r}")


def verify_all(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules, each proved and each once; a rule that is given twice counts once.

    Raises:
        RuleError: one of them does not keep its word, or two have one name.
        TracegraphError: a rule or a table of tracegraph itself has the name of one.
        TypeError: one of them is no rule.
    """
    if isinstance(rules, Rule):
        raise TypeError(f"rules is a list of rules: write rules=[{rules.name}]")
    try:
        given = tuple(rules)
    except TypeError:
        raise TypeError(f"rules is a list of rules, not {rules!r}") from None
    for rule in given:
        _check_kind(rule)
    proved = tuple(dict.fromkeys(given))
    _check_names(proved)
    for rule in proved:
        verify(rule)
    for rule in proved:
        check_company(rule, (*proved, *registered.beside(proved)))
    return proved


def _check_names(rules: Iterable[Rule]) -> None:
    """Checks the names, which is quick, before anything is proved, which is not."""
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RuleError(
            f"two rules are named {twice[0]}",
            expected="rules with names of their own",
            found=", ".join(names),
            hint="give one of them another name",
        )
    for rule in rules:
        registered.check_name(rule)


@boundary
def register(rule: Rule) -> Rule:
    """Proves a rule and applies it to every function traced from now on; returns it.

    It takes the place of the rule that was registered under its name before, if there is one, so
    that a notebook's cell may run twice. Functions traced before keep what they have;
    ``clear_cache`` makes them anew. A function whose pipeline has no ``rewrite`` pass, such as one
    with ``passes=""``, is not rewritten.

    Raises:
        RuleError: the rule does not keep its word; nothing was registered.
        TracegraphError: a rule or a table of tracegraph itself has its name.
        TypeError: it is no rule.
    """
    _check_kind(rule)
    registered.check_name(rule)
    verify(rule)
    check_company(rule, registered.beside([rule]))
    registered.add(rule)
    forget_rules()
    return rule


@boundary
def unregister(rule: Rule | str) -> None:
    """Takes the rule that is registered under a name away, for every function traced from now on.

    Pipelines that name it, as in ``rewrite{skip=name}``, go on without it.

    Args:
        rule: the name, or a rule that has it.

    Raises:
        TracegraphError: it is not registered.
    """
    registered.remove(rule if isinstance(rule, str) else rule.name)
    forget_rules()


__all__ = [
    "BOOL",
    "COMPLEX",
    "FLOAT",
    "INTEGER",
    "Example",
    "Expr",
    "Firing",
    "Match",
    "NearMiss",
    "Numerics",
    "Pattern",
    "Refusal",
    "Rule",
    "RuleError",
    "Var",
    "all_rules",
    "array_type",
    "constant",
    "dtype",
    "example",
    "groups",
    "known",
    "like",
    "num",
    "op",
    "region",
    "register",
    "rest",
    "shape",
    "traced",
    "unregister",
    "var",
    "variables",
    "verify",
    "with_regions",
]
