"""Chains of dots in the order that costs least: of matrices, vectors, batches, and of tensors.

A tree of dots, with the transposes, scalings, outer products and sums between them, is seen as one
einsum, and written again in the cheapest order of contraction.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp

from compiler.analysis.cost import cost_of, total
from compiler.ir.graph import Operation
from compiler.rewrite.driver import score
from compiler.rewrite.expression import Term
from compiler.rewrite.fragment import make_fragment
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import COMPLEX, FLOAT, INTEGER, op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_networks import Network, collect, is_covered
from compiler.rules.dot_orders import Planner
from compiler.rules.dot_terms import (
    Dot,
    dot_of,
    from_the_end,
    is_plain_dot,
    keeps_dtype,
    same_arithmetic,
)
from compiler.rules.dot_writer import Writer

NUMBERS: Final = FLOAT + INTEGER + COMPLEX
numbers = var("y", NUMBERS)
INNER: Final = op.dot_general.any().named("inner").shared()


def _reordered(m: Match) -> Replacement:
    if is_covered(m.root):
        return Refusal("it is a part of a larger network")
    network = collect(m.root)
    if isinstance(network, str):
        return Refusal(network)
    if not network.factors:
        return Refusal("it has no factor but numbers")
    if _is_only_a_dot(network):
        return Refusal("two factors have one order only")
    planner = Planner(network)
    return Writer(network, planner).write(planner.best().tree)


def _is_only_a_dot(network: Network) -> bool:
    root = network.root
    operands = [factor.value for factor in network.factors]
    return operands == list(root.operands) and not network.scalars


def _apart(m: Match) -> Replacement:
    """A dot of a shared dot, from its other end, where all that read the shared one are better so.

    Once one of them has been written anew the others still are: what each costs more is less than
    the shared dot costs.
    """
    readers, inner = m.inner.result.readers, dot_of(m.inner)
    if len(readers) < 2 or m.inner.result.use_count != len(readers):
        return Refusal("nothing else reads the inner dot")
    extra = 0
    for reader in readers:
        if not (is_plain_dot(reader) and keeps_dtype(reader) and same_arithmetic(reader, m.inner)):
            return Refusal("something else than dots reads the inner dot")
        turned = _turned(reader, inner)
        if turned is None:
            return Refusal("a dot meets both ends of the inner one")
        extra += _score(turned, reader) - score(cost_of(reader))
    if extra >= score(cost_of(m.inner)):
        return Refusal("the inner dot costs less than it saves")
    return _turned(m.root, inner) or Refusal("it meets both ends of the inner one")


def _turned(op: Operation, inner: Dot) -> Term | None:
    return from_the_end(dot_of(op), inner, 0 if op.operands[0] is inner.op.result else 1)


def _score(term: Term, anchor: Operation) -> int:
    """What the ops of a term that is to stand at a place would cost, by the driver's measure."""
    made = make_fragment(anchor, [term], anchor.location)
    return score(total(map(cost_of, made.region)))


RULES: Final = (
    Rule(
        name="contraction-order",
        law="(A @ B) @ v = A @ (B @ v): a chain or network of dots in its cheapest order",
        pattern=op.dot_general(var("x", NUMBERS), var("y", NUMBERS)),
        replace=_reordered,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(
                lambda a, b, c, d: ((a @ b) @ c) @ d,
                "f32[2,m,k]",
                "f32[k,4]",
                "f32[2,4,8]",
                "f32[8,1]",
            ),
            example(
                lambda a, b, v, s: (s * (a @ b) / 3).T @ v, "f32[m,k]", "f32[k,5]", "f32[m]", "f32"
            ),
            example(lambda a: ((a @ a) @ a) @ a, "f32[m,m]"),
        ),
        elsewhere="Relax: AdjustMatmulOrder; Enzyme-JAX: FactorScalarsInDotGeneral; opt_einsum",
    ),
    Rule(
        name="sum-of-contraction",
        law="sum(A @ B) = sum(A, 0) @ sum(B, 1): sums over dots and over products with dots",
        pattern=op.reduce_sum(var("x", NUMBERS)),
        replace=_reordered,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        examples=(
            example(lambda a, b: jnp.sum(a @ b), "f32[m,k]", "f32[k,5]"),
            example(lambda a, b: jnp.mean(a @ b, 0), "f32[q,m,4]", "f32[q,4,5]"),
            example(lambda a, b: jnp.sum((a @ b) ** 2), "f32[32,k]", "f32[k,32]"),
        ),
        elsewhere="Enzyme-JAX: ReduceMulToDotGeneral",
    ),
    Rule(
        name="dots-of-shared-dot",
        law="(A @ B) @ v and (A @ B) @ w: A @ (B @ v) and A @ (B @ w), where that costs less",
        pattern=op.dot_general(INNER, numbers) | op.dot_general(numbers, INNER),
        replace=_apart,
        numerics=Numerics.REASSOCIATE,
        transparent=True,
        normal_form="chains whose shared dots pay",
        examples=(
            example(
                lambda a, b, v, w: ((a @ b) @ v, w @ (a @ b)),
                "f32[m,m]",
                "f32[m,m]",
                "f32[m]",
                "f32[m]",
                m=8,
            ),
        ),
        rejects=(
            example(
                lambda a, b, v: ((a @ b) @ v, jnp.sin(a @ b)),
                "f32[m,m]",
                "f32[m,m]",
                "f32[m]",
                reason="something else than dots",
            ),
        ),
    ),
)
