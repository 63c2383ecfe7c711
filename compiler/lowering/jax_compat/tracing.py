"""Putting the equations of a finished jaxpr into the trace that is running."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax._src import core, source_info_util
from jax._src.interpreters import partial_eval

from compiler.lowering.jax_compat.jaxprs import (
    Equation,
    Jaxpr,
    JaxprParts,
    build_jaxpr,
    effect_operand,
    is_literal,
    no_debug_info,
    rebind_effect,
    split_jaxpr,
)


def splice(jaxpr: Jaxpr, arguments: Sequence[Any]) -> list[Any]:
    """Adds the equations of a jaxpr to the running jit trace and returns the results.

    Unlike binding each primitive again this runs no abstract evaluation, and it keeps every
    equation's own source information, name stack and settings.

    Raises:
        TypeError: no jit trace is running.
    """
    trace = core.trace_ctx.trace
    if not isinstance(trace, partial_eval.DynamicJaxprTrace):
        raise TypeError(f"splice needs a jit trace, found {type(trace).__name__}")
    here = source_info_util.current()
    parts = split_jaxpr(jaxpr)
    constants = [trace.new_const(value, here) for value in parts.constants]
    inputs = [trace.to_jaxpr_tracer(value, here) for value in arguments]
    env: dict[Any, Any] = dict(
        zip([*parts.constvars, *parts.invars], [*constants, *inputs], strict=True)
    )

    literals: dict[int, Any] = {}

    def read(atom: Any, source_info: Any) -> Any:
        if not is_literal(atom):
            return env[atom]
        tracer = literals.get(id(atom))
        if tracer is None:
            tracer = partial_eval.DynamicJaxprTracer(trace, atom.aval, atom, source_info)
            literals[id(atom)] = tracer
        return tracer

    for equation in parts.equations:
        operands = [read(atom, equation.source_info) for atom in equation.invars]
        results = trace.emit_eqn(
            operands,
            [var.aval for var in equation.outvars],
            equation.primitive,
            equation.params,
            _effects_in(equation, operands),
            equation.source_info,
            equation.ctx,
        )
        env.update(zip(equation.outvars, results, strict=True))
    return [read(atom, here) for atom in parts.outvars]


def _effects_in(equation: Equation, operands: Sequence[Any]) -> Any:
    """The equation's effects, those on operands bound to the variables of the running trace."""
    if not equation.effects:
        return equation.effects
    values = [getattr(tracer, "val", tracer) for tracer in operands]
    moved: set[Any] = set()
    for effect in equation.effects:
        place = effect_operand(effect, equation)
        moved.add(effect if place is None else rebind_effect(effect, place, values))
    return moved


def is_jit_off() -> bool:
    """Whether ``jax.disable_jit`` holds: jit callables run their functions, whoever traces them."""
    return bool(getattr(jax.config, "jax_disable_jit"))  # noqa: B009 - not in its types


def is_tracing_for_jit() -> bool:
    """Whether the code that runs now is being staged into a jaxpr."""
    return isinstance(core.trace_ctx.trace, partial_eval.DynamicJaxprTrace)


def traced_so_far() -> Jaxpr | None:
    """What the running jit trace holds up to now as a closed jaxpr without results, if one runs."""
    trace = core.trace_ctx.trace
    if not isinstance(trace, partial_eval.DynamicJaxprTrace):
        return None
    frame = trace.frame
    info = (frame.debug_info or no_debug_info())._replace(result_paths=())
    jaxpr, constants = frame.to_jaxpr(trace, [], info, source_info_util.current())
    parts = JaxprParts(constants, jaxpr.constvars, jaxpr.invars, [], jaxpr.eqns, info, closed=True)
    return build_jaxpr(parts)
