"""``check=``: runs a function by its captured graph, and raises for the first op that goes bad.

The checked program is compiled like any other and returns, beside the results, which op went bad
first. Only when one did is it compiled again, to keep the ranges of that op's operands; a program
that must not run twice keeps those of every op from the start.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

import jax
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.onlooker import Watched
from compiler.ops import callback
from compiler.ops.definition import HARMLESS_EFFECTS, UNKNOWN, lookup
from tracegraph.debug.check_error import CheckError, Finding, check_error
from tracegraph.debug.detectors import DETECTORS
from tracegraph.debug.nearest import nearest
from tracegraph.debug.probe import Numbering, Probe, Report, shown_values
from tracegraph.debug.target import Target
from tracegraph.program import OptimizationWarning, warn_failed

Recorded = frozenset[Operation] | None

jax_compat.hide_frames(__file__)

_DONATION: Final = frozenset({"donate_argnums", "donate_argnames"})


def parse_checks(check: object) -> tuple[str, ...]:
    """The names of the checks that ``check=`` asks for, in the order of the table; () for None.

    Raises:
        TracegraphError: it is no check's name, nor several.
    """
    if check is None:
        return ()
    asked = [check] if isinstance(check, str) or not isinstance(check, Iterable) else list(check)
    for name in asked:
        if not isinstance(name, str) or name not in DETECTORS:
            raise _unknown(name)
    return tuple(name for name in DETECTORS if name in asked)


def _unknown(name: object) -> TracegraphError:
    return TracegraphError(
        f"there is no check {name!r}",
        expected=f"one or several of {', '.join(DETECTORS)}: check='nan', check=('nan', 'index')",
        found=repr(name),
        hint=nearest(str(name), DETECTORS, "leave check out to run unchecked"),
    )


class Checked:
    """A function of the user's with its checks.

    Args:
        target: the function.
        checks: the names of the checks.
    """

    def __init__(self, target: Target, checks: tuple[str, ...]) -> None:
        self._fun, self._plain, self._capture = target.fun, target.plain, target.capture
        self._options = {k: v for k, v in target.options.items() if k not in _DONATION}
        self._donates = len(self._options) != len(target.options)
        self._checks = checks
        self._plans: weakref.WeakKeyDictionary[Any, Plan | None] = weakref.WeakKeyDictionary()
        self._first: Any = self._jitted(lambda plan: plan.recorded)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results of the call.

        Raises:
            CheckError: an op went bad.
        """
        traced = self._capture(args, kwargs)
        plan = self._plan(traced)
        if plan is None or not self._can_be_traced(plan, args, kwargs):
            return self._unchecked(args, kwargs)
        results, report = self._first(*args, **kwargs)
        code = int(report.code)
        if code:
            raise self._error(plan, code, report, args, kwargs)
        return results if plan.acts else self._unchecked(args, kwargs)

    def clear_cache(self) -> None:
        """Forgets every signature."""
        self._plans.clear()
        for jitted in (self._first, self._undonated):
            jax_compat.method(jitted, "clear_cache")()

    def _error(self, plan: Plan, code: int, report: Report, args: Any, kwargs: Any) -> CheckError:
        op, check = Numbering(plan.graph, self._checks).read(code)
        if plan.recorded is not None:
            _, report = self._jitted(lambda _: frozenset({op}), replay=True)(*args, **kwargs)
        iterations = [int(i) for i in np.asarray(report.iterations)]
        ranges = np.asarray(report.ranges, float)[: len(shown_values(op))].tolist()
        return check_error(Finding(plan.graph, op, check, iterations, ranges))

    def _plan(self, traced: Any) -> Plan | None:
        """How to check a trace; None where it has no graph."""
        if traced.jaxpr not in self._plans:
            self._plans[traced.jaxpr] = self._make(traced)
        return self._plans[traced.jaxpr]

    def _make(self, traced: Any) -> Plan | None:
        try:
            jaxpr = jax_compat.low_jaxpr(traced)
            return None if jaxpr is None else Plan(import_jaxpr(jaxpr, name=traced.fun_name))
        except Exception as error:
            _warn(traced.fun_name, error)
            return None

    def _can_be_traced(self, plan: Plan, args: Any, kwargs: Any) -> bool:
        """Whether the checked program can be made; found out once, with a warning if not."""
        if plan.works is None:
            try:
                jax_compat.method(self._first, "trace")(*args, **kwargs)
                plan.works = True
            except Exception as error:
                _warn(plan.graph.name, error)
                plan.works = False
        return plan.works

    def _unchecked(self, args: Any, kwargs: Any) -> Any:
        """The results to the bit as plain jit gives them; nothing is donated."""
        jitted = self._undonated if self._donates else self._plain
        return jitted(*args, **kwargs)

    @functools.cached_property
    def _undonated(self) -> Any:
        return jax.jit(self._fun, **self._options)

    def _jitted(self, recorded: Callable[[Plan], Recorded], *, replay: bool = False) -> Any:
        """The checked program: results and report, for the user's own arguments."""

        def body(*args: Any, **kwargs: Any) -> Any:
            traced = self._capture(args, kwargs)
            plan = self._plan(traced)
            assert plan is not None, "the caller has looked"
            leaves = jax_compat.traced_arguments(self._plain, args, kwargs)
            probe = Probe(plan.graph, self._checks, recorded(plan))
            watched = Watched(plan.graph, probe, _acts if replay else lambda _: False)
            results, report = watched(*jax_compat.traced_consts(traced), *leaves)
            return jax.tree.unflatten(jax_compat.traced_out_tree(traced), results), report

        functools.update_wrapper(body, self._fun)
        body.__name__ = jax_compat.function_name(self._plain)
        body.__qualname__ = getattr(self._fun, "__qualname__", body.__name__)
        options = dict(self._options)
        if options.get("out_shardings") is not None:
            options["out_shardings"] = (options["out_shardings"], None)
        return jax.jit(body, **options)


class Plan:
    """How one trace is checked.

    Attributes:
        graph: the captured graph.
        acts: whether the program does something that somebody else sees, so that it runs once.
        recorded: the ops whose ranges are kept in the first run: none where the program can run
            again without anybody noticing, else all, which None stands for.
        works: whether the checked program can be traced; None until somebody has tried.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph.freeze()
        acting = [op for op in walk(graph) if _acts(op)]
        self.acts = bool(acting)
        self.recorded: Recorded = None if any(op.results for op in acting) else frozenset()
        self.works: bool | None = None


def _acts(op: Operation) -> bool:
    """Whether an op does something beside computing, or may do so for all that is known."""
    if op.is_terminator or op.regions:
        return False
    definition = lookup(op.name)
    if definition is UNKNOWN or definition.family == callback.FAMILY:
        return op.name != "constant"
    return any(effect.kind not in HARMLESS_EFFECTS for effect in op.effects)


def _warn(name: str, error: Exception) -> None:
    if isinstance(error, OptimizationWarning):  # somebody has made warnings errors
        raise error
    warn_failed(f"checking {name}", error)
