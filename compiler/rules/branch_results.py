"""What reads the results of conds moves into their branches.

Nothing is fused across the border of a branch, and what it hands out is held in memory whole.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Region, Value
from compiler.rewrite.branches import Branches
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, rest
from compiler.rewrite.regions import Draft, copied
from compiler.rewrite.rule import Refusal, Replacement, Rule, example


def _consumed(m: Match) -> Replacement:
    """What reads a cond's only result moves into its branches."""
    cond = Branches(m.cond)
    if m.root.name == "transpose" and not any(_yields_transpose(r) for r in cond.regions):
        return Refusal("no branch transposes")

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        (value,) = draft.copy(region.outputs)
        return draft.put(*copied(m.root, (value, *extra)))

    types = [value.type for value in m.root.results]
    return cond.remade(range(len(cond.arguments)), m.others, fill, types)


def _yields_transpose(region: Region) -> bool:
    (value,) = region.outputs
    return value.producer is not None and value.producer.name == "transpose"


def _joined(m: Match) -> Replacement:
    """Two conds that take the same branch, and the op that puts them together, are one cond."""
    first, second = Branches(m.first), Branches(m.second)
    if first.index is not second.index or first.op is second.op:
        return Refusal("the conds do not ask the same question")
    beside = dict(zip(first.regions, second.regions, strict=True))

    def fill(draft: Draft, region: Region, extra: Sequence[Value]) -> Sequence[Value]:
        other = beside[region]
        for old, value in zip(other.parameters, extra, strict=True):
            draft.bind(old, value)
        values = (*draft.copy(region.outputs), *draft.copy(other.outputs))
        return draft.put(*copied(m.root, values))

    types = [value.type for value in m.root.results]
    return first.remade(range(len(first.arguments)), second.arguments, fill, types)


_CONSUMERS: Final = op[
    "slice",
    "dynamic_slice",
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_and",
    "reduce_or",
    "argmax",
    "argmin",
    "transpose",
]

RULES: Final = (
    Rule(
        name="reader-of-cond",
        law="slice(cond(p, f, g)) = cond(p, slice(f), slice(g)), and so for reductions",
        pattern=_CONSUMERS(op.cond.any().named("cond"), rest("others")),
        replace=_consumed,
        transparent=True,
        normal_form="a branch hands out no more than is read",
        examples=(
            example(
                lambda p, x, w: lax.cond(p, lambda v: jnp.tanh(v @ w), lambda v: v - 1.0, x)[:1],
                "bool",
                "f32[n,n]",
                "f32[n,n]",
            ),
            example(
                lambda p, x, i: lax.dynamic_slice(lax.cond(p, jnp.sin, jnp.cos, x), (i,), (2,)),
                "bool",
                "f32[n]",
                "i32",
            ),
            example(
                lambda p, x: lax.cond(p, lambda v: v.T, lambda v: jnp.sin(v).T, x).T,
                "bool",
                "f32[3,4]",
            ),
        ),
        rejects=(
            example(
                lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x).T,
                "bool",
                "f32[n,k]",
                reason="no branch transposes",
            ),
        ),
        elsewhere="Enzyme-JAX: SliceIf, TransposeIf",
    ),
    Rule(
        name="op-of-conds",
        law="cond(p, f, g) + cond(p, h, k) = cond(p, f + h, g + k)",
        pattern=op["add", "add_any", "sub", "mul", "div", "max", "min"](
            op.cond.any().named("first"), op.cond.any().named("second")
        ),
        replace=_joined,
        transparent=True,
        normal_form="one question is asked once",
        examples=(
            example(
                lambda p, x, y: (
                    lax.cond(p, jnp.tanh, lambda v: v * 2.0, x)
                    + lax.cond(p, jnp.exp, lambda v: v + 1.0, y)
                ),
                "bool",
                "f32[n]",
                "f32[n]",
            ),
        ),
        rejects=(
            example(
                lambda p, q, x: (
                    lax.cond(p, jnp.tanh, jnp.sin, x) * lax.cond(q, jnp.exp, jnp.log, x)
                ),
                "bool",
                "bool",
                "f32[n]",
                reason="do not ask the same question",
            ),
        ),
    ),
)
