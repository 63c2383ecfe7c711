"""Everything behind one decorated function: its jit callables and the programs made so far.

Tracing the user's function, importing, optimising and exporting happen inside the functions that
jit traces, so they run when jit has no compiled answer for a signature and never otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

import jax

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.passes.configure import transparent_form
from compiler.passes.pipeline import Pipeline
from compiler.rewrite.numerics import parse_level
from tracegraph import config
from tracegraph.collector import paused_collector
from tracegraph.explain import explain_program
from tracegraph.explanation import Explanation
from tracegraph.program import OptimizationWarning, Program, warn_failed
from tracegraph.report import report_call
from tracegraph.retraces.budgets import NO_BUDGETS, Budgets
from tracegraph.retraces.clock import measuring
from tracegraph.retraces.recorder import Recorder
from tracegraph.runs import Call
from tracegraph.state import nnx_objects
from tracegraph.state.captured import warn_frozen
from tracegraph.state.route import StateRoute
from tracegraph.trace import Trace
from tracegraph.tuner import Autotune, Tuned, tune
from tracegraph.tuning import Choice
from tracegraph.verification import Verification
from tracegraph.verify import level_of, verify_call

P = ParamSpec("P")
R = TypeVar("R")

jax_compat.hide_frames(__file__)


class _Capturing(threading.local):
    """Whether this thread is tracing the user's Python for a graph of ours."""

    active: bool = False

    @contextmanager
    def __call__(self) -> Generator[None]:
        before, self.active = self.active, True
        try:
            yield
        finally:
            self.active = before


_capturing = _Capturing()


class Programs:
    """The programs of one function under one pipeline, each made at the first request."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._tuned: weakref.WeakKeyDictionary[Any, Tuned] = weakref.WeakKeyDictionary()
        self._made: weakref.WeakKeyDictionary[Any, Program | None] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def of(self, traced: Any) -> Program | None:
        """The program of a trace; None where there can be none."""
        with self._lock:
            if traced.jaxpr not in self._made:
                self._made[traced.jaxpr] = self._make(traced)
            return self._made[traced.jaxpr]

    def tuned(self, traced: Any) -> Tuned | None:
        """What was chosen for a trace by measurement, if that was done."""
        return self._tuned.get(traced.jaxpr)

    def choose(self, traced: Any, tuned: Tuned) -> bool:
        """From here on the program of a trace keeps to a choice; whether it was another before."""
        with self._lock:
            self._tuned[traced.jaxpr] = tuned
            return self._made.pop(traced.jaxpr, None) is not None and tuned.choice != Choice()

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._made.clear()
            self._tuned.clear()

    def _make(self, traced: Any) -> Program | None:
        try:
            jaxpr = jax_compat.low_jaxpr(traced)
            tuned = self._tuned.get(traced.jaxpr)
            pipeline = self.pipeline if tuned is None else tuned.choice.applied(self.pipeline)
            return None if jaxpr is None else Program(traced, jaxpr, pipeline)
        except OptimizationWarning:  # somebody has made warnings errors
            raise
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"optimising {traced.fun_name}", error)
            return None


class Specializer(Generic[P, R]):
    """Everything behind one decorated function: three jit callables and the programs made so far.

    ``plain`` is the user's function under jit, and does the one trace of the user's Python for all.
    ``full`` runs the optimised graph at the top level. ``transparent`` runs whenever somebody
    outside traces, differentiates or batches: only rewrites that they see through are made there,
    and where none fires it is the plain function's own jaxpr.

    Args:
        fun: the user's function.
        pipeline: the passes to run at the top level.
        options: those of ``jax.jit``.
        autotune: how to choose by measurement at the first call of a signature; None not to.
        budgets: what the function may cost.
        stateful: whether the function may be given or capture nnx objects, to be updated in place.
    """

    def __init__(
        self,
        fun: Callable[P, R],
        pipeline: Pipeline,
        options: dict[str, Any],
        autotune: Autotune | None = None,
        budgets: Budgets = NO_BUDGETS,
        *,
        stateful: bool = True,
    ) -> None:
        self.fun = fun
        self.options = options
        self.autotune = autotune
        self.plain: Any = jax.jit(fun, **options)
        self._programs = Programs(pipeline)
        self._seen_through = Programs(transparent_form(pipeline))
        self._effects = False
        self._recorder = Recorder(fun, self.plain, budgets)
        self._state = StateRoute(fun, options, self._of_values) if stateful else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # said once, for ``plain``
            self._full: Any = jax.jit(self._body(self._optimized), **options)
            self._transparent: Any = jax.jit(self._body(self._rewritten), **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: JAX's own copies of ``plain`` cannot trace."""
        settings = (self.autotune, self._recorder.budgets)
        return Specializer, (self.fun, self._programs.pipeline, self.options, *settings)

    def callable(self) -> Any:
        """The object the user holds."""
        self._direct = jax_compat.intercept_misses(self._full, self._on_miss)
        user = self._direct
        if self._state is not None and nnx_objects.loaded() is not None:
            # nnx objects would be walked through in C++, for nothing: they go by the route.
            user = jax_compat.intercept_misses(self._full, self._on_object, whole_objects=True)
        attributes: dict[str, Any] = vars(self.plain)
        for name, value in attributes.items():
            if not name.startswith("_") or name.startswith("__"):
                setattr(user, name, value)
        user.__wrapped__ = self.fun
        methods = {
            "graph": self.graph,
            "trace": self.trace,
            "lower": self.lower,
            "verify": self.verify,
            "explain": self.explain,
            "report": report_call(self.trace, self.fun, self.options),
            "retraces": self._recorder.rows,
            "eval_shape": jax_compat.method(self.plain, "eval_shape"),
            "clear_cache": functools.partial(self.clear_cache, user),
        }
        jax_compat.attach_methods(user, methods)
        return user

    def _of_values(self, fun: Callable[..., Any], options: dict[str, Any]) -> Specializer[..., Any]:
        """What stands behind the function on the values of nnx objects."""
        settings = (self.autotune, self._recorder.budgets)
        return Specializer(fun, self._programs.pipeline, options, *settings, stateful=False)

    def _body(self, jaxpr_of: Callable[[Any], Any]) -> Any:
        """A function like the user's that computes what ``jaxpr_of`` makes of its trace."""

        def body(*args: Any, **kwargs: Any) -> Any:
            if not jax_compat.is_tracing_for_jit():
                return self.fun(*args, **kwargs)  # jit is off, or JAX looks for a nan op by op
            traced = self._captured(args, kwargs)
            jaxpr = jaxpr_of(traced)
            if jaxpr is None:
                return self.fun(*args, **kwargs)  # it takes or returns JAX's high-level types
            leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
            with paused_collector():
                flat = [*jax_compat.traced_consts(traced), *leaves]
                results = jax_compat.splice(jaxpr, flat)
            return jax.tree.unflatten(jax_compat.traced_out_tree(traced), results)

        functools.update_wrapper(body, self.fun)
        body.__name__ = jax_compat.function_name(self.plain)
        body.__qualname__ = getattr(self.fun, "__qualname__", body.__name__)
        return body

    def _captured(self, args: Any, kwargs: Any) -> Any:
        """The trace of the user's Python, from jit's cache where it is there already."""
        start = time.perf_counter()
        with _capturing():
            traced = jax_compat.method(self.plain, "trace")(*args, **kwargs)
        self._recorder.traced(traced, args, kwargs, (time.perf_counter() - start) * 1e3)
        self._effects = self._effects or bool(traced.jaxpr.effects)
        return traced

    def _optimized(self, traced: Any) -> Any:
        program = self._programs.of(traced)
        return jax_compat.low_jaxpr(traced) if program is None else program.jaxpr

    def _rewritten(self, traced: Any) -> Any:
        program = self._seen_through.of(traced)
        if program is None or not program.rewrites:
            return jax_compat.low_jaxpr(traced)
        return program.jaxpr

    def _on_miss(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._state is not None and self._state.takes(args, kwargs):
            return jax_compat.uncached(self._state.call(args, kwargs))
        if _capturing.active:  # the function becomes part of the graph that is being captured
            self._captured(args, kwargs)
            return jax_compat.uncached(self.plain(*args, **kwargs))
        if not jax_compat.at_top_level():
            return jax_compat.uncached(self._transparent(*args, **kwargs))
        if config.dump_directory() is not None:
            self.trace(*args, **kwargs).lower()
        elif not self._effects:
            # Traced out here, an error of the user's function or of an option is jit's own, with
            # the user's line; the body finds the trace in jit's cache. With effects every call is
            # a miss, and the trace is long there.
            traced = self._captured(args, kwargs)
            warn_frozen(jax_compat.jaxpr_constants(traced), traced.fun_name)
            if self.autotune is not None and not self._effects:
                self._tune(traced, args, kwargs, self.autotune)
            self._recorder.check(traced, self._programs.of)
            with measuring() as spent:
                result = compile(*args, **kwargs)
            self._recorder.compiled(traced, args, kwargs, spent, self._programs.of)
            return result
        return compile(*args, **kwargs)

    def _on_object(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A miss of the callable whose C++ dispatch does not walk through objects."""
        if self._state is not None and self._state.takes(args, kwargs):
            return jax_compat.uncached(self._state.call(args, kwargs))
        if jax_compat.learn_classes((args, kwargs), nnx_objects.is_stateful):
            return jax_compat.uncached(self._direct(*args, **kwargs))
        return self._on_miss(compile, args, kwargs)

    def _tune(self, traced: Any, args: Any, kwargs: Any, settings: Autotune) -> None:
        """Chooses by measurement, once for each signature; if it fails, the tables choose."""
        if self._programs.tuned(traced) is not None or jax_compat.low_jaxpr(traced) is None:
            return
        leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
        flat = [*jax_compat.traced_consts(traced), *leaves]
        try:
            tuned = tune(traced, self._programs.pipeline, flat, settings)
        except OptimizationWarning:  # somebody has made warnings errors
            raise
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"tuning {traced.fun_name}", error)
            tuned = Tuned(Choice())
        if self._programs.choose(traced, tuned):
            jax_compat.method(self._full, "clear_cache")()  # it was traced before it was tuned

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """See ``Function.graph``."""
        return self.trace(*args, **kwargs).optimized

    def trace(self, *args: Any, **kwargs: Any) -> Trace:
        """See ``Function.trace``."""
        if self._state is not None and self._state.takes(args, kwargs):
            return self._state.ask("trace", args, kwargs)
        program = self._programs.of(self._captured(args, kwargs))
        return Trace(jax_compat.method(self._full, "trace")(*args, **kwargs), program)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """See ``Function.lower``."""
        return self.trace(*args, **kwargs).lower()

    def verify(
        self,
        *args: Any,
        seeds: int = 2,
        edge_values: bool = False,
        numerics: str | None = None,
        **kwargs: Any,
    ) -> Verification:
        """See ``Function.verify``."""
        if self._state is not None and self._state.takes(args, kwargs):
            settings = {"seeds": seeds, "edge_values": edge_values, "numerics": numerics}
            return self._state.ask("verify", args, {**kwargs, **settings})
        traced = self._captured(args, kwargs)
        call = Call(self.plain, self._full, args, kwargs, jax_compat.traced_consts(traced))
        program = self.trace(*args, **kwargs).program
        level = parse_level(numerics) if numerics else level_of(program)
        return verify_call(call, program, level, seeds=seeds, edges=edge_values)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """See ``Function.explain``."""
        if self._state is not None and self._state.takes(args, kwargs):
            return self._state.ask("explain", args, kwargs)
        traced = self._captured(args, kwargs)
        tuned, pipeline = self._programs.tuned(traced), self._programs.pipeline
        program = self.trace(*args, **kwargs).program
        if tuned is None:
            return explain_program(program, pipeline)
        return explain_program(program, tuned.choice.applied(pipeline), str(tuned))

    def clear_cache(self, user: Any) -> None:
        """See ``Function.clear_cache``."""
        for jitted in (user, self._direct, self._full, self._transparent, self.plain):
            jax_compat.method(jitted, "clear_cache")()
        if self._state is not None:
            self._state.clear()
        self._programs.clear()
        self._seen_through.clear()
