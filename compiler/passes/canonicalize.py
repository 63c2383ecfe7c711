"""Canonicalisation: identities that lose nothing, and one normal form for what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.analysis.constants import is_constant, uniform
from compiler.ir.graph import Graph, Operation, Value
from compiler.ir.walk import walk
from compiler.ops.definition import is_removable, lookup
from compiler.passes import arithmetic_identities, shape_identities
from compiler.passes.arithmetic_identities import arithmetic_identity
from compiler.passes.base import Pass
from compiler.passes.shape_identities import compose, shape_identity
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.type_checks import same_types

IDENTITIES: Final = arithmetic_identities.NAMES | shape_identities.NAMES
"""The ops that some identity is about."""


@dataclass(frozen=True, slots=True)
class Canonicalize(Pass):
    """Apply the identities that change no bit of any value, and put constants last.

    An op that equals one of its operands, type included, is replaced by it. Two transposes,
    reshapes or broadcasts in a row become one. A branch on a constant becomes the branch taken. Of
    two operands that may change places, a constant comes second.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[2,3]) -> (f32[2,3]) {
          %one = constant {value = 1.0} : f32[]
          %a = mul %one, %x : f32[2,3]
          %b = transpose %a {permutation = (1, 0)} : f32[3,2]
          %c = transpose %b {permutation = (1, 0)} : f32[2,3]
          return %c
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[2,3]) -> (f32[2,3]) {
          %one = constant {value = 1.0} : f32[]
          %b = transpose %x {permutation = (1, 0)} : f32[3,2]
          return %x
        }
    """

    name: ClassVar[str] = "canonicalize"
    keeps_derivatives: ClassVar[bool] = True

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place.

        One sweep in program order is enough: an identity depends on what comes before the op. Only
        ops that the sweep makes itself are looked at again.
        """
        pending = list(walk(graph))[::-1]
        while pending and rewriter.may_change():
            op = pending.pop()
            if op.parent is not graph.body and (op.parent is None or op.parent.graph is None):
                continue
            made = _canonicalize(op, rewriter)
            if made is not None:
                pending.append(made)


def _canonicalize(op: Operation, rewriter: Rewriter) -> Operation | None:
    """Rewrites one op, if anything holds of it; returns the op that was made, if one was."""
    if op.name == "cond":
        _take_branch(op, rewriter)
        return None
    commutes = lookup(op.name).commutative
    if not commutes and op.name not in IDENTITIES:
        return None
    if len(op.results) != 1 or op.regions or not is_removable(op):
        return None
    same = _identity(op)
    if same is not None:
        rewriter.replace(op, [same])
        return None
    if commutes:
        _put_constant_last(op, rewriter)
    return compose(op, rewriter) if op.name in shape_identities.NAMES else None


def _identity(op: Operation) -> Value | None:
    """The value of exactly the op's result type that the op always equals."""
    is_of_shape = op.name in shape_identities.NAMES
    found = shape_identity(op) if is_of_shape else arithmetic_identity(op)
    return found if found is not None and found.type == op.result.type else None


def _put_constant_last(op: Operation, rewriter: Rewriter) -> None:
    first, second, *rest = op.operands
    if is_constant(first) and not is_constant(second):
        rewriter.set_operands(op, (second, first, *rest))


def _take_branch(op: Operation, rewriter: Rewriter) -> None:
    """Replaces a branch on a known index by the branch taken."""
    number = uniform(op.operands[0])
    if number is None or not 0 <= int(number) < len(op.regions):
        return
    taken = int(number)
    branch, arguments = op.region(f"branches[{taken}]"), op.operands[1:]
    agree = same_types(arguments, branch.parameters) and same_types(op.results, branch.outputs)
    if not agree:
        return
    values = rewriter.inline_region(op, branch, arguments, f"cond/branch_{taken}_fun")
    for old, new in zip(op.results, values, strict=True):
        rewriter.replace_value(old, new)
    rewriter.erase(op)
