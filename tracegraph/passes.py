"""Passes of your own: write one, register it, and name it in a pipeline's text.

@dataclass(frozen=True, slots=True)
class DropNames(Pass):
    "Remove the name ops that checkpoint policies read."
    name: ClassVar[str] = "drop-names"

    def run(self, graph, rewriter):
        for op in walk(graph):
            if op.name == "name" and rewriter.may_change():
                rewriter.replace(op, op.operands)

register(DropNames)
step = tg.function(f, passes="inline,drop-names,cse,dce")
"""

from __future__ import annotations

from compiler.ir.walk import walk
from compiler.passes import pipeline, registry
from compiler.passes.base import Pass
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, Repeat
from compiler.passes.registry import passes, unregister
from compiler.rewrite.rewriter import Rewriter
from tracegraph.boundary import boundary

register = boundary(registry.register)
parse_pipeline = boundary(pipeline.parse_pipeline)

__all__ = [
    "DEFAULT_PIPELINE",
    "Pass",
    "Pipeline",
    "Repeat",
    "Rewriter",
    "parse_pipeline",
    "passes",
    "register",
    "unregister",
    "walk",
]
