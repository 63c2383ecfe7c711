"""Linear solves: what computes them stands among the other ops."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.ir.attributes import Attribute, Record
from compiler.ops.host import host
from compiler.rewrite.expression import spliced
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.rule import Refusal, Replacement, Rule, example


def _solved(m: Match) -> Replacement:
    """The solver, of its own constants and of the right side.

    The operands are the constants of each of the functions, one after the other, and that side.
    """
    counts, carried = (_fields(m.root.attributes.get(n)) for n in ("const_lengths", "jaxprs"))
    graph = host().carried(carried.get("solve"))
    if graph is None:
        return Refusal("its solver cannot be looked into")
    operands = list(m.root.operands)
    own = dict[str, Any]()
    for name, count in counts.items():
        own[name] = [operands.pop(0) for _ in range(count if isinstance(count, int) else 0)]
    return spliced(graph, *own["solve"], *operands)


def _fields(value: Attribute) -> dict[str, Attribute]:
    return dict(value.fields) if isinstance(value, Record) else {}


def _with_aux(a: Any, b: Any) -> Any:
    def solve(_: Any, y: Any) -> Any:
        return y * a, y.sum()

    return lax.custom_linear_solve(lambda x: x * a, b, solve, symmetric=True, has_aux=True)


RULES: Final = (
    Rule(
        name="solve-by-its-solver",
        law="custom_linear_solve(A, b) = solve(b)",
        pattern=op.custom_linear_solve.any(),
        replace=_solved,
        normal_form="solvers stand among the other ops, where their derivatives are of no matter",
        examples=(
            example(
                lambda a, b: jnp.linalg.solve(a + 9 * jnp.eye(a.shape[-1]), b), "f32[n,n]", "f32[n]"
            ),
            example(_with_aux, "f32[n]", "f32[n]"),
        ),
    ),
)
