"""Selects and conds: costly work is worth a branch, cheap work is not.

A cond computes one branch only, but nothing is fused across its border. These rules are not
transparent: where a select throws nan away, its derivative may keep it, and a cond's does not.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.cost import cost_of, total
from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.rewrite.branches import Branches, branch_name, new_cond
from compiler.rewrite.cones import cone, leaves
from compiler.rewrite.driver import score
from compiler.rewrite.expression import new
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import BOOL, op, var
from compiler.rewrite.regions import Draft, Outside
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.work import costs_nothing, is_dear, is_elementwise, varying

MAX_SELECT_OPS: Final = 4
"""A branch of so few cheap ops is computed even if it is not taken."""

LARGE: Final = 1 << 16
"""From so many elements on, fusing across a cond's border is worth more than skipping a branch."""

WORTH_A_BRANCH: Final = 1 << 22
"""Work of this score is worth a branch: a product of two 128 by 128 matrices."""


def _selected(m: Match) -> Replacement:
    """A cond with little to do computes both branches and selects."""
    cond = Branches(m.root)
    if len(cond.regions) != 2 or not _is_small(cond.regions):
        return Refusal("a branch does more than a few cheap ops")
    if not _is_better_fused(cond.op.results):
        return Refusal("selecting costs more than skipping a branch")
    predicate = cond.predicate
    which = new("ne", cond.index, 0) if predicate is None else predicate
    no, yes = (Outside(cond.known(region)).terms(region.outputs) for region in cond.regions)
    return [new("select_n", which, *pair) for pair in zip(no, yes, strict=True)]


def _is_small(regions: Sequence[Region]) -> bool:
    ops = [[op for op in region if not op.is_terminator] for region in regions]
    cheap = all(
        is_elementwise(op) or costs_nothing(op) or op.name == "convert_element_type"
        for found in ops
        for op in found
    )
    return cheap and all(
        sum(not costs_nothing(op) for op in found) <= MAX_SELECT_OPS for found in ops
    )


def _is_better_fused(results: Sequence[Value]) -> bool:
    """Whether the results are scalars, or there is one large one made from arrays of its size."""
    sizes = [type.size for value in results if isinstance(type := value.type, ArrayType)]
    if len(sizes) < len(results) or any(_is_key(value) for value in results):
        return False
    if all(size == 1 for size in sizes):
        return True
    return len(sizes) == 1 and sizes[0] >= LARGE


def _is_key(value: Value) -> bool:
    return isinstance(value.type, ArrayType) and not isinstance(value.type.dtype, np.dtype)


def _branched(m: Match) -> Replacement:
    """Costly work that a select may throw away is done in a branch."""
    arms = (m.off, m.on)
    moving = [_behind(m, arm) for arm in arms]
    if max(_work(ops) for ops in moving) < WORTH_A_BRANCH:
        return Refusal("what the select may throw away is not worth a branch")
    home = m.root.parent
    if home is None:
        return Refusal("the select stands nowhere")
    outer = leaves([op for ops in moving for op in ops], arms)
    branches = [_arm(home, branch, arm, outer) for branch, arm in enumerate(arms)]
    return new_cond(m.p, outer, [m.root.result.type], branches)


def _behind(m: Match, arm: Value) -> Set[Operation]:
    """The ops that are there for one arm of a select only."""
    if arm.only_reader is not m.root:  # the usual case, in which there are none
        return set()
    others = {value for value in m.root.operands if value is not arm}
    changing = varying(m.root.parent)

    def is_own_use(reader: Operation, value: Value) -> bool:
        return reader is m.root and value is arm and value not in others

    def may_move(op: Operation) -> bool:
        return changing is None or any(value in changing for value in op.operands)

    if m.root.operands.count(arm) > 1:
        return set()
    return cone([arm], is_own_use, may_move)


def _work(ops: Set[Operation]) -> int:
    return score(total(cost_of(op) for op in ops if is_dear(op)))


def _arm(home: Region, branch: int, arm: Value, outer: Sequence[Value]) -> Region:
    draft = Draft(home, [value.type for value in outer], branch_name(branch))
    for old, value in zip(outer, draft.parameters, strict=True):
        draft.bind(old, value)
    return draft.finish(draft.copy([arm]))


p, off, on = var("p", BOOL, rank=0), var("off"), var("on")

RULES: Final = (
    Rule(
        name="cond-to-select",
        law="cond(p, f, g)(x) = select(p, f(x), g(x)) for cheap f and g",
        pattern=op.cond.any(),
        replace=_selected,
        normal_form="what is cheaper than a branch is selected",
        examples=(
            example(
                lambda p, x: lax.cond(p, lambda v: v * 2.0, lambda v: v + 1.0, x), "bool", "f32"
            ),
            example(
                lambda i, x: lax.switch(i, [lambda v: v * 2.0, lambda v: v], x),
                "i32",
                "f32[n,k]",
                n=256,
                k=256,
            ),
        ),
        rejects=(
            example(
                lambda p, x: lax.cond(p, lambda v: v * 2.0, lambda v: v + 1.0, x),
                "bool",
                "f32[n]",
                reason="more than skipping",
            ),
            example(
                lambda p, x: lax.cond(p, lambda v: v @ v, lambda v: v + 1.0, x),
                "bool",
                "f32[n,n]",
                reason="more than a few",
            ),
        ),
        elsewhere="Enzyme-JAX: IfToSelect",
    ),
    Rule(
        name="select-to-cond",
        law="select(p, f(x), g(x)) = cond(p, f, g)(x) for costly f or g and one truth value p",
        pattern=op.select_n(p, off, on) | op.select_n(op.broadcast_in_dim(p).shared(), off, on),
        replace=_branched,
        examples=(
            example(
                lambda p, x, w: jnp.where(p, jnp.tanh(x @ w), x),
                "bool",
                "f32[n,n]",
                "f32[n,n]",
                n=160,
            ),
        ),
        rejects=(
            example(
                lambda p, x, w: jnp.where(p, jnp.tanh(x @ w), x),
                "bool",
                "f32[n,n]",
                "f32[n,n]",
                reason="not worth a branch",
            ),
        ),
    ),
)
