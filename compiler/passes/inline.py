"""Inlining: a call becomes the ops of its body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.ir.attributes import Attribute, EnumValue
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.walk import count_ops, walk
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.type_checks import same_types

JIT: Final = frozenset({"jit", "pjit"})
CALLS: Final = JIT | {"closed_call", "core_call"}
REMAT: Final = frozenset({"remat", "remat2", "checkpoint"})
DERIVATIVES: Final = REMAT | {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
PLACEMENT: Final = ("in_shardings", "out_shardings", "in_layouts", "out_layouts")


@dataclass(frozen=True, slots=True)
class InlineCalls(Pass):
    """Replace a call by its body, wherever nothing is lost by it.

    Kept as they are: calls that fix shardings, layouts or compiler options, calls that carry an
    annotation of ours, recomputation made by differentiation, and calls whose operands and results
    differ in type (weak type included) from those of the body.

    Attributes:
        derivatives: also inline what carries a custom derivative rule or asks for recomputation.
            Right only where nobody differentiates the graph afterwards.
        max_ops: leave a body of more ops than this alone if it is called more than once; 0 for
            no bound.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %y = jit %x {name = "g"} : f32[4]
            jaxpr (%a: f32[4]) {
              %b = sin %a : f32[4]
              yield %b
            }
          return %y
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[4]) -> (f32[4]) {
          %b = sin %x : f32[4]
          return %b
        }
    """

    name: ClassVar[str] = "inline"
    derivatives: bool = True
    max_ops: int = 0

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place.

        Outer calls go first, so that each op moves once, from its own call to where it stays.
        """
        large = self._large_shared_bodies(graph)
        pending = _backwards(graph.body)
        while pending and rewriter.may_change():
            op = pending.pop()
            if not op.regions:
                continue
            inside = [inner for region in reversed(op.regions) for inner in _backwards(region)]
            if self._is_inlinable(op) and op not in large:
                _inline(op, rewriter)
            pending += inside

    def _is_inlinable(self, op: Operation) -> bool:
        admitted = CALLS | DERIVATIVES if self.derivatives else CALLS
        if op.name not in admitted or len(op.regions) != 1 or not _loses_nothing(op):
            return False
        (body,) = op.regions
        return same_types(op.operands, body.parameters) and same_types(op.results, body.outputs)

    def _large_shared_bodies(self, graph: Graph) -> set[Operation]:
        """The calls whose bodies are over the bound and called more than once."""
        if not self.max_ops:
            return set()
        calls = {op: _body_key(op) for op in walk(graph) if self._is_inlinable(op)}
        times = Counter(calls.values())
        return {
            op
            for op, key in calls.items()
            if times[key] > 1 and count_ops(op.regions[0]) > self.max_ops
        }


def _backwards(region: Region) -> list[Operation]:
    """The ops, the last one first: a list to take from at its end. Terminators stay in place."""
    return [op for op in reversed(region) if not op.is_terminator]


def _loses_nothing(op: Operation) -> bool:
    """Whether the call itself says nothing that its body does not."""
    attributes = op.attributes
    if any(name.startswith("tg.") for name in attributes):
        return False
    if op.name in REMAT:
        return not attributes.get("differentiated")
    if op.name not in JIT:
        return True
    placed = any(not _is_unspecified(attributes.get(name)) for name in PLACEMENT)
    return not placed and not attributes.get("compiler_options_kvs")


def _is_unspecified(value: Attribute) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_unspecified, value))
    return value is None or (isinstance(value, EnumValue) and value.member == "UNSPECIFIED")


def _body_key(op: Operation) -> Hashable:
    """Agrees for calls of one function at the same types."""
    names = tuple(inner.name for inner in walk(op.regions[0]))
    return (op.name, op.attributes.get("name"), tuple(v.type for v in op.operands), names)


def _inline(op: Operation, rewriter: Rewriter) -> None:
    function = op.attributes.get("name")
    scope = f"{op.name}({function})" if isinstance(function, str) else op.name
    values = rewriter.inline_region(op, op.regions[0], op.operands, scope)
    for old, new in zip(op.results, values, strict=True):
        rewriter.replace_value(old, new)
    rewriter.erase(op)
