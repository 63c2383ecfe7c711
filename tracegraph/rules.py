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
from compiler.lowering.check_rule import RuleError, check_company, check_rule
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
    if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a rule is an instance of tracegraph.rules.Rule, not {rule!r}")
    if rule in _verified:
        return
    check_rule(rule, (*registered.registered(), *all_rules().values()))
    _verified.add(rule)


def verify_all(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules, each proved.

    Raises:
        RuleError: one of them does not keep its word, or two have one name.
    """
    if isinstance(rules, Rule):
        raise TypeError(f"rules is a list of rules: write rules=[{rules.name}]")
    proved = tuple(rules)
    names = [rule.name for rule in proved if isinstance(rule, Rule)]  # pyright: ignore[reportUnnecessaryIsInstance]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RuleError(
            f"two rules are named {twice[0]}",
            expected="rules with names of their own",
            found=", ".join(names),
            hint="give one of them another name",
        )
    for rule in proved:
        verify(rule)
        registered.check_name(rule)
    for rule in proved:
        check_company(rule, (*proved, *registered.registered()))
    return proved


@boundary
def register(rule: Rule) -> Rule:
    """Proves a rule and applies it to every function traced from now on; returns it.

    Functions traced before keep what they have; ``clear_cache`` makes them anew.

    Raises:
        RuleError: the rule does not keep its word; nothing was registered.
        TracegraphError: its name is taken.
    """
    verify(rule)
    check_company(rule, registered.registered())
    registered.add(rule)
    return rule


@boundary
def unregister(rule: Rule | str) -> None:
    """Takes a registered rule away, for every function traced from now on.

    Raises:
        TracegraphError: it is not registered.
    """
    registered.remove(rule if isinstance(rule, str) else rule.name)


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
