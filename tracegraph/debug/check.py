"""``check=``: runs a function by its captured graph, and raises for the first op that goes bad.

A checked program is compiled like any other and returns, beside the results, what was noted on the
way. The first looks at stretches of ops together, which costs little; only when something is bad do
others follow that find the op, and what it was given. A program that must not run twice is asked
for everything at once.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Operation
from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.onlooker import Watched
from tracegraph.debug.check_error import CheckError, Finding, check_error
from tracegraph.debug.detectors import DETECTORS
from tracegraph.debug.nearest import nearest
from tracegraph.debug.plan import Plan, acts
from tracegraph.debug.probe import Numbering, Probe, Report, shown_values
from tracegraph.debug.screen import Screen
from tracegraph.debug.target import Target
from tracegraph.program import OptimizationWarning, warn_failed

Program = Callable[[Any, Plan, Sequence[Any]], tuple[Any, Any]]
"""From a trace, its plan and the graph's inputs to the results and the notes."""

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
        self._target = target
        self._checks = checks
        self._options = {k: v for k, v in target.options.items() if k not in _DONATION}
        self._plans: weakref.WeakKeyDictionary[Any, Plan | None] = weakref.WeakKeyDictionary()
        # Of the programs that run first there is one for all signatures, as jit keeps them apart.
        self._screened = self._jitted(self._screen)
        self._probed = self._jitted(self._probe)
        self._undonated = self._jitted(_as_it_is)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results of the call.

        Raises:
            CheckError: an op went bad.
        """
        plan = self._plan(self._target.capture(args, kwargs))
        if plan is None or not self._can_be_traced(plan, args, kwargs):
            return self._target.plain(*args, **kwargs)
        results, notes = self._first(plan)(*args, **kwargs)
        found = self._screened_report(plan, notes, args, kwargs) if plan.repeats else notes
        if found is not None and int(found.code):
            raise self._error(plan, found, args, kwargs)
        return results if plan.acts else self._undonated(*args, **kwargs)[0]

    def clear_cache(self) -> None:
        """Forgets every signature."""
        self._plans.clear()
        for jitted in (self._screened, self._probed, self._undonated):
            jax_compat.method(jitted, "clear_cache")()

    def _first(self, plan: Plan) -> Any:
        return self._screened if plan.repeats else self._probed

    def _screened_report(
        self, plan: Plan, notes: Mapping[int, Any], args: Any, kwargs: Any
    ) -> Report | None:
        """The report on the first of the bad stretches that made something bad by itself."""
        flags = jax.device_get(notes)
        bad = [stretch for stretch in sorted(flags) if flags[stretch]]
        for ops in plan.stretches.first_units(bad):
            report = self._again(plan, ops, None, args, kwargs)
            if int(report.code):
                return report
        return None

    def _error(self, plan: Plan, report: Report, args: Any, kwargs: Any) -> CheckError:
        op, check = Numbering(plan.graph, self._checks).read(int(report.code))
        if plan.repeats:
            report = self._again(plan, frozenset({op}), op, args, kwargs)
        iterations = [int(i) for i in np.asarray(report.iterations)]
        ranges = np.asarray(report.ranges, float)[: len(shown_values(op))].tolist()
        return check_error(Finding(plan.graph, op, check, iterations, ranges))

    def _again(
        self, plan: Plan, asked: frozenset[Operation], recorded: Operation | None, *call: Any
    ) -> Report:
        """The report of another run that looks at some ops, and in which nothing acts."""
        key = asked, recorded
        if key not in plan.programs:
            keep = frozenset() if recorded is None else frozenset({recorded})

            def look(traced: Any, plan: Plan, inputs: Sequence[Any]) -> tuple[Any, Any]:
                del traced
                probe = Probe(plan.graph, self._checks, recorded=keep, asked=asked)
                return None, Watched(plan.graph, probe, skip=acts)(*inputs)[1]

            plan.programs[key] = self._jitted(look, results=False)
        args, kwargs = call
        return plan.programs[key](*args, **kwargs)[1]

    def _screen(self, traced: Any, plan: Plan, inputs: Sequence[Any]) -> tuple[Any, Any]:
        del traced
        return Watched(plan.graph, Screen(plan.stretches, self._checks))(*inputs)

    def _probe(self, traced: Any, plan: Plan, inputs: Sequence[Any]) -> tuple[Any, Any]:
        del traced
        return Watched(plan.graph, Probe(plan.graph, self._checks))(*inputs)

    def _plan(self, traced: Any) -> Plan | None:
        """How to check a trace; None where it has no graph."""
        if traced.jaxpr not in self._plans:
            self._plans[traced.jaxpr] = self._make(traced)
        return self._plans[traced.jaxpr]

    def _make(self, traced: Any) -> Plan | None:
        try:
            jaxpr = jax_compat.low_jaxpr(traced)
            graph = None if jaxpr is None else import_jaxpr(jaxpr, name=traced.fun_name)
            return None if graph is None else Plan(graph, self._checks)
        except Exception as error:  # what helps to debug must never break the user's call
            _warn(traced.fun_name, error)
            return None

    def _can_be_traced(self, plan: Plan, args: Any, kwargs: Any) -> bool:
        """Whether the checked program can be made; found out once, with a warning if not."""
        if plan.works is None:
            try:
                jax_compat.method(self._first(plan), "trace")(*args, **kwargs)
                plan.works = True
            except Exception as error:
                _warn(plan.graph.name, error)
                plan.works = False
        return plan.works

    def _jitted(self, program: Program, *, results: bool = True) -> Any:
        """A program over the user's own arguments: its results, and what was noted."""
        target = self._target

        def body(*args: Any, **kwargs: Any) -> Any:
            traced = target.capture(args, kwargs)
            plan = self._plan(traced)
            if plan is None:
                raise TypeError("a function without a graph is not checked")
            leaves = jax_compat.traced_arguments(target.plain, args, kwargs)
            inputs = [*jax_compat.traced_consts(traced), *leaves]
            found, notes = program(traced, plan, inputs)
            tree = jax_compat.traced_out_tree(traced)
            return (jax.tree.unflatten(tree, found) if results else None), notes

        functools.update_wrapper(body, target.fun)
        body.__name__ = jax_compat.function_name(target.plain)
        body.__qualname__ = getattr(target.fun, "__qualname__", body.__name__)
        options = dict(self._options)
        shardings = options.pop("out_shardings", None)
        if shardings is not None and results:
            options["out_shardings"] = (shardings, None)
        return jax.jit(body, **options)


def _as_it_is(traced: Any, plan: Plan, inputs: Sequence[Any]) -> tuple[Any, Any]:
    """The function to the bit as plain jit runs it."""
    del plan
    return jax_compat.splice(jax_compat.low_jaxpr(traced), inputs), None


def _warn(name: str, error: Exception) -> None:
    if isinstance(error, OptimizationWarning):  # somebody has made warnings errors
        raise error
    warn_failed(f"checking {name}", error)
