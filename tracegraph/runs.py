"""Runs one call of a decorated function in every way that a verification compares."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.compare import Difference, differences
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.quiet import Outcome, prints, run_quietly
from compiler.lowering.yardstick import Noise, Verdict, Yardstick
from compiler.rewrite.numerics import Numerics
from tracegraph.program import Program

jax_compat.hide_frames(__file__)


class Call(NamedTuple):
    """One call of a decorated function.

    Attributes:
        plain: the function under plain ``jax.jit``.
        full: the function optimized.
        args: the positional arguments.
        kwargs: the keyword arguments.
        closed_over: the mutable arrays that it takes without being given them.
    """

    plain: Any
    full: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    closed_over: Sequence[Any]

    @property
    def leaves(self) -> list[Any]:
        """The arrays of the arguments, in the order of the graph's parameters."""
        return jax_compat.traced_arguments(self.plain, self.args, self.kwargs)


class Run:
    """The function on some inputs: what it should give, and how far others are from that.

    Args:
        call: the call.
        program: what the function was traced and optimized to for it.
        numerics: what the rewrites may do to the numbers.
        leaves: the arrays to run on, in the places of the call's own.
    """

    def __init__(
        self, call: Call, program: Program, numerics: Numerics, leaves: Sequence[Any]
    ) -> None:
        self._call = call
        self._numerics = numerics
        self._leaves = leaves
        self._graph = program.captured
        given = iter([*call.closed_over, *leaves])
        captured = [info.handle for info in self._graph.parameter_info if info.captured]
        self._closed_over = [*captured, *call.closed_over]
        self._arguments = [
            info.handle if info.captured else next(given) for info in self._graph.parameter_info
        ]
        self._expected = run_quietly(self._graph, self._arguments)
        self._yardstick = Yardstick(self._graph, self._noisy, self._expected.results)
        self._plain: list[Any] | None = None

    @property
    def not_compiled(self) -> str:
        """Why the function cannot be run compiled without harm; empty if it can."""
        if prints(self._graph):
            return "it would print"
        if any(map(jax_compat.is_ref, self._closed_over)):
            return "it writes to a mutable array that it closes over"
        return ""

    def op_by_op(self, graph: Graph) -> list[Verdict]:
        """Verdicts on a graph that should compute the same as the captured one."""
        found = run_quietly(graph, self._arguments)
        verdicts = self._yardstick.verdicts(found.results, self._numerics)
        if not self._expected.printed and not found.printed:
            return verdicts
        return [*verdicts, _judge_printed(self._expected, found, self._numerics)]

    def compiled(self, graph: Graph | None = None) -> list[Verdict]:
        """Verdicts on a graph that is compiled; None for the decorated function itself.

        XLA chooses the order of additions by what stands around them, so even a program that
        computes the same op by op may differ from the plain one by a rounding when compiled.
        """
        if self._plain is None:
            self._plain = self._compiled(self._call.plain)
        found = self._compiled(self._call.full) if graph is None else self._exported(graph)
        numerics = max(self._numerics, Numerics.ROUNDING)
        return self._yardstick.verdicts(found, numerics, self._plain)

    def _noisy(self, noise: Noise) -> list[Any]:
        arguments = [noise.argument(value, i) for i, value in enumerate(self._arguments)]
        return run_quietly(self._graph, arguments, noise.bind).results

    def _compiled(self, jitted: Any) -> list[Any]:
        leaves = self._fresh()
        args, kwargs = jax_compat.with_traced_arguments(
            self._call.plain, self._call.args, self._call.kwargs, leaves
        )
        return [*jax.tree.leaves(jitted(*args, **kwargs)), *_held(leaves)]

    def _exported(self, graph: Graph) -> list[Any]:
        leaves = self._fresh()
        results = jax.jit(jax_compat.jaxpr_function(export_jaxpr(graph)))(*leaves)
        return [*results, *_held(leaves)]

    def _fresh(self) -> list[Any]:
        """The leaves in copies where a run would take or change them."""
        info = [info for info in self._graph.parameter_info if not info.captured]
        donated = [info.donated for info in info[len(self._call.closed_over) :]]
        return [_own(leaf, flag) for leaf, flag in zip(self._leaves, donated, strict=True)]


def _own(leaf: Any, donated: bool) -> Any:
    if jax_compat.is_ref(leaf):
        return jax_compat.copy_ref(leaf)
    return jnp.copy(leaf) if donated and isinstance(leaf, jax.Array) else leaf


def _held(leaves: Sequence[Any]) -> list[Any]:
    """What the mutable arrays among the arguments hold now."""
    return [leaf[...] for leaf in leaves if jax_compat.is_ref(leaf)]


def _judge_printed(expected: Outcome, found: Outcome, numerics: Numerics) -> Verdict:
    """As many debug calls as before; with the same bits where every bit is promised."""
    if len(expected.printed) != len(found.printed):
        return Verdict(Difference(), 0.0, False)
    apart = max(differences(expected.printed, found.printed), key=lambda d: d.rank)
    return Verdict(apart, 0.0, apart.same_bits or numerics is not Numerics.EXACT)
