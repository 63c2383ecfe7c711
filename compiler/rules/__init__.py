"""The rules of tracegraph: tables of named laws, one module per subject, and what only they use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from compiler.rewrite.rule import Rule
from compiler.rules import (
    best_of_sorts,
    branch_results,
    branch_selects,
    branch_work,
    cancellations,
    comparisons,
    complexes,
    concatenates,
    conditionals,
    converts,
    cumulative,
    dot_chains,
    dot_gathers,
    dot_joins,
    dot_operands,
    dot_products,
    dot_reductions,
    dot_slices,
    dot_structured,
    dot_sums,
    dots,
    dynamic_slices,
    exponentials,
    extremes,
    gather_moves,
    gathers,
    one_hot,
    pads,
    polynomials,
    powers,
    predicates,
    reduction_parts,
    reductions,
    remainders,
    reshapes,
    reversals,
    scan_batching,
    scan_constants,
    scan_hoisting,
    scan_indexing,
    scan_lanes,
    scan_outputs,
    scan_sums,
    scan_work,
    scatters,
    selects,
    slices,
    solvers,
    sorts,
    transposes,
    whiles,
    windows,
)

_GROUPS = (
    transposes,
    dots,
    dot_structured,
    dot_operands,
    dot_reductions,
    dot_products,
    dot_chains,
    dot_sums,
    dot_slices,
    dot_gathers,
    dot_joins,
    conditionals,
    reductions,
    extremes,
    predicates,
    cumulative,
    windows,
    powers,
    remainders,
    comparisons,
    branch_work,
    branch_results,
    branch_selects,
    slices,
    solvers,
    whiles,
    exponentials,
    selects,
    cancellations,
    complexes,
    reduction_parts,
    polynomials,
    pads,
    gathers,
    scan_lanes,
    scan_constants,
    scan_hoisting,
    scan_indexing,
    scan_batching,
    scan_work,
    scan_sums,
    scan_outputs,
    scatters,
    concatenates,
    sorts,
    one_hot,
    best_of_sorts,
    converts,
    reversals,
    reshapes,
    dynamic_slices,
    gather_moves,
)


@cache
def groups() -> Mapping[str, tuple[Rule, ...]]:
    """All rules by the name of their table, in the order in which they are tried."""
    named = {module.__name__.rpartition(".")[2]: module.RULES for module in _GROUPS}
    return MappingProxyType(named)


@cache
def all_rules() -> Mapping[str, Rule]:
    """All rules by their names.

    Raises:
        ValueError: two rules have one name.
    """
    found: dict[str, Rule] = {}
    for rules in groups().values():
        for rule in rules:
            if rule.name in found:
                raise ValueError(f"two rules are named {rule.name}")
            found[rule.name] = rule
    return MappingProxyType(found)
