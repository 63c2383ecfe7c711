"""Loop unrolling: several steps of a scan in one run of its body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import count_ops, walk
from compiler.ops.parameters import runs_of_scan
from compiler.passes.base import Pass
from compiler.rewrite.rewriter import Rewriter

MAX_OPS: Final = 512
"""A body is not copied beyond so many operations: compiling it would take too long."""


@dataclass(frozen=True, slots=True)
class Unroll(Pass):
    """Let XLA see ``factor`` steps of every scan at once; their values are the same.

    It saves the loop's own work and copies of the carry, and costs compile time. Where the steps
    are nothing but elementwise, XLA may compute a step anew for each one that follows and be many
    times slower, so no pipeline has this pass by default: ``autotune=True`` measures it.

    Before::

        tracegraph.ir 1
        graph @f(%x: f32[8]) -> (f32[]) {
          %c = constant {value = 0.0} : f32[]
          %s = scan %c, %x {length = 8, num_carry = 1, num_consts = 0, unroll = 1} : f32[]
            jaxpr (%a: f32[], %b: f32[]) {
              %add = add %a, %b : f32[]
              yield %add
            }
          return %s
        }

    After::

        tracegraph.ir 1
        graph @f(%x: f32[8]) -> (f32[]) {
          %c = constant {value = 0.0} : f32[]
          %s = scan %c, %x {length = 8, num_carry = 1, num_consts = 0, unroll = 2} : f32[]
            jaxpr (%a: f32[], %b: f32[]) {
              %add = add %a, %b : f32[]
              yield %add
            }
          return %s
        }

    Attributes:
        factor: how many steps; at most 1 for none.
    """

    name: ClassVar[str] = "unroll"
    factor: int = 2

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place."""
        for op in walk(graph):
            if rewriter.may_change() and self.applies_to(op):
                rewriter.set_attribute(op, "unroll", self.factor)

    def applies_to(self, op: Operation) -> bool:
        """Whether it is a scan that nobody has unrolled, long enough and with a small body."""
        if op.name != "scan" or op.attributes.get("unroll", 1) != 1 or self.factor <= 1:
            return False
        is_long = (runs_of_scan(op) or 0) >= 2 * self.factor
        return is_long and self.factor * count_ops(op.regions[0]) <= MAX_OPS
