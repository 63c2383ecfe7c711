"""A graph as XLA gets it: lowered to StableHLO for this machine."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final

import jax

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline

jax_compat.hide_frames(__file__)

_RUNNABLE: Final = "inline,dce"
"""Calls with rules of their own cannot be rebuilt from text; inlined they need not be."""


def runnable(graph: Graph) -> Graph:
    """The graph of a file in a form that can be exported."""
    return PassManager(parse_pipeline(_RUNNABLE)).run(graph).graph


def lowered(graph: Graph) -> Any:
    """The graph lowered, as ``jax.stages.Lowered``."""
    jaxpr: Any = export_jaxpr(graph)
    function = jax_compat.jaxpr_function(jaxpr)

    def called(*args: Any) -> Any:
        return function(*args)

    called.__name__ = graph.name
    types = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in jaxpr.in_avals]
    return jax.jit(called).lower(*types)


def stablehlo(graph: Graph) -> str:
    """The graph as the text of a StableHLO module."""
    return f"{lowered(graph).as_text().rstrip()}\n"
