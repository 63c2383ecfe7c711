"""What the rules say, by name: ours, those registered, and those that a pipeline was given."""

from __future__ import annotations

from compiler.passes.pipeline import Pipeline
from compiler.passes.rewrite import Rewrite
from compiler.passes.tile import LAW, RULE
from compiler.rules import all_rules
from compiler.rules.registered import registered
from compiler.rules.scan_columns import RULE as COLUMNS


def laws_of(pipeline: Pipeline) -> dict[str, str]:
    """The laws of all rules that may fire in a pipeline, the user's own included."""
    extra = [rule for step in pipeline.passes() if isinstance(step, Rewrite) for rule in step.extra]
    laws = {rule.name: rule.law for rule in (*all_rules().values(), *registered(), *extra)}
    return laws | {RULE: LAW, COLUMNS.name: COLUMNS.law}
