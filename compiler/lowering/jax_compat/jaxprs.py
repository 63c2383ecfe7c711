"""Taking jaxprs apart and putting them together, open or closed, merged or not.

Up to jax 0.11 a ``ClosedJaxpr`` wraps a ``Jaxpr``; from 0.12 on they are one class that may carry
constants. ``JaxprParts.closed`` says which of the two a parameter held.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# JAX does not annotate these internals.

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from jax._src import core, dtypes, linear_util
from jax._src import effects as jax_effects
from jax._src.interpreters import partial_eval
from jax._src.state.types import AbstractRef

Jaxpr = Any
Equation = Any

_ClosedJaxpr: Any = getattr(core, "ClosedJaxpr", core.Jaxpr)
_MERGED: Final = _ClosedJaxpr is core.Jaxpr
_INDEXED_EFFECTS: Final = hasattr(jax_effects.JaxprInputEffect(0), "input_index")


class JaxprParts(NamedTuple):
    """A jaxpr taken apart. ``constants`` stand one for one with ``constvars``."""

    constants: Sequence[Any]
    constvars: Sequence[Any]
    invars: Sequence[Any]
    outvars: Sequence[Any]
    equations: Sequence[Equation]
    debug_info: Any
    closed: bool


def read_inputs(jaxpr: Jaxpr) -> tuple[bool, ...]:
    """Which inputs the results or the effects of a jaxpr depend on: jit passes on no others."""
    parts = split_jaxpr(jaxpr)
    live = {id(atom) for atom in parts.outvars}
    for equation in reversed(parts.equations):
        if equation.effects or any(id(var) in live for var in equation.outvars):
            live.update(map(id, equation.invars))
    return tuple(id(var) in live for var in parts.invars)


def is_jaxpr(value: object) -> bool:
    """Whether the value is a jaxpr, open or closed."""
    return isinstance(value, (core.Jaxpr, _ClosedJaxpr))


def is_high(jaxpr: Jaxpr) -> bool:
    """Whether the jaxpr uses JAX's high-level types, which have no graph form."""
    return bool(getattr(jaxpr, "is_high", False))


def holds_high_types(jaxpr: Jaxpr) -> bool:
    """Whether the jaxpr takes, captures or returns a value of JAX's high-level types."""
    parts = split_jaxpr(jaxpr)
    return any(atom.aval.is_high for atom in [*parts.constvars, *parts.invars, *parts.outvars])


def split_jaxpr(jaxpr: Jaxpr) -> JaxprParts:
    """Takes a jaxpr apart."""
    closed = isinstance(jaxpr, _ClosedJaxpr)
    inner = jaxpr.jaxpr if closed else jaxpr
    return JaxprParts(
        jaxpr.consts if closed else (),
        inner.constvars,
        inner.invars,
        inner.outvars,
        inner.eqns,
        inner.debug_info,
        closed,
    )


def build_jaxpr(parts: JaxprParts) -> Jaxpr:
    """Puts a jaxpr together; its effects follow from its equations.

    Debug names are dropped where their number no longer fits.
    """
    debug_info = parts.debug_info
    fits = _fits(debug_info, "arg_names", parts.invars) and _fits(
        debug_info, "result_paths", parts.outvars
    )
    if not fits:
        # Not ``with_unknown_names``: jax 0.7 adds to the names of a while's condition.
        names, paths = ("",) * len(parts.invars), ("",) * len(parts.outvars)
        debug_info = debug_info._replace(arg_names=names, result_paths=paths)
    effects = partial_eval.make_jaxpr_effects(
        parts.constvars, parts.invars, parts.outvars, parts.equations
    )
    if _MERGED and parts.constvars:
        return core.Jaxpr(
            parts.constvars,
            parts.invars,
            parts.outvars,
            parts.equations,
            effects,
            debug_info,
            consts=list(parts.constants),  # pyright: ignore[reportCallIssue]
        )
    jaxpr = core.Jaxpr(
        parts.constvars, parts.invars, parts.outvars, parts.equations, effects, debug_info
    )
    return _ClosedJaxpr(jaxpr, list(parts.constants)) if parts.closed else jaxpr


def another(jaxpr: Jaxpr) -> Jaxpr:
    """The same jaxpr as an object of its own, which does not keep the one given alive."""
    return jaxpr.replace()


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Runs JAX's own type checker over a jaxpr; raises its error."""
    core.check_jaxpr(jaxpr.jaxpr if isinstance(jaxpr, _ClosedJaxpr) else jaxpr)


def debug_names(debug_info: Any, field: str) -> tuple[str, ...]:
    """Names of the arguments (``arg_names``) or results (``result_paths``); empty if unknown."""
    names = getattr(debug_info, field, None)
    return tuple(str(name or "") for name in names) if isinstance(names, tuple) else ()


def no_debug_info() -> Any:
    """Debug names for a jaxpr that comes from no Python function."""
    return linear_util.DebugInfo("tracegraph", "<graph>", None, None)


def make_var(aval: Any) -> Any:
    """A fresh variable of that abstract value.

    JAX tells references apart by which object their type is, so each has one of its own.
    """
    return core.Var(copy.copy(aval) if isinstance(aval, AbstractRef) else aval)


def make_literal(value: Any, aval: Any) -> Any:
    """A constant written in place.

    Of a number of a weak type JAX asks the value for its type, once it is not a part of a jaxpr any
    more: it is then one of JAX's own, as JAX writes a number that Python gave.
    """
    if getattr(aval, "weak_type", False) and aval.shape == ():
        value = _weak_number(value, aval.dtype)
    return core.Literal(value, aval)


def _weak_number(value: Any, dtype: Any) -> Any:
    number = np.asarray(value).item()
    if isinstance(number, bool) or not isinstance(number, (int, float, complex)):
        return value
    return type(dtypes.canonicalize_value(number))(number, dtype)


def is_literal(atom: Any) -> bool:
    """Whether an operand is a constant written in place."""
    return isinstance(atom, core.Literal)


def make_equation(
    invars: Sequence[Any],
    outvars: Sequence[Any],
    primitive: Any,
    params: dict[str, Any],
    effects: Any,
    source_info: Any,
    context: Any,
) -> Equation:
    """A new equation."""
    return core.new_jaxpr_eqn(
        list(invars), list(outvars), primitive, params, effects, source_info, context
    )


def has_primitive(equation: Equation, name: str) -> bool:
    """Whether an equation is of a primitive of that name, or holds one in a jaxpr of its own."""
    if equation.primitive.name == name:
        return True
    inner = core.jaxprs_in_params(equation.params)
    return any(has_primitive(one, name) for jaxpr in inner for one in jaxpr.eqns)


def default_context() -> Any:
    """The settings under which an equation made here and now would run."""
    var = make_var(core.ShapedArray((), "float32"))
    return make_equation([], [var], None, {}, set(), None, None).ctx


def effect_operand(effect: Any, equation: Equation) -> int | None:
    """Which operand of the equation the effect happens to; None if it is no such effect."""
    if not isinstance(effect, jax_effects.JaxprInputEffect):
        return None
    place: Any = getattr(effect, "input_index" if _INDEXED_EFFECTS else "input")
    if isinstance(place, int):
        return place
    return next(i for i, atom in enumerate(equation.invars) if atom is place)


def rebind_effect(effect: Any, operand: int, invars: Sequence[Any]) -> Any:
    """The same effect on an operand of another equation."""
    if _INDEXED_EFFECTS:
        return effect.replace(input_index=operand)
    return effect.replace(invars[operand])


def is_ordered(effect: Any) -> bool:
    """Whether the effect keeps its place among the others of its kind."""
    return bool(jax_effects.ordered_effects.contains(effect))


def _fits(debug_info: Any, field: str, values: Sequence[Any]) -> bool:
    names = getattr(debug_info, field)
    return not isinstance(names, tuple) or len(names) == len(values)
