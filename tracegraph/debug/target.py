"""The function that a debugging door is asked about: decorated, or any other."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
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
class Captured:
    """One call of a function, captured.

    Attributes:
        graph: the graph before any pass.
        inputs: a value for each of its parameters that is not captured.
        out_tree: the tree of the function's result.
    """

    graph: Graph
    inputs: list[Any]
    out_tree: Any


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


def capture(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Captured:
    """The captured graph of a call.

    Raises:
        TracegraphError: the function uses types that a graph cannot hold.
    """
    traced = target.capture(args, kwargs)
    jaxpr = jax_compat.low_jaxpr(traced)
    if jaxpr is None:
        raise TracegraphError(
            f"{traced.fun_name} has no graph and cannot be looked into",
            expected="a function whose trace a graph can hold",
            found="one that takes or returns JAX's high-level types",
            hint="look into a function inside it that takes and returns arrays",
        )
    leaves = jax_compat.traced_arguments(target.plain, args, kwargs)
    inputs = [*jax_compat.traced_consts(traced), *leaves]
    graph = import_jaxpr(jaxpr, name=traced.fun_name).freeze()
    return Captured(graph, inputs, jax_compat.traced_out_tree(traced))
