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


def forwarded(stand_in: Any, slot: str, name: str) -> Any:
    """An attribute of what an object stands for.

    Args:
        stand_in: the object.
        slot: where it keeps what it stands for; a copy that is being made does not have it yet.
        name: the attribute's; Python's own protocols are not for another object.
    """
    if name == slot or name.startswith("__"):
        raise AttributeError(f"{type(stand_in).__name__!r} object has no attribute {name!r}")
    return getattr(getattr(stand_in, slot), name)


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
        return forwarded(self, "_lowered", name)


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
        return forwarded(self, "_compiled", name)
