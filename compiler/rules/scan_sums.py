"""Scans that add up products: the sum over all runs is a part of one product."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from compiler.analysis.cost import nbytes
from compiler.ir.attributes import EnumValue
from compiler.ir.graph import Operation, Value
from compiler.ir.types import is_numeric
from compiler.ops.parameters import dot_dimensions, integers
from compiler.rewrite.expression import Term, dtype, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft
from compiler.rules.scan_stacking import MAX_BATCH_BYTES

GAIN: Final = 2
"""How many times more elements the sum must have than the factors of one run.

The loop reads and writes the sum in each run; one dot after it reads the stacked factors once. With
more than twice the elements the gradient of an RNN gains 1.0 to 2.2 times on the CPU.
"""

FULL: Final = EnumValue("Precision", "HIGHEST")
"""A product that was a multiplication is exact, so no device may round what a dot multiplies."""

_ROWS: Final = (((0,), (0,)), ((), ()))
_ADDS: Final = frozenset({"add", "add_any"})


class _Sum(NamedTuple):
    """A carry that adds up products.

    Attributes:
        add: the op that adds a product to it.
        transposed: the transpose between, if there is one.
        product: a dot, or the multiplication of a column by a row.
        factors: what it multiplies; without the dimensions that make a column and a row.
    """

    add: Operation
    transposed: Operation | None
    product: Operation
    factors: tuple[Value, Value]


def _summed_dots(m: Match) -> Replacement:
    """Products that are only added up are one product of what is stacked."""
    scan = Scan(m.root)
    if scan.length < 2:
        return Refusal("the body runs once at most")
    varying = scan.varying()
    sums = {value: found for value in scan.carries if (found := _sum_of(scan, value, varying))}
    if not sums:
        return Refusal("no carry adds up products that are larger than their factors")
    factors = list(dict.fromkeys(f for found in sums.values() for f in found.factors))
    handed = [value for value in factors if value not in scan.slices]
    if sum(map(nbytes, handed)) * scan.length > MAX_BATCH_BYTES:
        return Refusal(f"the stacked factors take more than {MAX_BATCH_BYTES} bytes")
    draft = ScanDraft(scan, [value for value in scan.body.parameters if value not in sums])
    pairs = zip(scan.carries, scan.following, strict=True)
    following = draft.copy([found for value, found in pairs if value not in sums])
    new_rows = [value for value in handed if value not in scan.rows]
    results = draft.scan(following, draft.copy([*scan.rows, *new_rows]))
    stacked = dict(zip([*scan.rows, *new_rows], results.stacked, strict=True))
    stacked |= {value: scan.outer(value) for value in factors if value in scan.slices}
    rest = iter(results.carries)
    carries = [
        _total(scan.outer(value), sums[value], stacked) if value in sums else next(rest)
        for value in scan.carries
    ]
    return [*carries, *results.stacked[: len(scan.rows)]]


def _total(first: Term, found: _Sum, stacked: Mapping[Value, Term]) -> Term:
    """The sum of all products, in one."""
    factors = [stacked[value] for value in found.factors]
    if found.product.name == "mul":
        total = new("dot_general", *factors, dimension_numbers=_ROWS, precision=(FULL, FULL))
    else:
        (lhs, rhs), _ = dot_dimensions(found.product)
        places = (tuple(range(len(lhs) + 1)), tuple(range(len(rhs) + 1)))
        (total,) = like(found.product, factors, dimension_numbers=(places, ((), ())))
    if found.transposed is not None:
        total = new("transpose", total, permutation=integers(found.transposed, "permutation"))
    return new(found.add.name, first, total)


def _sum_of(scan: Scan, value: Value, varying: set[Value]) -> _Sum | None:
    following = scan.following[value.index - len(scan.constants)]
    add = following.producer
    if add is None or add.name not in _ADDS or value.use_count != 1 or following.use_count != 1:
        return None
    if value not in add.operands or not is_numeric(value.type) or not _is_wide(value):
        return None
    first, second = add.operands
    producer = (second if first is value else first).producer
    transposed = producer if producer is not None and producer.name == "transpose" else None
    product = transposed.operands[0].producer if transposed is not None else producer
    factors = None if product is None else _factors(product)
    if product is None or factors is None or not all(factor in varying for factor in factors):
        return None
    if prod(shape(value)) < GAIN * sum(prod(shape(factor)) for factor in factors):
        return None
    return _Sum(add, transposed, product, factors)


def _is_wide(value: Value) -> bool:
    """Whether sums in its type lose nothing by another order but roundings: no nan for complex."""
    kind = dtype(value)
    return kind.kind in "iu" or (kind.kind == "f" and kind.itemsize >= 4)


def _factors(product: Operation) -> tuple[Value, Value] | None:
    """What is multiplied, if the stacked factors need no transposed copies for one product."""
    if product.name == "mul":
        return _column_and_row(product)
    if product.name != "dot_general":
        return None
    (lhs, rhs), (batch, _) = dot_dimensions(product)
    leading = tuple(range(len(lhs)))
    first, second = product.operands
    return (first, second) if not batch and lhs == rhs == leading else None


def _column_and_row(product: Operation) -> tuple[Value, Value] | None:
    """The vectors behind ``a[:, None] * b[None, :]``."""
    vectors: dict[tuple[int, ...], Value] = {}
    for operand in product.operands:
        producer = operand.producer
        if producer is None or producer.name != "broadcast_in_dim" or len(shape(operand)) != 2:
            return None
        vectors[integers(producer, "broadcast_dimensions")] = producer.operands[0]
    if vectors.keys() != {(0,), (1,)}:
        return None
    column, row = vectors[0,], vectors[1,]
    return (column, row) if shape(column) + shape(row) == shape(product.result) else None


def _gradient(x: Any, w: Any) -> Any:
    """The gradient of a recurrent network with respect to its weights."""

    def loss(w: Any) -> Any:
        first = jnp.zeros_like(x[0])
        return jnp.sum(lax.scan(lambda c, t: (jnp.tanh(c @ w + t), None), first, x)[0])

    return jax.grad(loss)(w)


RULES: Final = (
    Rule(
        name="scan-sum-of-products",
        law="a carry that adds up aᵀ b of each run = Aᵀ B of the stacked factors",
        pattern=op.scan.any(),
        replace=_summed_dots,
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form="work that waits for no carry is done for all runs at once, where that pays",
        examples=(
            example(_gradient, "f32[n,b,k]", "f32[k,k]", b=2, k=16),
            example(
                lambda x, y, c: lax.scan(lambda c, t: (c + jnp.outer(t[0], t[1]), None), c, (x, y)),
                "f32[n,k]",
                "f32[n,m]",
                "f32[k,m]",
                k=8,
                m=9,
            ),
        ),
        rejects=(
            example(
                lambda x, y, c: lax.scan(lambda c, t: (c + t[0] @ t[1], None), c, (x, y))[0],
                "f32[n,k,k]",
                "f32[n,k,k]",
                "f32[k,k]",
                reason="larger than their factors",
            ),
        ),
    ),
)
