"""The decorator: ``jax.jit`` with a graph in the middle.

The object that ``function`` returns is a jit callable of JAX's own. Tracing the user's function,
importing, optimising and exporting happen inside the function that jit traces, so they run when jit
has no compiled answer for a signature and never otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

import jax

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from tracegraph import config
from tracegraph.program import Program, warn_failed
from tracegraph.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

jax_compat.hide_frames(__file__)


class Function(Protocol[P, R_co]):
    """A decorated function: called like the plain one, optimised and compiled per signature.

    The object behind this protocol is a ``jax.jit`` callable and has all its methods.
    """

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs the function: traced once per signature, optimised, compiled by jax.jit."""
        ...

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The optimised graph for these arguments; ``print`` shows it as text."""
        ...

    def trace(self, *args: P.args, **kwargs: P.kwargs) -> Trace:
        """The function traced and optimised for these arguments, the graph after each pass."""
        ...

    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The optimised function lowered for these arguments, as ``jax.jit(f).lower``."""
        ...

    def eval_shape(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Shapes and dtypes of the results for these arguments; nothing is optimised or run."""
        ...

    def clear_cache(self) -> None:
        """Forgets every signature."""
        ...


@overload
def function(
    fun: Callable[P, R], /, *, passes: str | Pipeline | None = None, **jit_options: Any
) -> Function[P, R]: ...
@overload
def function(
    *, passes: str | Pipeline | None = None, **jit_options: Any
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
@jax_compat.api_boundary
def function(
    fun: Any = None, /, *, passes: str | Pipeline | None = None, **jit_options: Any
) -> Any:
    """A drop-in for ``jax.jit`` that captures the function as a graph and optimises it.

    Args:
        fun: the function; left out when the decorator is written with options.
        passes: the pipeline to run, as text (``"inline,cse,dce"``) or as a ``Pipeline``; None for
            the default one, the empty text for none.
        **jit_options: every keyword of the installed ``jax.jit``, with the same meaning.

    Returns:
        The function, to be called as before; see ``Function`` for what else it can do.

    Raises:
        TypeError: ``fun`` is not callable, or ``jax.jit`` does not know an option.
        TracegraphError: the pipeline's text does not parse.
    """
    if fun is None:
        return functools.partial(function, passes=passes, **jit_options)
    text = DEFAULT_PIPELINE if passes is None else passes
    pipeline = text if isinstance(text, Pipeline) else parse_pipeline(text)
    return _Specializer(fun, pipeline, jit_options).callable()


class _Specializer(Generic[P, R]):
    """Everything behind one decorated function: two jit callables and the programs made so far.

    ``plain`` is the user's function under jit. It runs whenever somebody outside traces,
    differentiates or batches, and it does the one trace of the user's Python for both. ``full``
    runs the optimised graph at the top level.
    """

    def __init__(self, fun: Callable[P, R], pipeline: Pipeline, options: dict[str, Any]) -> None:
        self.fun = fun
        self.pipeline = pipeline
        self.options = options
        self.plain: Any = jax.jit(fun, **options)
        self._programs: weakref.WeakKeyDictionary[Any, Program | None] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()
        self._effects = False
        self._full: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: JAX's own copies of ``plain`` cannot trace."""
        return _Specializer, (self.fun, self.pipeline, self.options)

    def callable(self) -> Any:
        """The object the user holds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # said once, for ``plain``
            jitted = jax.jit(self._body(), **self.options)
        self._full = jitted
        user = jax_compat.intercept_misses(jitted, self._on_miss)
        attributes: dict[str, Any] = vars(self.plain)
        for name, value in attributes.items():
            if not name.startswith("_") or name.startswith("__"):
                setattr(user, name, value)
        user.__wrapped__ = self.fun
        methods = {
            "graph": self.graph,
            "trace": self.trace,
            "lower": self.lower,
            "eval_shape": jax_compat.method(self.plain, "eval_shape"),
            "clear_cache": functools.partial(self.clear_cache, user),
        }
        jax_compat.attach_methods(user, methods)
        return user

    def _body(self) -> Any:
        def body(*args: Any, **kwargs: Any) -> Any:
            if not jax_compat.is_tracing_for_jit():
                return self.fun(*args, **kwargs)  # jit is off, or JAX looks for a nan op by op
            traced = jax_compat.method(self.plain, "trace")(*args, **kwargs)
            program = self.program(traced)
            leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
            flat = [*jax_compat.traced_consts(traced), *leaves]
            jaxpr = jax_compat.low_jaxpr(traced) if program is None else program.jaxpr
            if jaxpr is None:
                return self.fun(*args, **kwargs)  # it takes or returns JAX's high-level types
            results = jax_compat.splice(jaxpr, flat)
            return jax.tree.unflatten(jax_compat.traced_out_tree(traced), results)

        functools.update_wrapper(body, self.fun)
        body.__name__ = jax_compat.function_name(self.plain)
        body.__qualname__ = getattr(self.fun, "__qualname__", body.__name__)
        return body

    def program(self, traced: Any) -> Program | None:
        """The program of a trace, made at the first request; None where there can be none."""
        with self._lock:
            if traced.jaxpr not in self._programs:
                self._programs[traced.jaxpr] = self._make_program(traced)
            return self._programs[traced.jaxpr]

    def _make_program(self, traced: Any) -> Program | None:
        self._effects = self._effects or bool(traced.jaxpr.effects)
        try:
            jaxpr = jax_compat.low_jaxpr(traced)
            return None if jaxpr is None else Program(traced, jaxpr, self.pipeline)
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"optimising {traced.fun_name}", error)
            return None

    def _on_miss(self, compile: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if not jax_compat.at_top_level():
            return jax_compat.uncached(self.plain(*args, **kwargs))
        if config.dump_directory() is not None:
            self.trace(*args, **kwargs).lower()
        elif not self._effects:
            # Traced out here, an error of the user's function or of an option is jit's own, with
            # the user's line; the body finds the trace in jit's cache. With effects every call is
            # a miss, and the trace is long there.
            jax_compat.method(self.plain, "trace")(*args, **kwargs)
        return compile(*args, **kwargs)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """See ``Function.graph``."""
        return self.trace(*args, **kwargs).optimized

    def trace(self, *args: Any, **kwargs: Any) -> Trace:
        """See ``Function.trace``."""
        program = self.program(jax_compat.method(self.plain, "trace")(*args, **kwargs))
        return Trace(jax_compat.method(self._full, "trace")(*args, **kwargs), program)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """See ``Function.lower``."""
        return self.trace(*args, **kwargs).lower()

    def clear_cache(self, user: Any) -> None:
        """See ``Function.clear_cache``."""
        for jitted in (user, self._full, self.plain):
            jax_compat.method(jitted, "clear_cache")()
        with self._lock:
            self._programs.clear()
