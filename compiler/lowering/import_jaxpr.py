"""jaxpr to Graph: every equation becomes an op, every sub-jaxpr that we understand a closed region.

What is not understood is carried whole: an unknown primitive keeps its jaxprs inside opaque
attributes, and its effects decide what may be done with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from compiler.ir import mutate
from compiler.ir.attributes import Attribute
from compiler.ir.effects import NO_EFFECTS, Effect, Effects
from compiler.ir.graph import (
    CONSTANT,
    RETURN,
    YIELD,
    Graph,
    Operation,
    ParameterInfo,
    Region,
    Value,
)
from compiler.ir.types import Type
from compiler.lowering import jax_compat
from compiler.lowering.convert import to_attribute
from compiler.lowering.convert_types import to_type
from compiler.lowering.import_constants import constant_attribute, is_hoisted, scalar_bits
from compiler.lowering.import_locations import LocationReader
from compiler.ops.definition import UNKNOWN, lookup

REGION_PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "jit": ("jaxpr",),
    "pjit": ("jaxpr",),
    "closed_call": ("call_jaxpr",),
    "core_call": ("call_jaxpr",),
    "remat": ("jaxpr",),
    "remat2": ("jaxpr",),
    "checkpoint": ("jaxpr",),
    "custom_jvp_call": ("call_jaxpr",),
    "custom_vjp_call": ("call_jaxpr",),
    "custom_vjp_call_jaxpr": ("fun_jaxpr",),
    "cond": ("branches",),
    "while": ("cond_jaxpr", "body_jaxpr"),
    "scan": ("jaxpr",),
    "shard_map": ("jaxpr",),
}
"""The parameters that become regions, by primitive."""


def import_jaxpr(
    jaxpr: jax_compat.Jaxpr, *, name: str = "function", donated: Sequence[bool] = ()
) -> Graph:
    """The graph of a closed jaxpr, not frozen.

    Args:
        jaxpr: the closed jaxpr.
        name: the function's name.
        donated: which of the inputs the caller gives away; empty for none.
    """
    return _Importer().graph(jaxpr, name, donated)


class RegionOrigin(NamedTuple):
    """What export must know of the jaxpr that a region came from."""

    debug_info: Any
    closed: bool


class _Importer:
    """One import: caches types and locations, which repeat many times in a program."""

    def __init__(self) -> None:
        self._types: dict[Any, Type] = {}
        self._types_by_id: dict[int, tuple[Any, Type]] = {}
        self._unread: list[tuple[Region, jax_compat.JaxprParts, dict[Any, Value]]] = []
        self._locations = LocationReader()
        self._plain_context = jax_compat.default_context()

    def graph(self, jaxpr: jax_compat.Jaxpr, name: str, donated: Sequence[bool]) -> Graph:
        parts = jax_compat.split_jaxpr(jaxpr)
        graph = Graph(name, Region(handle=RegionOrigin(parts.debug_info, parts.closed)))
        hoisted = [is_hoisted(value) for value in parts.constants]
        env: dict[Any, Value] = {}
        info: list[ParameterInfo] = []
        for var, value, big in zip(parts.constvars, parts.constants, hoisted, strict=True):
            if big:
                env[var] = mutate.add_parameter(graph.body, self.type(var.aval), "captured")
                info.append(ParameterInfo(captured=True, handle=value))
        names = _argument_names(parts)
        inputs = mutate.add_parameters(graph.body, [self.type(v.aval) for v in parts.invars])
        for var, value, hint in zip(parts.invars, inputs, names, strict=True):
            env[var], value.hint = value, hint
        flags = donated or (False,) * len(inputs)
        info += [ParameterInfo(donated=flag) for flag in flags]
        mutate.set_parameter_info(graph, info)
        kept = [not big for big in hoisted]
        self._fill(graph.body, parts, env, RETURN, kept)
        # Regions within regions wait on a list, so that nesting costs no stack.
        while self._unread:
            self._fill(*self._unread.pop(), YIELD)
        graph.result_names = _result_names(parts)
        return graph

    def region(self, jaxpr: jax_compat.Jaxpr, name: str) -> Region:
        """A region with its parameters; what is in it is read when its op has been made."""
        parts = jax_compat.split_jaxpr(jaxpr)
        region = Region(name, handle=RegionOrigin(parts.debug_info, parts.closed))
        invars = parts.invars if parts.closed else [*parts.constvars, *parts.invars]
        values = mutate.add_parameters(region, [self.type(v.aval) for v in invars])
        self._unread.append((region, parts, dict(zip(invars, values, strict=True))))
        return region

    def type(self, aval: Any) -> Type:
        """The type of an abstract value: one object for all that are equal.

        Variables share few abstract values, and hashing one costs more than all else here.
        """
        known = self._types_by_id.get(id(aval))
        if known is not None:
            return known[1]
        found = self._types.get(aval)
        if found is None:
            found = self._types[aval] = to_type(aval)
        self._types_by_id[id(aval)] = (aval, found)  # the reference keeps the number taken
        return found

    def _fill(
        self,
        region: Region,
        parts: jax_compat.JaxprParts,
        env: dict[Any, Value],
        terminator: str,
        kept: Sequence[bool] | None = None,
    ) -> None:
        """Adds the constants, equations and terminator of a jaxpr to an empty region."""
        scope = _Scope(self, env)
        flags = kept if kept is not None else [True] * len(parts.constants)
        for var, value, keep in zip(parts.constvars, parts.constants, flags, strict=False):
            if keep:
                env[var] = scope.constant(value, var.aval)
        for equation in parts.equations:
            self._equation(scope, equation)
        scope.ops.append(Operation(terminator, [scope.read(atom) for atom in parts.outvars], ()))
        mutate.extend(region, scope.ops)

    def _equation(self, scope: _Scope, equation: jax_compat.Equation) -> None:
        primitive = equation.primitive
        known = jax_compat.is_builtin(primitive)
        names = REGION_PARAMETERS.get(primitive.name, ()) if known else ()
        has_sizes = known and lookup(primitive.name) is not UNKNOWN
        attributes: dict[str, Attribute] = {}
        regions: list[Region] = []
        for key, value in jax_compat.unify_params(primitive, equation.params).items():
            if key in names:
                regions += self._regions(key, value)
            else:
                attributes[key] = to_attribute(value, has_sizes=has_sizes)
        operands = [scope.read(atom) for atom in equation.invars]
        results = [self.type(var.aval) for var in equation.outvars]
        op = Operation(
            primitive.name if known else f"foreign.{primitive.name}",
            operands,
            results,
            attributes,
            regions,
            effects=_effects(equation) if equation.effects else NO_EFFECTS,
            location=self._locations.read(equation.source_info),
            primitive=primitive,
            context=None if equation.ctx == self._plain_context else equation.ctx,
        )
        scope.ops.append(op)
        for var, value in zip(equation.outvars, op.results, strict=True):
            scope.env[var] = value

    def _regions(self, key: str, value: Any) -> list[Region]:
        if jax_compat.is_jaxpr(value):
            return [self.region(value, key)]
        return [self.region(jaxpr, f"{key}[{i}]") for i, jaxpr in enumerate(value)]


class _Scope:
    """The variables of one jaxpr, the ops made of it, and its constants, each once."""

    def __init__(self, importer: _Importer, env: dict[Any, Value]) -> None:
        self.importer = importer
        self.ops: list[Operation] = []
        self.env = env
        self._constants: dict[object, Value] = {}

    def read(self, atom: Any) -> Value:
        """The value of an operand."""
        if jax_compat.is_literal(atom):
            return self.constant(atom.val, atom.aval)
        return self.env[atom]

    def constant(self, value: Any, aval: Any) -> Value:
        """The value of a constant; equal constants share one op."""
        type = self.importer.type(aval)
        bits = scalar_bits(value, type)
        if bits is not None:  # the usual case: most constants are numbers that came up before
            return self._once((id(type), bits), value, type)
        attribute = constant_attribute(value, type)
        return self._once((type, attribute), value, type, attribute)

    def _once(
        self, key: object, value: Any, type: Type, attribute: Attribute | None = None
    ) -> Value:
        found = self._constants.get(key)
        if found is None:
            attribute = constant_attribute(value, type) if attribute is None else attribute
            op = Operation(CONSTANT, (), (type,), {"value": attribute})
            self.ops.append(op)
            found = self._constants[key] = op.result
        return found


def _effects(equation: jax_compat.Equation) -> Effects:
    return frozenset(
        Effect(
            type(effect).__name__.removesuffix("Effect").removeprefix("Ordered"),
            jax_compat.is_ordered(effect),
            jax_compat.effect_operand(effect, equation),
            effect,
        )
        for effect in equation.effects
    )


def _argument_names(parts: jax_compat.JaxprParts) -> Sequence[str]:
    names = jax_compat.debug_names(parts.debug_info, "arg_names")
    return names if len(names) == len(parts.invars) else [""] * len(parts.invars)


def _result_names(parts: jax_compat.JaxprParts) -> tuple[str, ...]:
    names = jax_compat.debug_names(parts.debug_info, "result_paths")
    if len(names) != len(parts.outvars) or names == ("result",):
        return ()
    return tuple(name.removeprefix("result") for name in names)
