"""Rules that a user has registered for every function; the one list that may grow at run time.

Whoever adds a rule here has verified it first: see ``tracegraph.rules.register``. A rule takes the
place of the one that was registered under its name before, so that a notebook's cell may run twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from compiler.ir.errors import TracegraphError
from compiler.rewrite.rule import Rule
from compiler.rules import all_rules, groups

_registered: dict[str, Rule] = {}
_changes = 0


def registered() -> tuple[Rule, ...]:
    """The registered rules, oldest first."""
    return tuple(_registered.values())


def generation() -> int:
    """A number for the registered rules as they are now: another one after every change."""
    return _changes


def beside(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The registered rules but those whose names these rules have, and whose place they take."""
    names = {rule.name for rule in rules}
    return tuple(rule for rule in _registered.values() if rule.name not in names)


def check_name(rule: Rule) -> None:
    """Returns if no other rule of tracegraph itself, and no table, has the rule's name.

    Raises:
        TracegraphError: one has.
    """
    if rule.name in groups():
        owner = "a table of rules"
    elif all_rules().get(rule.name, rule) is not rule:
        owner = "a rule of tracegraph itself"
    else:
        return
    raise TracegraphError(
        f"the rule {rule.name} cannot be used: the name is taken",
        expected="a name that no rule and no table of tracegraph itself has",
        found=f"{rule.name} is {owner}",
        hint="choose another name",
    )


def add(rule: Rule) -> None:
    """Adds a verified rule; functions traced from now on are rewritten by it.

    It takes the place of the rule that was registered under its name before.

    Raises:
        TracegraphError: its name is taken.
    """
    check_name(rule)
    _registered[rule.name] = rule
    _note_change()


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
    _note_change()


def _note_change() -> None:
    global _changes
    _changes += 1
