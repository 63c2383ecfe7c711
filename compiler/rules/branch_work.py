"""Work at the border of conds: what all branches do is done once, what one branch needs inside it.

An op never wanders back: what moves out is computed by several regions, and what moves in is
needed by one branch only.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Region, Value
from compiler.rewrite.branches import Branches
from compiler.rewrite.cones import cone, leaves
from compiler.rewrite.expression import Term
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Draft, Outside
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.twins import comes_before, frontier, twins
from compiler.rules.work import costs_nothing, is_work, varying

ANY_COND: Final = op.cond.any()


def _is_work(value: Value) -> bool:
    return value.producer is not None and is_work(value.producer)


def _common_work(m: Match) -> Replacement:
    """What every branch computes is computed before the cond."""
    cond = Branches(m.root)
    lead, *others = cond.regions
    by_region = {lead: {value: value for value in _values(lead)}}
    for region in others:
        pairs = dict(zip(region.parameters, lead.parameters, strict=True))
        by_region[region] = {b: a for a, b in twins(lead, region, pairs).items()}
    common = set.intersection(*(set(found) for found in by_region.values()))
    wanted = frontier(lead, common, _is_work)
    if not others or not wanted:
        return Refusal("the branches have no work in common")
    terms = Outside(cond.known(lead)).terms(wanted)
    inside = {region: [found[v] for v in wanted] for region, found in by_region.items()}
    return _handing_in(cond, terms, inside)


def _values(region: Region) -> list[Value]:
    return [*region.parameters, *(value for op in region for value in op.results)]


def _known_outside(m: Match) -> Replacement:
    """What is computed before the cond already is not computed in a branch again."""
    cond = Branches(m.root)
    home = m.root.parent
    if home is None:
        return Refusal("the cond stands nowhere")
    outer: dict[Value, None] = {}
    by_region: dict[Region, Mapping[Value, Value]] = {}
    for region in cond.regions:
        arguments = dict(zip(region.parameters, cond.arguments, strict=True))
        found = twins(home, region, arguments)
        here = [v for v in frontier(region, found, _is_work) if _is_earlier(found[v], m.root)]
        by_region[region] = {found[value]: value for value in here}
        outer.update(dict.fromkeys(by_region[region]))
    if not outer:
        return Refusal("no branch computes what is computed before")
    inside = {r: [found.get(value) for value in outer] for r, found in by_region.items()}
    return _handing_in(cond, list(outer), inside)


def _is_earlier(value: Value, root: Operation) -> bool:
    return value.producer is not None and comes_before(value.producer, root)


def _handing_in(
    cond: Branches, terms: Sequence[Term], inside: Mapping[Region, Sequence[Value | None]]
) -> Sequence[Term]:
    """The cond that is handed some terms, which stand for values of its branches."""

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        for old, value in zip(inside[region], extra, strict=True):
            if old is not None:
                draft.bind(old, value)
        return draft.copy(region.outputs)

    return cond.remade(range(len(cond.arguments)), terms, fill, cond.types)


def _sunk(m: Match) -> Replacement:
    """What only one branch needs is computed in it."""
    cond = Branches(m.root)
    for branch, region in enumerate(cond.regions):
        slots = [i for i in range(len(cond.arguments)) if cond.readers(i) == [branch]]
        moving = _moving(cond, slots)
        if not all(map(costs_nothing, moving)):
            return _with_inside(cond, region, slots, moving)
    return Refusal("no branch is alone with an argument that is work")


def _moving(cond: Branches, slots: Sequence[int]) -> Set[Operation]:
    """The ops that are there for these arguments only.

    In a loop's body, what is the same in each run is left for the loop to hoist.
    """
    changing = varying(cond.op.parent)
    own = {cond.arguments[slot] for slot in slots}
    shared = {value for i, value in enumerate(cond.arguments) if i not in slots}

    def is_own_use(reader: Operation, value: Value) -> bool:
        return reader is cond.op and value in own and value not in shared | {cond.index}

    def may_move(op: Operation) -> bool:
        return changing is None or any(value in changing for value in op.operands)

    return cone([cond.arguments[slot] for slot in slots], is_own_use, may_move)


def _with_inside(
    cond: Branches, inner: Region, slots: Sequence[int], moving: Set[Operation]
) -> Sequence[Term]:
    """The cond with some ops before it moved into one of its branches."""
    moved = [slot for slot in slots if cond.arguments[slot].producer in moving]
    keep = [slot for slot in range(len(cond.arguments)) if slot not in moved]
    seeds = [cond.arguments[slot] for slot in moved]
    outer = leaves(moving, seeds)

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        if region is inner:
            for old, value in zip(outer, extra, strict=True):
                draft.bind(old, value)
            for slot, value in zip(moved, draft.copy(seeds), strict=True):
                draft.bind(region.parameters[slot], value)
        return draft.copy(region.outputs)

    return cond.remade(keep, outer, fill, cond.types)


def _outside_too(p: Any, x: Any, w: Any) -> Any:
    h = jnp.tanh(x @ w)
    return h.sum() + lax.cond(p, lambda v: jnp.tanh(v @ w).max(), lambda v: v.max(), x)


def _inside_one(p: Any, x: Any, w: Any) -> Any:
    h = jnp.tanh(x @ w) * 3.0
    return lax.cond(p, lambda: h.sum(), lambda: x.sum())


def _inside_one_in_loop(x: Any, w: Any) -> Any:
    def step(c: Any, t: Any) -> Any:
        h = w.T @ jnp.sin(c)
        return lax.cond(t[0] > 0.0, lambda: h + t, lambda: c), None

    return lax.scan(step, x[0], x)[0]


RULES: Final = (
    Rule(
        name="cond-common-work",
        law="cond(p, f(h(x)), g(h(x))) = cond(p, f(y), g(y)) with y = h(x) before",
        pattern=ANY_COND,
        replace=_common_work,
        transparent=True,
        normal_form="what does not depend on the branch is outside of it",
        examples=(
            example(
                lambda p, x, w: lax.cond(
                    p, lambda v: jnp.tanh(v @ w) * 2.0, lambda v: jnp.tanh(v @ w) - v, x
                ),
                "bool",
                "f32[n,n]",
                "f32[n,n]",
            ),
        ),
        elsewhere="Enzyme-JAX: IfOpLiftCommonOps",
    ),
    Rule(
        name="cond-known-outside",
        law="y = f(x); cond(p, g(f(x)), h) = cond(p, g(y), h)",
        pattern=ANY_COND,
        replace=_known_outside,
        transparent=True,
        normal_form="what is computed once is not computed in a branch again",
        examples=(example(_outside_too, "bool", "f32[n,n]", "f32[n,n]"),),
        rejects=(
            example(
                lambda p, x: (x * 2.0).sum() + lax.cond(p, lambda v: (v * 2.0).max(), jnp.max, x),
                "bool",
                "f32[n]",
                reason="no branch computes",
            ),
        ),
    ),
    Rule(
        name="cond-needed-by-one",
        law="cond(p, f, g)(h(x), x), h(x) used by f alone = cond(p, f(h), g)(x)",
        pattern=ANY_COND,
        replace=_sunk,
        transparent=True,
        normal_form="what one branch needs is inside of it",
        examples=(
            example(_inside_one, "bool", "f32[n,n]", "f32[n,n]"),
            example(_inside_one_in_loop, "f32[n,k]", "f32[k,k]"),
        ),
        rejects=(
            example(
                lambda p, x: lax.cond(p, lambda h: h + 1.0, lambda h: -h, jnp.sin(x)),
                "bool",
                "f32[n]",
                reason="no branch is alone",
            ),
        ),
        elsewhere="Grappler: RemoveDeadBranches, in part",
    ),
)
