"""The functions that jit traces for a decorated function, one pair for all its decorations.

jit keeps what it compiled by the function that it traced. A function that is decorated again and
again, in a loop say, finds there what was compiled before, as under ``jax.jit``, as long as the
function itself lives. So nothing here holds the function: it is reached through a decoration of it
that is alive, and there is one whenever jit traces.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager, suppress
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from compiler.lowering import jax_compat
from compiler.rules import registered
from tracegraph import config
from tracegraph.options import Settings

if TYPE_CHECKING:
    from tracegraph.capture import Capture

jax_compat.hide_frames(__file__)


Decorations = weakref.WeakSet["Capture"]


class _Calling(threading.local):
    """The decoration whose call this thread serves; what jit traces is recorded with it."""

    capture: Capture | None = None

    @contextmanager
    def __call__(self, capture: Capture) -> Generator[None]:
        before, self.capture = self.capture, capture
        try:
            yield
        finally:
            self.capture = before


calling: Final = _Calling()


class Bodies:
    """The two functions, and the decorations that they serve.

    Args:
        template: whose name, documentation and signature the functions have; they hold it.

    Attributes:
        optimized: computes what all passes make of the user's trace.
        transparent: has only such rewrites as others see through.
    """

    def __init__(self, template: Callable[..., Any], name: str) -> None:
        self._alive: Decorations = weakref.WeakSet()
        self.optimized = _body(template, name, self._alive, everything=True)
        self.transparent = _body(template, name, self._alive, everything=False)

    def join(self, capture: Capture) -> None:
        """Adds a decoration."""
        self._alive.add(capture)


def body_of(template: Callable[..., Any], name: str, capture: Capture) -> Callable[..., Any]:
    """A new function that computes what all passes make of the traces of one decoration.

    Args:
        template: whose documentation and signature it has.
        name: its name.
        capture: the decoration.
    """

    def body(*args: Any, **kwargs: Any) -> Any:
        return capture.run(args, kwargs, everything=True)

    return _like(template, name, body)


def _body(template: Callable[..., Any], name: str, alive: Decorations, *, everything: bool) -> Any:
    def body(*args: Any, **kwargs: Any) -> Any:
        return _decoration(alive).run(args, kwargs, everything=everything)

    return _like(template, name, body)


def _like(template: Callable[..., Any], name: str, body: Callable[..., Any]) -> Any:
    functools.update_wrapper(body, template)
    body.__name__ = name
    body.__qualname__ = getattr(template, "__qualname__", name)
    return body


def _decoration(alive: Decorations) -> Capture:
    """The decoration that is called; any that is alive where JAX runs the body by itself."""
    now = calling.capture
    return now if now is not None and now in alive else next(iter(alive))


_known: Final[weakref.WeakKeyDictionary[Any, dict[Hashable, Bodies]]] = weakref.WeakKeyDictionary()
_lock: Final = threading.RLock()


def bodies_of(fun: Callable[..., Any], settings: Settings, name: str) -> Bodies:
    """The bodies of a function under some settings: those there are, or new ones.

    Args:
        fun: what jit traces for the user.
        settings: how it is traced, optimised and compiled.
        name: the name that jit gave it.
    """
    if not isinstance(fun, FunctionType) or not settings.is_shared:
        return Bodies(fun, name)
    try:
        key = _key(settings)
    except TypeError:  # an option that is not hashable
        return Bodies(fun, name)
    with _lock:
        known = _known.setdefault(fun, {})
        if key not in known:
            known[key] = Bodies(_likeness(fun), name)
        return known[key]


def _likeness(fun: FunctionType) -> FunctionType:
    """A function with the code and the arguments of another, and nothing of what it captures."""
    cells = tuple(CellType() for _ in fun.__code__.co_freevars)
    like = FunctionType(fun.__code__, {}, fun.__name__, fun.__defaults__, cells)
    for name in ("__kwdefaults__", "__doc__", "__qualname__", "__module__", "__annotations__"):
        setattr(like, name, getattr(fun, name))
    if vars(fun).keys() & {"__signature__", "__wrapped__"}:
        with suppress(TypeError, ValueError):  # jit does without, too
            vars(like)["__signature__"] = inspect.signature(fun)
    return like


def _key(settings: Settings) -> Hashable:
    options = sorted((name, _frozen(value)) for name, value in settings.jit.items())
    debugging = (config.dump_directory(), config.verify_each())  # what it is to leave behind
    key = (settings.pipeline, registered.generation(), tuple(options), debugging)
    hash(key)
    return key


def _frozen(value: Any) -> Any:
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value
