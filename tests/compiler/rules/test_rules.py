"""Every rule from its table: it fires, keeps the values, sees derivatives, and stops."""

from __future__ import annotations

import pytest

from compiler.lowering.check_rule import check_rule
from compiler.lowering.rule_cases import apply, base_case
from compiler.rewrite.rule import guard_name
from compiler.rules import all_rules, groups

RULES = all_rules()


@pytest.mark.parametrize("name", RULES)
def test_the_rule_keeps_its_word(name):
    check_rule(RULES[name], RULES.values())


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.guards])
def test_each_guard_has_a_program_that_it_rejects(name):
    rule = RULES[name]
    reasons = [
        apply(rule, base_case(example).captured).log.near_misses[rule.name].miss.reason
        for example in rule.rejects
    ]
    idle = [
        guard_name(guard)
        for guard in rule.guards
        if not any(reason.startswith(f"{guard_name(guard)}:") for reason in reasons)
    ]
    assert not idle, f"no program among the rejects meets {idle}; they meet: {reasons}"


def test_each_table_is_about_something():
    assert all(groups().values())


def test_each_rule_says_its_law():
    assert [name for name, rule in RULES.items() if len(rule.law) < 8] == []
