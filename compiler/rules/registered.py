"""Rules that a user has registered for every function; the one list that may grow at run time.

Whoever adds a rule here has verified it first: see ``tracegraph.rules.register``.
"""

from __future__ import annotations

from compiler.ir.errors import TracegraphError
from compiler.rewrite.rule import Rule
from compiler.rules import all_rules, groups

_registered: dict[str, Rule] = {}


def registered() -> tuple[Rule, ...]:
    """The registered rules, oldest first."""
    return tuple(_registered.values())


def check_name(rule: Rule) -> None:
    """Returns if no other rule and no table has the rule's name.

    Raises:
        TracegraphError: one has.
    """
    taken = {**all_rules(), **_registered}
    if rule.name not in groups() and taken.get(rule.name, rule) is rule:
        return
    raise TracegraphError(
        f"the rule {rule.name} cannot be registered: the name is taken",
        expected="a name that no rule and no table of rules has",
        found=rule.name,
        hint="choose another name, or unregister the other rule first",
    )


def add(rule: Rule) -> None:
    """Adds a verified rule; functions traced from now on are rewritten by it.

    Raises:
        TracegraphError: its name is taken.
    """
    check_name(rule)
    _registered[rule.name] = rule


def remove(name: str) -> None:
    """Takes a registered rule away.

    Raises:
        TracegraphError: no registered rule has the name.
    """
    if name not in _registered:
        raise TracegraphError(
            f"no rule named {name} is registered",
            expected=", ".join(_registered) or "a rule that was registered before",
            found=name,
            hint="the rules of tracegraph itself are left out by rewrite{skip=name}",
        )
    del _registered[name]
