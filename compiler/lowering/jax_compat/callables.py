"""jit callables: their cache misses, their static arguments, and what a trace of them holds."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Final, TypeVar

import jax
from jax._src import core, source_info_util, traceback_util

from compiler.lowering.jax_compat import whole
from compiler.lowering.jax_compat.jaxprs import holds_high_types, is_high, split_jaxpr

JitFunction = Any
F = TypeVar("F", bound=Callable[..., Any])

_JAX_OWN: Final = "jax._src."
"""Where the classes of JAX's own traces are; those of ``jax.experimental`` know some primitives."""


def at_top_level() -> bool:
    """Whether nobody outside is tracing, differentiating or batching."""
    return core.trace_state_clean()


def under_foreign_trace() -> bool:
    """Whether an interpreter that is not JAX's own gives the operations their meaning.

    Such a one knows some primitives, or gives some a meaning of its own: it is to see those that
    the user wrote.
    """
    trace = core.trace_ctx.trace
    while trace is not None:
        if not type(trace).__module__.startswith(_JAX_OWN):
            return True
        trace = getattr(trace, "parent_trace", None)
    return False


def intercept_misses(
    jitted: JitFunction, on_miss: Callable[..., Any], *, whole_objects: bool = False
) -> JitFunction:
    """A jit callable that asks ``on_miss`` whenever its C++ cache has no answer.

    Hits stay in C++ and cost what they cost in jit. ``on_miss(compile, args, kwargs)`` either calls
    ``compile(*args, **kwargs)`` and returns its result as it is, or returns ``uncached(value)``.

    The way in is the callable's pickle state, the same in every version served; it names the
    function that is run on a miss.

    Args:
        jitted: the callable.
        on_miss: what to ask.
        whole_objects: whether C++ is to ask at once where an argument is an object of a registered
            class, instead of walking through it; see ``learn_classes``.
    """
    state = dict(jitted.__getstate__())
    compile = state["cache_miss"]

    @traceback_util.api_boundary
    def cache_miss(*args: Any, **kwargs: Any) -> Any:
        return on_miss(compile, args, kwargs)

    state["cache_miss"] = cache_miss
    if whole_objects:
        state["pytree_registry"] = whole.REGISTRY
    cls: Any = type(jitted)
    twin = cls.__new__(cls)
    twin.__setstate__(state)
    vars(twin).update(vars(jitted))  # not setattr: a function may have its own __signature__
    return twin


class _PrivateEntries(dict[str, Any]):
    """A ``__dict__`` some of whose entries are found by attribute access and copied by nobody."""

    def __init__(self, public: Mapping[str, Any], private: Mapping[str, Any]) -> None:
        super().__init__(public, **private)
        self._private = frozenset(private)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Any:
        return [name for name in dict.__iter__(self) if name not in self._private]


def attach_methods(jitted: JitFunction, methods: Mapping[str, Callable[..., Any]]) -> None:
    """Gives one jit callable methods of its own, before those of its class.

    ``functools.wraps`` and JAX's transformations copy the attributes of what they wrap: without
    care ``jax.jit(jax.grad(f)).lower`` would be the ``lower`` that was given to ``f``. A jit
    callable's class cannot be derived from, so its ``__dict__`` hides the methods from a copier.
    """
    bounded = {name: api_boundary(method) for name, method in methods.items()}
    jitted.__dict__ = _PrivateEntries(vars(jitted), bounded)


def method(jitted: JitFunction, name: str) -> Callable[..., Any]:
    """JAX's own method of a jit callable, whatever attributes the user's function brings."""
    return _by_position(getattr(type(jitted), name)).__get__(jitted)


@functools.cache
def _by_position(method: Callable[..., Any]) -> Any:
    """A method of JAX's whose own parameter no keyword of a call can be taken for."""
    own: Any = inspect.unwrap(method)
    code = own.__code__.replace(co_posonlyargcount=1)
    twin = FunctionType(code, own.__globals__, own.__name__, own.__defaults__, own.__closure__)
    return api_boundary(twin)


def uncached(value: Any) -> Any:
    """An answer to a cache miss that the C++ cache must not keep."""
    return value, None, False


def answering(jitted: JitFunction) -> Callable[..., Any]:
    """What a jit callable answers its C++ cache with on a miss; it may answer another's, too."""
    return jitted.__getstate__()["cache_miss"]


def answer_with_hidden(jitted: JitFunction, hidden: Sequence[Any], shown: Sequence[Any]) -> Any:
    """An answer to a cache miss: the C++ cache passes arrays by itself that no caller gives.

    JAX has a place for them, for constants that it hoists out of a program by itself.

    Args:
        jitted: takes the hidden arrays by position, then the others; its result is the answer's.
        hidden: the arrays, on the devices of the call.
        shown: the leaves of the call, as the C++ cache finds them in its arguments.
    """
    results, dispatch, drop = answering(jitted)(*hidden, *shown)
    if dispatch is None:  # it has effects, so every call is a miss
        return results, None, drop
    return results, dispatch._replace(const_args=[*dispatch.const_args, *hidden]), drop


def static_positions(jitted: JitFunction) -> tuple[frozenset[int], frozenset[str]]:
    """The static arguments of a jit callable, by position and by name, as jit resolved them."""
    state = jitted.__getstate__()
    return frozenset(state["static_argnums"]), frozenset(state["static_argnames"])


def traced_consts(traced: Any) -> Sequence[Any]:
    """The values that a traced function takes in front of the user's arguments.

    These are tracers and references of an enclosing scope that the function closes over.
    """
    consts = getattr(traced, "_consts", None)
    if consts is not None:
        return tuple(consts)
    return tuple(traced._args_flat[: traced._num_consts])


def jaxpr_constants(traced: Any) -> Sequence[Any]:
    """The arrays that the trace of a function holds as they are."""
    return split_jaxpr(traced.jaxpr).constants


def traced_out_tree(traced: Any) -> Any:
    """The tree of the user's result, read without rebuilding it.

    ``out_info`` would put shapes in the place of arrays into classes that may refuse them.
    """
    return traced.out_tree if hasattr(traced, "out_tree") else traced._out_tree


def donated_inputs(traced: Any) -> tuple[bool, ...]:
    """Which inputs of the traced jaxpr the caller gives away."""
    return tuple(traced._params["donated_invars"])


def low_jaxpr(traced: Any) -> Any:
    """The traced function as a jaxpr without JAX's high-level primitives.

    Returns:
        the closed jaxpr, or None where the function takes or returns values of high-level types.
    """
    jaxpr = traced.jaxpr
    if not is_high(jaxpr):
        return jaxpr
    if holds_high_types(jaxpr):  # asked first: a type may not say how it is lowered
        return None
    low = (traced.lojax if hasattr(traced, "lojax") else traced.fall()).jaxpr
    same = list(low.in_avals) == list(jaxpr.in_avals) and low.out_avals == jaxpr.out_avals
    return low if same else None


def traced_arguments(
    jitted: JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    """The leaves of the arguments that are not static, in jit's order."""
    return jax.tree.leaves(dynamic_arguments(jitted, args, kwargs))


def dynamic_arguments(
    jitted: JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call that are not static."""
    fixed = _static_places(jitted, len(args))
    _, names = static_positions(jitted)
    dynamic = tuple(value for i, value in enumerate(args) if i not in fixed)
    return dynamic, {name: value for name, value in kwargs.items() if name not in names}


def static_arguments(
    jitted: JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[int | str, Any]:
    """The static arguments of a call, by position or name."""
    _, names = static_positions(jitted)
    found: dict[int | str, Any] = {i: args[i] for i in sorted(_static_places(jitted, len(args)))}
    return found | {name: value for name, value in kwargs.items() if name in names}


def with_traced_arguments(
    jitted: JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with these leaves in the places of those that are not static."""
    old = dynamic_arguments(jitted, args, kwargs)
    dynamic, named = jax.tree.unflatten(jax.tree.structure(old), leaves)
    fixed = _static_places(jitted, len(args))
    fresh = iter(dynamic)
    changed = tuple(value if i in fixed else next(fresh) for i, value in enumerate(args))
    return changed, {**kwargs, **named}


def _static_places(jitted: JitFunction, count: int) -> set[int]:
    positions, _ = static_positions(jitted)
    return {p if p >= 0 else p + count for p in positions if -count <= p < count}


def api_boundary(function: F) -> F:
    """Makes errors that leave the function lose the frames of JAX and of hidden files."""
    return traceback_util.api_boundary(function)


def shows_all_frames() -> bool:
    """Whether the user asked JAX not to filter tracebacks."""
    return getattr(jax.config, "jax_traceback_filtering") == "off"  # noqa: B009 - not in its types


def hide_frames(path: str) -> None:
    """Keeps a file of ours out of JAX's tracebacks and out of the user's source lines."""
    source_info_util.register_exclusion(path)
    traceback_util.register_exclusion(path)


hide_frames(__file__)


def function_name(jitted: JitFunction) -> str:
    """The name that jit gave the function, which names its executable too."""
    return str(jitted.__getstate__()["function_name"])
