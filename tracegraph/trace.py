"""What ``step.trace(*args)`` gives back: JAX's own trace, and the graphs beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.passes.inline import DERIVATIVES, REMAT
from compiler.rewrite.log import Firing, NearMiss
from tracegraph.dump import dump_once
from tracegraph.program import Program, Stage, Times
from tracegraph.state.stages import LoweredOfObjects, Serve, forwarded

if TYPE_CHECKING:
    from compiler.passes.manager import PassRun

jax_compat.hide_frames(__file__)


def _progress(near: NearMiss | None) -> int:
    return 0 if near is None else near.progress


def nearest_misses(runs: Sequence[PassRun]) -> dict[str, NearMiss]:
    """For each rule that fired in none of the runs but came near: where it came furthest."""
    fired = {firing.rule for run in runs for firing in run.log.firings}
    nearest: dict[str, NearMiss] = {}
    for run in runs:
        for name, near in run.log.near_misses.items():
            if name not in fired and near.progress > _progress(nearest.get(name)):
                nearest[name] = near
    return nearest


def _has_derivatives(graph: Graph) -> bool:
    """Whether something in a graph has a derivative rule of its own."""
    return any(op.name in DERIVATIVES - REMAT for op in walk(graph))


class Trace:
    """A function traced for one signature and optimised; nothing is compiled yet.

    Everything that ``jax.stages.Traced`` offers is here too (``jaxpr``, ``out_info``,
    ``args_info``, ``fun_name``, ``lower``), for the optimised function.

    Args:
        traced: JAX's own trace.
        program: the optimised program; None where there can be none.
        serve: packs the nnx objects of a call of the compiled function, if there are any.
        differentiable: makes the jaxpr that others see of the function where they differentiate.
    """

    def __init__(
        self,
        traced: Any,
        program: Program | None,
        serve: Serve | None = None,
        *,
        differentiable: Callable[[], Any],
    ) -> None:
        self._traced = traced
        self._program = program
        self._serve = serve
        self._differentiable = differentiable

    def with_objects(self, serve: Serve) -> Trace:
        """The trace of a call whose nnx objects are packed."""
        return Trace(self._traced, self._program, serve, differentiable=self._differentiable)

    @functools.cached_property
    def jaxpr(self) -> Any:
        """The optimised function as a jaxpr.

        A function in which something has a derivative rule of its own keeps it, as a call, and is
        rewritten only as far as it may be differentiated: ``jax.export`` differentiates this.
        """
        if self._program is None or not _has_derivatives(self._program.captured):
            return self._traced.jaxpr
        return self._differentiable()

    @property
    def program(self) -> Program:
        """All that is known of this signature.

        Raises:
            TracegraphError: the function could not be captured; the warning at the call said why.
        """
        if self._program is None:
            raise TracegraphError(
                f"{self._traced.fun_name} has no graph and runs as plain jax.jit would run it",
                expected="a function whose trace a graph can hold",
                found="one that uses JAX's high-level types, or whose import failed",
                hint="see the warning that the first call gave",
            )
        return self._program

    @property
    def captured(self) -> Graph:
        """The graph of the user's function before any pass."""
        return self.program.captured

    @property
    def optimized(self) -> Graph:
        """The graph after all passes."""
        return self.program.optimized

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The graph after every pass that changed it, in order."""
        return self.program.stages

    @property
    def passes(self) -> Sequence[PassRun]:
        """One record per pass: ops before and after, changes, milliseconds."""
        return self.program.runs

    @property
    def rewrites(self) -> Sequence[Firing]:
        """The rules that fired, in order: which, at which line, and the score before and after."""
        return self.program.rewrites

    @property
    def near_misses(self) -> Mapping[str, NearMiss]:
        """For each rule that did not fire but came near: the nearest place, and the reason."""
        return nearest_misses(self.program.runs)

    @property
    def times(self) -> Times:
        """Milliseconds of import, passes and export."""
        return self.program.times

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """Lowers the optimised function, as ``jax.stages.Traced.lower`` does."""
        lowered = self._traced.lower(*args, **kwargs)
        if self._program is not None and not args and not kwargs:  # for this machine, not another
            dump_once(self._program, lowered)
        return lowered if self._serve is None else LoweredOfObjects(lowered, self._serve)

    def __getattr__(self, name: str) -> Any:
        return forwarded(self, "_traced", name)

    def __repr__(self) -> str:
        return f"<Trace of {self._traced.fun_name}>"
