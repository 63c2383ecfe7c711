"""A lowered and a compiled function of nnx objects, called with the objects as under ``jax.jit``.

What was lowered takes the objects' packed values. Here they are packed for each call, and what the
function changed is put into them, as in a call of the decorated function itself.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compiler.lowering import jax_compat

jax_compat.hide_frames(__file__)

Serve = Callable[[Callable[..., Any], Any, Any], Any]
"""Runs a function of packed arguments on a call's arguments."""


class LoweredOfObjects:
    """A ``jax.stages.Lowered`` whose compiled form takes objects.

    Args:
        lowered: JAX's own.
        serve: packs the objects of a call.
    """

    def __init__(self, lowered: Any, serve: Serve) -> None:
        self._lowered = lowered
        self._serve = serve

    def compile(self, *args: Any, **kwargs: Any) -> CompiledOfObjects:
        """Compiles it, as ``jax.stages.Lowered.compile`` does."""
        return CompiledOfObjects(self._lowered.compile(*args, **kwargs), self._serve)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lowered, name)


class CompiledOfObjects:
    """A ``jax.stages.Compiled`` that takes objects and updates them.

    Args:
        compiled: JAX's own.
        serve: packs the objects of a call.
    """

    def __init__(self, compiled: Any, serve: Serve) -> None:
        self._compiled = compiled
        self._serve = serve

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Runs it on the caller's objects."""
        return self._serve(self._compiled, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)
