"""Where a call goes that jit's C++ has no compiled answer for.

A hit never comes here. A miss is either the first call of a signature, which is traced, optimised
and compiled for all that follow, or a call that has to take another way each time: one with nnx
objects, one that is padded to a bucket, one whose every op is checked, one under somebody's trace.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from compiler.lowering import jax_compat
from tracegraph import config
from tracegraph.capture import Capture
from tracegraph.debug.check import Checked
from tracegraph.debug.leaks import explain_leaks
from tracegraph.deprecated import said_before
from tracegraph.program import OptimizationWarning, Program, warn_failed
from tracegraph.programs import capturing
from tracegraph.retraces.clock import measuring
from tracegraph.specializer import Specializer
from tracegraph.state import nnx_objects
from tracegraph.state.route import StateRoute
from tracegraph.state.stateful import IsFunctional
from tracegraph.warm.cache import FunctionCache
from tracegraph.warm.route import WarmRoute

jax_compat.hide_frames(__file__)


class Dispatcher:
    """The ways that calls of one decorated function may take.

    It is held by the callable that the user holds, and holds that one by weak references only: a
    callable that nobody holds any more goes at once, as a ``jax.jit`` callable does.

    Args:
        specializer: what stands behind the function.

    Attributes:
        state: the way of calls with nnx objects; None behind that way itself.
        warm: the way of calls whose program may be on disk; None if none is kept.
    """

    def __init__(self, specializer: Specializer) -> None:
        self._specializer = specializer
        self.state = None if specializer.is_inner else _state_route(specializer)
        self.warm = _warm_route(specializer)
        self._checked = _checks(specializer)
        self._callables: list[weakref.ref[Any]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from, as weak references cannot be."""
        return Dispatcher, (self._specializer,)

    @property
    def user(self) -> Any:
        """The jit callable that the user holds, before it has methods of ours."""
        alive = self._callables[-1]() if self._callables else None
        return self._open() if alive is None else alive

    def clear_cache(self) -> None:
        """Forgets every signature."""
        for reference in self._callables:
            jitted = reference()
            if jitted is not None:
                jax_compat.method(jitted, "clear_cache")()
        for way in (self.state, self.warm, self._checked):
            if way is not None:
                way.clear_cache()

    def _open(self) -> Any:
        behind = self._specializer
        on_miss = explain_leaks(behind.fun, self._on_call)
        direct = user = jax_compat.intercept_misses(behind.full, on_miss)
        if self.state is not None and nnx_objects.loaded() is not None:
            # nnx objects would be walked through in C++, for nothing: they take their own way.
            on_object = explain_leaks(behind.fun, functools.partial(self._on_object, direct))
            user = jax_compat.intercept_misses(behind.full, on_object, whole_objects=True)
        self._callables = [weakref.ref(direct), weakref.ref(user)]
        return user

    def _on_object(self, direct: Any, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A miss of the callable whose C++ dispatch does not walk through objects."""
        if self.state is None or not self.state.is_functional:
            answer = self._with_objects(args, kwargs)
            if answer is not None:
                return answer
        # Static arguments are compared as they are: with nothing else that is new, the other
        # callable's call would be this one over again.
        given = jax_compat.dynamic_arguments(self._specializer.full, args, kwargs)
        if jax_compat.learn_classes(given, nnx_objects.is_stateful, nnx_objects.is_state):
            return jax_compat.uncached(direct(*args, **kwargs))
        return self._on_call(compile, args, kwargs)

    def _on_call(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A call of which jit knows nothing: it may go to jit in another form."""
        front = self._specializer.front
        if front is None:
            return self._on_miss(compile, args, kwargs)
        with capturing():  # a bucket may ask for a trace of the user's Python
            other = front.other_form(args, kwargs)
        if other is None:
            return self._on_miss(compile, args, kwargs)
        return jax_compat.uncached(other.finish(self.user(*other.args, **other.kwargs)))

    def _on_miss(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        behind = self._specializer
        answer = self._with_objects(args, kwargs)
        if answer is not None:
            return answer
        if capturing.active:  # the function becomes part of the graph that is being captured
            behind.captured(args, kwargs)
            return jax_compat.uncached(behind.plain(*args, **kwargs))
        if jax_compat.under_foreign_trace():
            return jax_compat.uncached(behind.plain(*args, **kwargs))
        if not jax_compat.at_top_level():
            if jax_compat.under_checkify():  # it is to check what the user wrote
                return jax_compat.uncached(behind.plain(*args, **kwargs))
            return jax_compat.uncached(behind.run(behind.transparent, args, kwargs))
        if self._checked is not None:
            return jax_compat.uncached(self._checked(args, kwargs))
        return self._compiled(compile, args, kwargs)

    def _with_objects(self, args: Any, kwargs: Any) -> Any:
        """The answer to a call that has to do with nnx objects; None for any other.

        A function that takes objects as trees and returns new ones is any other.
        """
        concerned = None if self.state is None else self.state.concerned(args, kwargs)
        if self.state is None or concerned is None:
            return None
        try:
            return jax_compat.uncached(self.state.call(args, kwargs, concerned))
        except IsFunctional:
            return None

    def _compiled(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The first call of a signature, or one more of a program with side effects."""
        behind = self._specializer
        repeated = behind.repeated(args, kwargs)
        if repeated is not None:
            other = behind.answering(repeated, args, kwargs)
            return behind.run(compile if other is None else other, args, kwargs)
        dumps = config.dump_directory() is not None
        answer = None if self.warm is None or dumps else self.warm.answer(args, kwargs)
        if answer is not None:
            return answer
        # Traced out here, an error of the user's function or of an option is jit's own, with the
        # user's line; the body finds the trace in jit's cache.
        traced = behind.prepared(args, kwargs)
        with measuring() as spent:
            if dumps:
                _dump(behind, args, kwargs)
            other = behind.answering(traced, args, kwargs)
            result = behind.run(compile if other is None else other, args, kwargs)
        behind.recorder.compiled(traced, args, kwargs, spent, behind.programs.of)
        return result


def _state_route(behind: Specializer) -> StateRoute:
    """The way of calls with nnx objects."""

    def of_values(fun: Callable[..., Any], jit: dict[str, Any]) -> tuple[Specializer, Any, Any]:
        inner = Specializer(Capture(fun, behind.settings.of_values(jit), behind.user))
        dispatcher = Dispatcher(inner)
        return inner, dispatcher, dispatcher.user

    return StateRoute(behind.fun, behind.user, behind.settings.jit, of_values)


def _warm_route(behind: Specializer) -> WarmRoute | None:
    """The way of calls whose program may be on disk."""
    if behind.settings.cache is None:
        return None
    kept = FunctionCache(
        behind.user, behind.settings.cache, (behind.settings.of_program, behind.is_inner)
    )
    return WarmRoute(kept, behind.plain, functools.partial(_built, behind), behind.program)


def _dump(behind: Specializer, args: Any, kwargs: Any) -> None:
    """Writes the stages of a call to the folder of dumps, before it runs."""
    try:
        behind.trace(args, kwargs).lower()
    except OptimizationWarning:  # somebody has made warnings errors
        raise
    except Exception as error:  # a dump must never break the user's call
        warn_failed(f"dumping {jax_compat.function_name(behind.plain)}", error)


def _built(behind: Specializer, args: Any, kwargs: Any) -> tuple[Any, Program | None] | str:
    """A call traced and compiled to be kept; the reason where it cannot be kept."""
    traced = behind.prepared(args, kwargs)
    if traced.jaxpr.effects:
        return "the function has side effects"
    with measuring() as spent:
        told = behind.told(traced, args, kwargs, kept=True)
        full = jax_compat.method(behind.optimized(traced, told), "trace")
        try:
            lowered = behind.run(full, args, kwargs).lower()
            compiled = jax_compat.compile_to_keep(lowered)
        except Exception as error:  # a class of the user's may take nothing but arrays
            return f"it cannot be compiled ahead of its call: {type(error).__name__}: {error}"
    behind.recorder.compiled(traced, args, kwargs, spent, behind.programs.of)
    return compiled, behind.programs.of(traced)


def _checks(behind: Specializer) -> Checked | None:
    """The way of calls whose every op is checked."""
    if not behind.settings.checks:
        return None
    with said_before(behind.settings.jit):
        return Checked(behind.debug_target(), behind.settings.checks)
