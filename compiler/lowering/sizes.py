"""Numbers in the place of symbolic sizes, in everything that a jaxpr holds.

A jaxpr that was traced once with symbolic sizes becomes the jaxpr of given sizes, without the
user's Python. It works on jaxprs and not on graphs, because a parameter that the IR does not look
into holds jaxprs and types too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import numpy as np

from compiler.lowering import jax_compat

DIM_AS_VALUE: Final = "dim_as_value"


def jaxpr_at(jaxpr: jax_compat.Jaxpr, sizes: jax_compat.Sizes) -> jax_compat.Jaxpr:
    """The jaxpr at these sizes.

    Args:
        jaxpr: open or closed, traced with symbolic sizes.
        sizes: a number for each name in them.

    Raises:
        KeyError: a name has no number.
    """
    return _Sizing(sizes).jaxpr(jaxpr)


class _Sizing:
    """One choice of sizes. Jaxprs that stand in several places are made once."""

    def __init__(self, sizes: jax_compat.Sizes) -> None:
        self._sizes = sizes
        self._made: dict[int, tuple[Any, Any]] = {}
        self._avals: dict[int, tuple[Any, Any]] = {}

    def jaxpr(self, jaxpr: jax_compat.Jaxpr) -> jax_compat.Jaxpr:
        known = self._made.get(id(jaxpr))
        if known is None:  # the reference to the old one keeps its number taken
            known = self._made[id(jaxpr)] = (jaxpr, self._jaxpr(jaxpr))
        return known[1]

    def _jaxpr(self, jaxpr: jax_compat.Jaxpr) -> jax_compat.Jaxpr:
        parts = jax_compat.split_jaxpr(jaxpr)
        env: dict[Any, Any] = {}
        constvars = [self._define(env, var) for var in parts.constvars]
        invars = [self._define(env, var) for var in parts.invars]
        equations = [made for eqn in parts.equations for made in self._equation(env, eqn)]
        outvars = [_read(env, atom) for atom in parts.outvars]
        return jax_compat.build_jaxpr(
            parts._replace(constvars=constvars, invars=invars, outvars=outvars, equations=equations)
        )

    def _equation(self, env: dict[Any, Any], equation: jax_compat.Equation) -> list[Any]:
        if equation.primitive.name == DIM_AS_VALUE:
            (var,) = equation.outvars
            env[var] = self._number(equation.params["dim"], var.aval)
            return []
        operands = [_read(env, atom) for atom in equation.invars]
        results = [self._define(env, var) for var in equation.outvars]
        params = {name: self.value(value) for name, value in equation.params.items()}
        places = {e: jax_compat.effect_operand(e, equation) for e in equation.effects}
        effects = {
            effect if place is None else jax_compat.rebind_effect(effect, place, operands)
            for effect, place in places.items()
        }
        made = jax_compat.make_equation(
            operands,
            results,
            equation.primitive,
            params,
            effects,
            equation.source_info,
            equation.ctx,
        )
        return [made]

    def _number(self, dim: Any, aval: Any) -> Any:
        return jax_compat.make_literal(np.asarray(self.value(dim), aval.dtype)[()], aval)

    def _define(self, env: dict[Any, Any], var: Any) -> Any:
        made = env[var] = jax_compat.make_var(self._aval(var.aval))
        return made

    def _aval(self, aval: Any) -> Any:
        known = self._avals.get(id(aval))
        if known is None:
            known = self._avals[id(aval)] = (aval, jax_compat.aval_at(aval, self._sizes))
        return known[1]

    def value(self, value: Any) -> Any:
        """A parameter at these sizes; the same object if it holds none."""
        for holds, convert in self._conversions():
            if holds(value):
                return convert(value)
        return value

    def _conversions(self) -> tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...]:
        sizes = self._sizes
        return (
            (jax_compat.is_symbolic, lambda dim: jax_compat.size_at(dim, sizes)),
            (jax_compat.is_jaxpr, self.jaxpr),
            (jax_compat.is_aval, self._aval),
            (jax_compat.is_rule, lambda rule: jax_compat.rule_at(rule, self.value)),
            (lambda value: isinstance(value, tuple | list), self._sequence),
            (lambda value: isinstance(value, dict), self._mapping),
        )

    def _sequence(self, values: Any) -> Any:
        made = [self.value(value) for value in values]
        if all(new is old for new, old in zip(made, values, strict=True)):
            return values
        if hasattr(values, "_fields"):
            return type(values)(*made)
        return type(values)(made)

    def _mapping(self, values: Any) -> Any:
        items = cast("Mapping[Any, Any]", values).items()
        made = {key: self.value(value) for key, value in items}
        changed = any(made[key] is not value for key, value in items)
        return made if changed else values


def _read(env: dict[Any, Any], atom: Any) -> Any:
    return atom if jax_compat.is_literal(atom) else env[atom]
