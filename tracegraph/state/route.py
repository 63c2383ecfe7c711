"""The way of calls that concern nnx objects: through a function of their values.

A decorated function takes it when such an object is among its arguments, or captured by it. All
that is known of a function (graphs, explanations, audits) is asked of the inner function then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from compiler.lowering import jax_compat
from tracegraph.state.stateful import Concerned, Prepared, StatefulFunction

jax_compat.hide_frames(__file__)


class StateRoute:
    """Where calls that concern nnx objects go.

    Args:
        fun: the function that jit would trace.
        source: the user's own function.
        options: those of ``jax.jit``.
        specialize: makes what stands behind a function with such options, its ways, and the
            callable that takes them.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        source: Callable[..., Any],
        options: dict[str, Any],
        specialize: Callable[[Callable[..., Any], dict[str, Any]], tuple[Any, Any, Any]],
    ) -> None:
        self._function = StatefulFunction(fun, source, options)
        self._options = options
        self._specialize = specialize
        self.is_open = False

    def concerned(self, args: Any, kwargs: Any) -> Concerned | None:
        """The nnx objects that a call has to do with; None if it does not go here."""
        return self._function.concerned(args, kwargs)

    @property
    def is_functional(self) -> bool:
        """Whether the function takes objects as trees and returns new ones, as for plain jit."""
        return self._function.is_functional

    def call(self, args: Any, kwargs: Any, concerned: Concerned) -> Any:
        """Runs a call, and updates its objects in place.

        Raises:
            IsFunctional: it changes none, and jit's own way serves it.
        """
        return self._function.call(self._inner[2], args, kwargs, concerned)

    def serve(self, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a compiled function of the objects' values on a call with objects."""
        concerned = self.concerned(args, kwargs)
        if concerned is None:  # the compiled function says what it was compiled for
            return run(*args, **kwargs)
        return self._function.call(run, args, kwargs, concerned)

    def opened(
        self, args: Any, kwargs: Any, concerned: Concerned
    ) -> AbstractContextManager[Prepared]:
        """A call with its objects packed."""
        return self._function.opened(args, kwargs, concerned)

    @property
    def specializer(self) -> Any:
        """What stands behind the function of values."""
        return self._inner[0]

    @property
    def dispatcher(self) -> Any:
        """The ways that calls of the function of values take."""
        return self._inner[1]

    def clear_cache(self) -> None:
        """Forgets every signature, and what objects consist of."""
        self._function.clear_cache()
        if self.is_open:
            self.specializer.clear_cache()
            self.dispatcher.clear_cache()

    @functools.cached_property
    def _inner(self) -> tuple[Any, Any, Any]:
        function = self._function

        @functools.wraps(function.fun)
        def pure(*args: Any, **kwargs: Any) -> Any:
            return function.pure(*args, **kwargs)

        setattr(pure, "__signature__", function.signature())  # noqa: B010 - as pyright wants it
        self.is_open = True
        return self._specialize(pure, self._function.options(self._options))
