"""The function that a debugging door is asked about: decorated, or any other."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr

DEBUG_TARGET: Final = "__debug_target__"
"""The method by which a decorated function gives its target."""

jax_compat.hide_frames(__file__)


@dataclass(frozen=True, slots=True)
class Target:
    """A function, and how its traces are had.

    Attributes:
        fun: the user's own function.
        plain: it under ``jax.jit``.
        options: those of ``jax.jit``.
        capture: traces ``plain`` for a call, from jit's cache where it is there.
    """

    fun: Callable[..., Any]
    plain: Any
    options: dict[str, Any]
    capture: Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function, traced.

    Attributes:
        name: the function's name.
        jaxpr: what it was traced to, the same object for every call of a signature.
        traced: JAX's trace.
        inputs: a value for each parameter of its graph that is not captured.
    """

    name: str
    jaxpr: Any
    traced: Any
    inputs: list[Any]

    def graph(self) -> Graph:
        """The captured graph, before any pass.

        Raises:
            TracegraphError: the function uses types that a graph cannot hold.
        """
        jaxpr = jax_compat.low_jaxpr(self.traced)
        if jaxpr is not None:
            return import_jaxpr(jaxpr, name=self.name).freeze()
        raise TracegraphError(
            f"{self.name} has no graph and cannot be looked into",
            expected="a function whose trace a graph can hold",
            found="one that takes or returns JAX's high-level types",
            hint="look into a function inside it that takes and returns arrays",
        )

    def result(self, leaves: Sequence[Any]) -> Any:
        """The function's result, of the graph's."""
        return jax.tree.unflatten(jax_compat.traced_out_tree(self.traced), leaves)


def target_of(step: Callable[..., Any]) -> Target:
    """The target of a decorated function; one of its own for any other callable.

    Raises:
        TracegraphError: it cannot be called.
    """
    if not callable(step):
        raise TracegraphError(
            "only a function can be looked into",
            expected="a function: tg.debug.watch(step, 'h')(x), tg.debug.constants(step, x)",
            found=repr(step),
            hint="pass the function itself, and its arguments after it",
        )
    give = getattr(step, DEBUG_TARGET, None)
    if give is not None:
        return give()
    plain: Any = jax.jit(step)
    return Target(step, plain, {}, lambda args, kwargs: plain.trace(*args, **kwargs))


def trace_call(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """The trace of a call, from jit's cache where it is there."""
    traced = target.capture(args, kwargs)
    leaves = jax_compat.traced_arguments(target.plain, args, kwargs)
    inputs = [*jax_compat.traced_consts(traced), *leaves]
    return Call(traced.fun_name, traced.jaxpr, traced, inputs)
