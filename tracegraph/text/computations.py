"""Ops that carry what they compute in their attributes: reductions by a function, and solvers.

Their function is written beside the others, and called as the public function of ``jax.lax`` would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from compiler.ir.attributes import Attribute, Record
from compiler.ir.graph import Graph, Operation
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import ANNOTATION_PREFIX
from compiler.lowering.import_jaxpr import import_jaxpr
from tracegraph.text.values import UnwritableError, attributes_text

_HELD: Final = frozenset({"jaxpr", "consts", "computation"})
"""The parameters that say the function."""

Text = Callable[[Operation, str, Sequence[str]], str]


def computation(op: Operation) -> Graph:
    """What an op of ``COMPUTED`` computes with.

    Raises:
        UnwritableError: it was read from text, which does not say it, or holds arrays.
    """
    if op.name == "custom_linear_solve":  # derivatives aside, it is its solver
        held = _field(op.attributes.get("jaxprs"), "solve")
    else:
        held = op.attributes.get("jaxpr")
    jaxpr: Any = getattr(held, "handle", None)
    if not jax_compat.is_jaxpr(jaxpr) or op.attributes.get("consts"):
        raise UnwritableError("a function that it carries")
    graph = import_jaxpr(jaxpr, name=op.name)
    if any(info.captured for info in graph.parameter_info):
        raise UnwritableError("arrays that its function captures")
    return graph


def _reduction(op: Operation, function: str, operands: Sequence[str]) -> str:
    """Several arrays at once are the general form: the results are then a tuple always."""
    said = {
        name: value
        for name, value in op.attributes.items()
        if name not in _HELD and value is not None and not name.startswith(ANNOTATION_PREFIX)
    }
    half = len(operands) // 2
    arrays, starts = (f"({', '.join(part)},)" for part in (operands[:half], operands[half:]))
    reducer = f"lambda _a, _b: {function}(*_a, *_b)"
    return f"lax.{op.name}({arrays}, {starts}, {reducer}, {attributes_text(said)})"


def _solution(op: Operation, function: str, operands: Sequence[str]) -> str:
    lengths = op.attributes["const_lengths"]
    before, own, after = (
        sum(int(_field(lengths, name)) for name in names)
        for names in (("matvec", "vecmat"), ("solve",), ("transpose_solve",))
    )
    given = [*operands[before : before + own], *operands[before + own + after :]]
    return f"{function}({', '.join(given)})"


def _field(value: Attribute, name: str) -> Any:
    return dict(value.fields)[name] if isinstance(value, Record) else None


COMPUTED: Final[dict[str, Text]] = {
    "custom_linear_solve": _solution,
    "reduce": _reduction,
    "reduce_window": _reduction,
}
"""How the results are written, given the name of the op's function and its operands."""
