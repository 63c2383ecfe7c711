"""The traces of one decorated function, and the programs that were made of them.

Nothing here refers to the callables that run those programs. They are made of functions that refer
to this, so a callable that nobody holds any more goes at once, with all that the user's function
holds, as a ``jax.jit`` callable does.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

import jax

from compiler.lowering import jax_compat
from compiler.passes.configure import transparent_form
from tracegraph.autograph import convert
from tracegraph.bodies import bodies_of, body_of
from tracegraph.collector import paused_collector
from tracegraph.concretization import ways_out
from tracegraph.deprecated import said_at_users_line
from tracegraph.donation import Donations
from tracegraph.options import Settings
from tracegraph.program import Program
from tracegraph.programs import Programs, capturing
from tracegraph.retraces.recorder import Recorder
from tracegraph.signatures.front import front_of
from tracegraph.signatures.signature import Signature
from tracegraph.signatures.table import CallFacts, Signatures, call_facts, compiled_signature

jax_compat.hide_frames(__file__)


class Capture:
    """The user's function under jit, which does the one trace of the user's Python for all.

    Args:
        fun: the function.
        settings: how it is traced, optimised, compiled and watched.
        source: the user's own function, if ``fun`` is what was made of it.

    Attributes:
        user: the user's own function.
        is_inner: whether ``fun`` was made of it.
        fun: what jit traces: the user's function, converted or checked if that was asked for.
        front: what stands between a call and jit; None for nothing.
        plain: the jit callable that traces it.
        programs: what was made of the traces for the top level.
        donations: what is known of the arguments that they replace.
        recorder: what is known of all traces and compilations.
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
        with said_at_users_line(settings.jit):
            self.plain: Any = jax.jit(self.fun, **settings.jit)
        self.donations = Donations()
        self.programs = Programs(settings.pipeline, self.donations)
        self._seen_through = Programs(transparent_form(settings.pipeline), Donations())
        self.recorder = Recorder(self.user, self.plain, settings)
        self.effects = False
        self._facts: weakref.WeakKeyDictionary[Any, CallFacts] = weakref.WeakKeyDictionary()
        self.bodies = bodies_of(self.fun, settings, jax_compat.function_name(self.plain))
        self.bodies.join(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: JAX's own copies of ``plain`` cannot trace."""
        return Capture, self._made_from

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
        if self.settings.donates:
            self.donations.learn(self.plain, traced, args, kwargs)
        ran = runs is None or self.front is None or self.front.runs != runs
        self.recorder.traced(traced, args, kwargs, milliseconds, python_ran=ran)
        return traced

    def body(self) -> Callable[..., Any]:
        """A new function that computes what all passes make of the trace of a call."""
        return body_of(self.fun, self.bodies.optimized.__name__, self)

    def signatures(self) -> Signatures:
        """See ``Function.signatures``."""
        known = [(self._facts.get(jaxpr), jaxpr, made) for jaxpr, made in self.programs.alive()]
        rows = [compiled_signature(facts, *made) for facts, *made in known if facts is not None]
        return Signatures(rows)

    def clear_cache(self) -> None:
        """Forgets every signature."""
        jax_compat.method(self.plain, "clear_cache")()
        self.programs.clear()
        self._seen_through.clear()
        if self.front is not None:
            self.front.forget()

    def run(self, args: Any, kwargs: Any, *, everything: bool) -> Any:
        """Computes what the passes make of the trace of a call, in the trace that runs."""
        if jax_compat.is_jit_off() or not jax_compat.is_tracing_for_jit():
            return self.fun(*args, **kwargs)  # as JAX does, also where it looks for a nan op by op
        traced = self.captured(args, kwargs)
        jaxpr = self._optimized(traced) if everything else self._rewritten(traced)
        if jaxpr is None:
            return self.fun(*args, **kwargs)  # JAX's high-level types, or primitives
        leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
        with paused_collector():
            flat = [*jax_compat.traced_consts(traced), *leaves]
            results = jax_compat.splice(jaxpr, flat)
        return jax.tree.unflatten(jax_compat.traced_out_tree(traced), results)

    def _optimized(self, traced: Any) -> Any:
        program = self.programs.of(traced)
        return jax_compat.low_jaxpr(traced) if program is None else program.jaxpr

    def _rewritten(self, traced: Any) -> Any:
        if jax_compat.is_high(traced.jaxpr):
            return None  # its primitives have derivatives that those they stand for do not have
        program: Program | None = self._seen_through.of(traced)
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
