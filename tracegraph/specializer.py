"""What stands behind one decorated function: its jit callables and the programs made so far.

Tracing the user's function, importing, optimising and exporting happen inside the functions that
jit traces, so they run when jit has no compiled answer for a signature and never otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import jax

from compiler.lowering import jax_compat
from compiler.passes.configure import transparent_form
from tracegraph.autograph import convert
from tracegraph.collector import paused_collector
from tracegraph.concretization import ways_out
from tracegraph.debug.target import Target
from tracegraph.options import Settings
from tracegraph.program import OptimizationWarning, Program, warn_failed
from tracegraph.programs import Programs, capturing
from tracegraph.retraces.recorder import Recorder
from tracegraph.signatures.front import front_of
from tracegraph.signatures.signature import Signature
from tracegraph.signatures.table import CallFacts, Signatures, call_facts, compiled_signature
from tracegraph.state.captured import warn_frozen
from tracegraph.trace import Trace
from tracegraph.tuner import Tuned, tune
from tracegraph.tuning import Choice

jax_compat.hide_frames(__file__)


class Specializer:
    """What stands behind one decorated function: three jit callables and the programs made so far.

    ``plain`` is the user's function under jit, and does the one trace of the user's Python for all.
    ``full`` runs the optimised graph at the top level. ``transparent`` runs whenever somebody
    outside traces, differentiates or batches: only rewrites that they see through are made there,
    and where none fires it is the plain function's own jaxpr.

    Args:
        fun: the function.
        settings: how it is traced, optimised, compiled and watched.
        source: the user's own function, if ``fun`` is what was made of it.

    Attributes:
        user: the user's own function.
        fun: what jit traces: the user's function, converted or checked if that was asked for.
        front: what stands between a call and jit; None for nothing.
        effects: whether a trace so far had side effects.
    """

    def __init__(
        self, fun: Callable[..., Any], settings: Settings, source: Callable[..., Any] | None = None
    ) -> None:
        self._made_from = (fun, settings, source)
        self.user = fun if source is None else source
        self.is_inner = source is not None
        self.settings = settings
        converted = convert(fun) if settings.autograph else fun
        self.front = front_of(converted, settings.signature, settings.jit)
        self.fun: Callable[..., Any] = converted if self.front is None else self.front.fun
        self.plain: Any = jax.jit(self.fun, **settings.jit)
        self.programs = Programs(settings.pipeline)
        self._seen_through = Programs(transparent_form(settings.pipeline))
        self.recorder = Recorder(self.user, self.plain, settings)
        self.effects = False
        self._facts: weakref.WeakKeyDictionary[Any, CallFacts] = weakref.WeakKeyDictionary()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # said once, for ``plain``
            self.full: Any = jax.jit(self._body(self._optimized), **settings.jit)
            self.transparent: Any = jax.jit(self._body(self._rewritten), **settings.jit)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: JAX's own copies of ``plain`` cannot trace."""
        return Specializer, self._made_from

    def captured(self, args: Any, kwargs: Any) -> Any:
        """The trace of the user's Python, from jit's cache where it is there already."""
        runs = None if self.front is None else self.front.runs
        start = time.perf_counter()
        with capturing(), ways_out(converted=self.settings.autograph):
            traced = jax_compat.method(self.plain, "trace")(*args, **kwargs)
        milliseconds = (time.perf_counter() - start) * 1e3
        self.effects = self.effects or bool(traced.jaxpr.effects)
        if traced.jaxpr not in self._facts:
            self._facts[traced.jaxpr] = self._facts_of(args, kwargs)
        ran = runs is None or self.front is None or self.front.runs != runs
        self.recorder.traced(traced, args, kwargs, milliseconds, python_ran=ran)
        return traced

    def prepared(self, args: Any, kwargs: Any) -> Any:
        """The trace of a call, with all that has to be done before it is compiled."""
        traced = self.captured(args, kwargs)
        warn_frozen(jax_compat.jaxpr_constants(traced), traced.fun_name)
        if self.settings.autotune is not None and not self.effects:
            self._tune(traced, args, kwargs)
        self.recorder.check(traced, self.programs.of)
        return traced

    def program(self, args: Any, kwargs: Any) -> Program | None:
        """The optimised program of a call; None where there can be none."""
        return self.programs.of(self.captured(args, kwargs))

    def trace(self, args: Any, kwargs: Any) -> Trace:
        """See ``Function.trace``."""
        program = self.program(args, kwargs)
        return Trace(jax_compat.method(self.full, "trace")(*args, **kwargs), program)

    def signatures(self) -> Signatures:
        """See ``Function.signatures``."""
        known = [(self._facts.get(jaxpr), jaxpr, made) for jaxpr, made in self.programs.alive()]
        rows = [compiled_signature(facts, *made) for facts, *made in known if facts is not None]
        return Signatures(rows)

    def debug_target(self) -> Target:
        """What ``tracegraph.debug`` knows the function by."""
        return Target(self.fun, self.plain, self.settings.jit, self.captured)

    def clear_cache(self) -> None:
        """Forgets every signature."""
        for jitted in (self.full, self.transparent, self.plain):
            jax_compat.method(jitted, "clear_cache")()
        self.programs.clear()
        self._seen_through.clear()
        if self.front is not None:
            self.front.forget()

    def _body(self, jaxpr_of: Callable[[Any], Any]) -> Any:
        """A function like the user's that computes what ``jaxpr_of`` makes of its trace."""

        def body(*args: Any, **kwargs: Any) -> Any:
            if not jax_compat.is_tracing_for_jit():
                return self.fun(*args, **kwargs)  # jit is off, or JAX looks for a nan op by op
            traced = self.captured(args, kwargs)
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

    def _optimized(self, traced: Any) -> Any:
        program = self.programs.of(traced)
        return jax_compat.low_jaxpr(traced) if program is None else program.jaxpr

    def _rewritten(self, traced: Any) -> Any:
        program = self._seen_through.of(traced)
        if program is None or not program.rewrites:
            return jax_compat.low_jaxpr(traced)
        return program.jaxpr

    def _facts_of(self, args: Any, kwargs: Any) -> CallFacts:
        bucket = "" if self.front is None else self.front.bucket_of(args, kwargs)
        static = jax_compat.static_positions(self.plain)
        return call_facts(self._signature, static, args, kwargs, bucket)

    @functools.cached_property
    def _signature(self) -> Signature:
        return Signature(self.user, ())

    def _tune(self, traced: Any, args: Any, kwargs: Any) -> None:
        """Chooses by measurement, once for each signature; if it fails, the tables choose."""
        settings = self.settings.autotune
        known = self.programs.tuned(traced) is not None
        if settings is None or known or jax_compat.low_jaxpr(traced) is None:
            return
        leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
        flat = [*jax_compat.traced_consts(traced), *leaves]
        try:
            tuned = tune(traced, self.settings.pipeline, flat, settings)
        except OptimizationWarning:  # somebody has made warnings errors
            raise
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"tuning {traced.fun_name}", error)
            tuned = Tuned(Choice())
        if self.programs.choose(traced, tuned):
            jax_compat.method(self.full, "clear_cache")()  # it was traced before it was tuned
