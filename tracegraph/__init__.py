"""tracegraph: a graph in the middle of ``jax.jit`` that you can read, search, edit and save.

import tracegraph as tg

@tg.function
def train_step(params, batch): ...

train_step(params, batch)               # traced once per signature, optimised, compiled, run
print(train_step.graph(params, batch))  # the optimised graph, as text
"""

from importlib import metadata as _metadata

import compiler as _compiler

if getattr(_compiler, "MARKER", None) != "tracegraph":
    raise ImportError(
        "tracegraph cannot start: `import compiler` finds another project's module\n"
        "  expected: the package `compiler` that tracegraph installs\n"
        f"  found: {getattr(_compiler, '__file__', None) or list(_compiler.__path__)}\n"
        "  what to do: rename that file or folder, or start Python where it is not on the path"
    )

from compiler.ir import parser as _parser
from compiler.ir import printer as _printer
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from tracegraph import autograph, debug
from tracegraph.boundary import boundary as _boundary
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.report import CostReport
from tracegraph.debug.check_error import CheckError
from tracegraph.executable.report import KernelReport
from tracegraph.explanation import Explanation
from tracegraph.exports.write import export_graph
from tracegraph.function import Function, function
from tracegraph.profiling.report import ProfileReport
from tracegraph.program import OptimizationWarning, Stage
from tracegraph.retraces.budgets import BudgetError, expect
from tracegraph.retraces.history import Retrace, RetraceWarning
from tracegraph.signatures.spec import Spec
from tracegraph.signatures.table import CompiledSignature, Signatures
from tracegraph.state.captured import FrozenStateWarning
from tracegraph.text.diff import GraphDiff, diff
from tracegraph.trace import Trace
from tracegraph.tuner import Autotune
from tracegraph.verification import Verification
from tracegraph.views import offer_views
from tracegraph.warm.cache import Cache, CacheInfo, CacheWarning

offer_views()

parse_graph = _boundary(_parser.parse_graph)
print_graph = _boundary(_printer.print_graph)

__version__ = _metadata.version("tracegraph")

__all__ = [
    "Autotune",
    "BudgetError",
    "Cache",
    "CacheInfo",
    "CacheWarning",
    "CheckError",
    "CompiledSignature",
    "CostReport",
    "DeviceSpec",
    "Explanation",
    "FrozenStateWarning",
    "Function",
    "Graph",
    "GraphDiff",
    "KernelReport",
    "OptimizationWarning",
    "ProfileReport",
    "Retrace",
    "RetraceWarning",
    "Signatures",
    "Spec",
    "Stage",
    "Trace",
    "TracegraphError",
    "Verification",
    "__version__",
    "autograph",
    "debug",
    "diff",
    "expect",
    "export_graph",
    "function",
    "parse_graph",
    "print_graph",
]
