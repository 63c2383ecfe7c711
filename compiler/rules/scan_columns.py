"""Scans: products taken apart so that several cores compute them.

XLA's CPU backend starts what is ready on other cores only where more than eight ops are ready at
once, and gives a product to several cores only from a size on. A recurrent network has three or
four products in a run, each too small for that, so all of them run on one core, one after the
other. By columns there are enough of them.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil, prod
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import dot_dimensions
from compiler.rewrite.expression import Term, array_type, dtype, new, shape, traced
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.scans import Scan, ScanDraft

READY: Final = 10
"""So many ops must wait at once: one is taken, and XLA shares out more than eight that are left."""

WIDTHS: Final = ((64, 1 << 20), (32, 1 << 21))
"""Columns of a part, and how many products of numbers a run must have at least for such parts."""

MIN_ROWS: Final = 4
"""A product of fewer rows takes as long as one of so many: it waits for its constant."""

MAX_CONSTANT: Final = 1 << 17
MAX_CONSTANT_OF_A_ROW: Final = 1 << 20
MAX_PRODUCTS: Final = 1 << 23
"""From these sizes on XLA's library computes one product on several cores itself."""

MIN_USES: Final = 256
"""The constants are copied in parts before the loop: so often must each element be used for it."""


@dataclass(frozen=True, slots=True)
class _Dot:
    """A product of something that changes from run to run with a constant of the loop.

    Attributes:
        op: the product.
        axis: along which the constant has the columns.
        columns: how many there are.
        size: how many elements the constant has.
        rows: how many rows the product has.
        level: how many products wait for each other before this one.
    """

    op: Operation
    axis: int
    columns: int
    size: int
    rows: int
    level: int

    @property
    def least_rows(self) -> int:
        """How many rows it takes the time of."""
        return max(self.rows, MIN_ROWS)

    @property
    def runs_on_one_core(self) -> bool:
        """Whether XLA's library takes it for too small for several."""
        most = MAX_CONSTANT_OF_A_ROW if self.rows == 1 else MAX_CONSTANT
        return self.size < most and self.rows * self.size < MAX_PRODUCTS


def _by_columns(m: Match) -> Replacement:
    """The products of the body that are small enough, each as the products of its columns."""
    scan = Scan(m.root)
    parts = {dot: _parts(scan, dot, width) for dot, width in columns_of_parts(scan).items()}
    if not parts:
        return Refusal("it has no products that one core computes and several would gain by")
    terms = [term for found in parts.values() for term in found]
    draft = ScanDraft(scan, scan.body.parameters, constants=terms)
    given = iter(draft.constants)
    for dot, found in parts.items():
        operands = draft.copy(dot.op.operands)
        product = traced(_product(dot.op), *operands, *islice(given, len(found)))
        draft.bind(dot.op.result, *draft.put(product, at=dot.op))
    results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
    return [*results.carries, *results.stacked]


def _product(inner: Operation) -> Callable[..., Any]:
    """On a CPU by columns, side by side; elsewhere as it was."""
    dimensions: Any = dot_dimensions(inner)
    multiply = partial(lax.dot_general, dimension_numbers=dimensions)

    def by_columns(x: Any, _: Any, *parts: Any) -> Any:
        return jnp.concatenate([multiply(x, part) for part in parts], -1)

    def whole(x: Any, constant: Any, *_: Any) -> Any:
        return multiply(x, constant)

    return partial(lax.platform_dependent, cpu=by_columns, default=whole)


def _parts(scan: Scan, dot: _Dot, width: int) -> list[Term]:
    """The columns of the constant, so many at a time, as slices before the loop."""
    whole = scan.outer(dot.op.operands[1])
    found: list[Term] = []
    for first in range(0, dot.columns, width):
        start, limit = [0, 0], list(shape(whole))
        start[dot.axis], limit[dot.axis] = first, min(first + width, dot.columns)
        bounds = {"start_indices": tuple(start), "limit_indices": tuple(limit)}
        found.append(new("slice", whole, **bounds, strides=None))
    return found


def columns_of_parts(scan: Scan) -> dict[_Dot, int]:
    """The products that several cores would gain by, each with the columns of a part."""
    small = [
        dot
        for dot in _dots(scan)
        if dot.runs_on_one_core and scan.length * dot.least_rows >= MIN_USES
    ]
    found: dict[_Dot, int] = {}
    for level in dict.fromkeys(dot.level for dot in small):
        ready = [dot for dot in small if dot.level == level]
        found.update(dict.fromkeys(ready, _width(ready)))
    return {dot: width for dot, width in found.items() if width}


def _width(ready: Sequence[_Dot]) -> int:
    """The columns of a part, for products that are ready at the same time; 0 if parts cost."""
    work = sum(dot.least_rows * dot.size for dot in ready)
    for width, least in WIDTHS:
        parts = sum(ceil(dot.columns / width) for dot in ready)
        if len(ready) < READY <= parts and work >= least:
            return width
    return 0


def _dots(scan: Scan) -> Iterator[_Dot]:
    """The products of the body that can be taken apart, in their order."""
    varying = scan.varying()
    levels: dict[Value, int] = {}
    for inner in scan.body:
        level = max((levels.get(value, 0) for value in inner.operands), default=0)
        waits = inner.name == "dot_general" or bool(inner.regions)
        levels.update(dict.fromkeys(inner.results, level + waits))
        if inner.name == "dot_general" and _is_of_a_constant(inner, scan, varying):
            yield _dot(inner, level)


def _dot(inner: Operation, level: int) -> _Dot:
    (_, (summed,)), _ = dot_dimensions(inner)
    sizes = shape(inner.operands[1])
    columns = sizes[1 - summed]
    rows = prod(shape(inner.result)) // columns
    return _Dot(inner, 1 - summed, columns, prod(sizes), rows, level)


def _is_of_a_constant(inner: Operation, scan: Scan, varying: set[Value]) -> bool:
    moving, constant = inner.operands
    (summed, _), (batch, _) = dot_dimensions(inner)
    if not all(array_type(v).is_static for v in (moving, constant)):
        return False
    if any(array_type(v).sharding for v in (moving, constant)):
        return False
    if batch or len(summed) != 1 or len(shape(constant)) != 2 or shape(inner.result)[-1] < 2:
        return False
    is_single = all(dtype(v) == np.float32 for v in (moving, constant, inner.result))
    is_plain = not any(inner.attributes.get(name) for name in ("precision", "out_sharding"))
    return is_single and is_plain and moving in varying and constant in scan.constants


def _recurrent(gates: int, *, summed: int = 0) -> Callable[..., Any]:
    """A loop with so many products of its state, each with a constant of its own."""

    def program(x: Any, *constants: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            axes = (((state.ndim - 1,), (summed,)), ((), ()))
            sums = [row + lax.dot_general(state, w, axes) for w in constants[:gates]]
            state = jnp.tanh(sum(sums[1:], sums[0]))
            return state, state

        return lax.scan(step, x[0], x)

    return program


RULE: Final = Rule(
    name="scan-dots-by-columns",
    law="products of a run with constants of the loop = those of their columns, side by side",
    pattern=op.scan.any(),
    replace=_by_columns,
    numerics=Numerics.ROUNDING,
    normal_form="products of few columns",
    examples=(
        example(_recurrent(4), "f32[16,32,128]", *("f32[128,128]",) * 4),
        example(_recurrent(3, summed=1), "f32[29,9,200]", *("f32[200,200]",) * 3),
        example(_recurrent(1), "f32[64,1,1000]", "f32[1000,1000]"),
    ),
    rejects=(
        example(_recurrent(1), "f32[16,16,128]", "f32[128,128]", reason="no products"),
        example(_recurrent(4), "f16[16,32,128]", *("f16[128,128]",) * 4, reason="no products"),
        example(_recurrent(4), "f32[7,32,128]", *("f32[128,128]",) * 4, reason="no products"),
    ),
)
