"""The way of calls that concern nnx objects: through a function of their values.

A decorated function takes it when such an object is among its arguments, or captured by it. All
that is known of a function (graphs, explanations, audits) is asked of the inner function then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from compiler.lowering import jax_compat
from tracegraph.state.stateful import StatefulFunction

jax_compat.hide_frames(__file__)


class StateRoute:
    """Where calls that concern nnx objects go.

    Args:
        fun: the user's function.
        options: those of ``jax.jit``.
        specialize: makes what stands behind a function with such options.

    Attributes:
        inner: what stands behind the function of values, once a call has gone there.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        options: dict[str, Any],
        specialize: Callable[[Callable[..., Any], dict[str, Any]], Any],
    ) -> None:
        self._function = StatefulFunction(fun, options)
        self._make = functools.partial(self._specialized, fun, options, specialize)
        self.inner: Any = None
        self._run: Any = None

    def takes(self, args: Any, kwargs: Any) -> bool:
        """Whether a call concerns nnx objects."""
        return self._function.concerns(args, kwargs)

    def call(self, args: Any, kwargs: Any) -> Any:
        """Runs a call, and updates its objects in place."""
        if self.inner is None:
            self._make()
        return self._function.call(self._run, args, kwargs)

    def ask(self, method: str, args: Any, kwargs: Any) -> Any:
        """Asks what stands behind the inner function something of a call, as it is made there."""
        if self.inner is None:
            self._make()
        with self._function.opened(args, kwargs) as prepared:
            return getattr(self.inner, method)(*prepared.args, **prepared.kwargs)

    def clear(self) -> None:
        """Forgets every signature."""
        if self.inner is not None:
            self.inner.clear_cache(self._run)

    def _specialized(
        self, fun: Callable[..., Any], options: dict[str, Any], specialize: Callable[..., Any]
    ) -> None:
        @functools.wraps(fun)
        def pure(*args: Any, **kwargs: Any) -> Any:
            return self._function.pure(*args, **kwargs)

        self.inner = specialize(pure, self._function.options(options))
        self._run = self.inner.callable()
