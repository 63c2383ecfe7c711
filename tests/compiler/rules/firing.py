"""What the tests of rules share: a rule applied to a program, with its values compared."""

from __future__ import annotations

import numpy as np

from compiler.lowering.evaluate import Evaluator
from compiler.lowering.inputs import random_arguments
from compiler.lowering.rule_cases import apply, base_case
from compiler.rules import all_rules

RULES = all_rules()


def check(name, case, *, firings=1, tolerance=0.0):
    """The rule fires on the program, and the values are the same."""
    captured = base_case(case).captured
    outcome = apply(RULES[name], captured)
    assert not outcome.log.failures
    assert len(outcome.log.firings) >= firings, outcome.log.near_misses.get(name)
    arguments = random_arguments(captured, 0)
    pairs = zip(Evaluator(captured)(*arguments), Evaluator(outcome.graph)(*arguments), strict=True)
    for expected, found in pairs:
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=tolerance)
    return outcome.graph


def names(graph):
    """The ops of a graph by name, without constants."""
    return sorted(op.name for op in graph.body if op.name not in ("constant", "return"))
