"""Graph to jaxpr: each op becomes an equation with its own source line, name stack and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from compiler.ir.attributes import Attribute, Dense, Opaque
from compiler.ir.effects import Effect
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.locations import Location
from compiler.ir.walk import walk_regions
from compiler.lowering import jax_compat
from compiler.lowering.convert import from_attribute
from compiler.lowering.convert_types import to_aval
from compiler.lowering.defaults import none_parameters
from compiler.lowering.import_jaxpr import RegionOrigin

_Jaxprs = dict[Region, jax_compat.Jaxpr]

ANNOTATION_PREFIX: Final = "tg."
"""Attributes whose names start so are tracegraph's own and never reach JAX."""


def export_jaxpr(graph: Graph) -> jax_compat.Jaxpr:
    """The closed jaxpr of a graph.

    Captured parameters become its constants, the other parameters its inputs.

    Raises:
        TracegraphError: the graph was read from text and holds an object that no text can rebuild.
    """
    frame = _Frame(_region_jaxprs(graph.body), closed=True)
    inputs: list[Any] = []
    for value, info in zip(graph.parameters, graph.parameter_info, strict=True):
        var = frame.define(value)
        if info.captured:
            frame.constants.append((_captured(graph, value, info.handle), var))
        else:
            inputs.append(var)
    return _finish(frame, graph.body, inputs)


def primitive_and_params(op: Operation) -> tuple[Any, dict[str, Any]]:
    """The primitive behind an op and its parameters, regions as jaxprs, as the installed JAX binds.

    Raises:
        TracegraphError: JAX has no such primitive, or text cannot rebuild a parameter.
    """
    jaxprs: _Jaxprs = {}
    for region in op.regions:
        inner = _region_jaxprs(region)
        jaxprs[region] = _region_jaxpr(region, inner)
    return _primitive_and_params(op, jaxprs)


def _primitive_and_params(op: Operation, jaxprs: _Jaxprs) -> tuple[Any, dict[str, Any]]:
    params: dict[str, Any] = {
        name: from_attribute(value)
        for name, value in op.attributes.items()
        if not name.startswith(ANNOTATION_PREFIX)
    }
    if op.primitive is None:  # text leaves out what is None
        params = dict.fromkeys(none_parameters().get(op.name, ())) | params
    if op.regions:
        params.update(_region_params(op, jaxprs))
    primitive = _primitive(op)
    return primitive, jax_compat.restore_params(
        primitive, params, len(op.operands), len(op.results)
    )


def constant_value(attribute: Attribute) -> Any:
    """What a constant holds, in the form in which a jaxpr may hold it."""
    if isinstance(attribute, Opaque):
        return from_attribute(attribute)
    if not isinstance(attribute, Dense):
        raise TypeError(f"a constant holds an array, not {attribute!r}")
    if attribute.handle is not None:
        return attribute.handle
    array = attribute.array
    return jax_compat.canonical_constant(array[()] if array.shape == () else array)


class _Frame:
    """The variables, equations and constants of one jaxpr while it is made."""

    def __init__(self, jaxprs: _Jaxprs, *, closed: bool) -> None:
        self.closed = closed
        self._jaxprs = jaxprs
        self.atoms: dict[Value, Any] = {}
        self.equations: list[Any] = []
        self.constants: list[tuple[Any, Any]] = []
        # Asked once: JAX would ask its settings again for every equation.
        self._context = jax_compat.default_context()

    def define(self, value: Value) -> Any:
        """A fresh variable for a value."""
        var = self.atoms[value] = jax_compat.make_var(value.type.handle or to_aval(value.type))
        return var

    def constant(self, op: Operation) -> None:
        """Makes a constant a literal where it can be one, else a constant of the jaxpr."""
        attribute = op.attributes["value"]
        aval = to_aval(op.result.type)
        value = constant_value(attribute)
        is_scalar = isinstance(attribute, Dense) and attribute.shape == ()
        if is_scalar or not self.closed:
            self.atoms[op.result] = jax_compat.make_literal(value, aval)
            return
        is_lost = getattr(aval, "weak_type", False) and not getattr(value, "weak_type", False)
        var = jax_compat.make_var(_strong(aval) if is_lost else aval)
        self.constants.append((value, var))
        self.atoms[op.result] = self._weakened(var, aval, op.location) if is_lost else var

    def _weakened(self, var: Any, aval: Any, location: Location) -> Any:
        """The same array of a weak type: JAX asks an array for its type, and not the jaxpr."""
        primitive = jax_compat.primitive_by_name("convert_element_type")
        params = {"new_dtype": aval.dtype, "weak_type": True, "sharding": None}
        weak = jax_compat.make_var(aval)
        plain = set[Any]()
        info = source_info(location)
        self.equations.append(
            jax_compat.make_equation([var], [weak], primitive, params, plain, info, self._context)
        )
        return weak

    def equation(self, op: Operation) -> None:
        """Adds the equation of an op."""
        operands = [self.atoms[value] for value in op.operands]
        primitive, params = _primitive_and_params(op, self._jaxprs)
        results = [self.define(value) for value in op.results]
        self.equations.append(
            jax_compat.make_equation(
                operands,
                results,
                primitive,
                params,
                {_effect(effect, operands) for effect in op.effects},
                source_info(op.location),
                self._context if op.context is None else op.context,
            )
        )


def _region_jaxprs(root: Region) -> _Jaxprs:
    """The jaxprs of all regions inside one, the inner ones made first: nesting costs no stack."""
    jaxprs: _Jaxprs = {}
    for region in reversed(list(walk_regions(root))[1:]):
        jaxprs[region] = _region_jaxpr(region, jaxprs)
    return jaxprs


def _region_jaxpr(region: Region, jaxprs: _Jaxprs) -> jax_compat.Jaxpr:
    origin = region.handle
    frame = _Frame(jaxprs, closed=not isinstance(origin, RegionOrigin) or origin.closed)
    return _finish(frame, region, [frame.define(value) for value in region.parameters])


def _finish(frame: _Frame, region: Region, inputs: Sequence[Any]) -> jax_compat.Jaxpr:
    for op in region:
        if op.is_terminator:
            break
        if op.name == CONSTANT:
            frame.constant(op)
        else:
            frame.equation(op)
    origin = region.handle
    return jax_compat.build_jaxpr(
        jax_compat.JaxprParts(
            [value for value, _ in frame.constants],
            [var for _, var in frame.constants],
            inputs,
            [frame.atoms[value] for value in region.outputs],
            frame.equations,
            origin.debug_info if isinstance(origin, RegionOrigin) else jax_compat.no_debug_info(),
            frame.closed,
        )
    )


def _region_params(op: Operation, jaxprs: _Jaxprs) -> dict[str, Any]:
    """The sub-jaxprs of an op under the names of its parameters."""
    params: dict[str, Any] = {}
    for region in op.regions:
        base, _, index = region.name.partition("[")
        jaxpr = jaxprs[region]
        params[base] = (*params.get(base, ()), jaxpr) if index else jaxpr
    return params


def _primitive(op: Operation) -> Any:
    found = op.primitive if op.primitive is not None else jax_compat.primitive_by_name(op.name)
    if found is not None:
        return found
    raise TracegraphError(
        f"there is no JAX primitive named {op.name}",
        where=str(op.location),
        expected="the name of a primitive of the installed JAX",
        found=op.name,
        hint="import the library that defines it, or correct the name in the graph's text",
    )


def _effect(effect: Effect, operands: Sequence[Any]) -> Any:
    if effect.handle is None:
        raise TracegraphError(
            f"this graph was read from text, and text cannot rebuild the effect {effect}",
            expected="ops without side effects",
            found=str(effect),
            hint="run the original function",
        )
    if effect.operand is None:
        return effect.handle
    return jax_compat.rebind_effect(effect.handle, effect.operand, operands)


def _strong(aval: Any) -> Any:
    return jax_compat.make_shaped(aval.shape, aval.dtype, False)


def source_info(location: Location) -> Any:
    """The source information of an equation that comes from there."""
    handle = location.handle
    if handle is not None and jax_compat.name_stack_text(handle) == location.name_stack:
        return handle
    return jax_compat.with_name_stack(handle, location.name_stack)


def _captured(graph: Graph, value: Value, handle: object) -> Any:
    if handle is not None:
        return handle
    raise TracegraphError(
        f"graph @{graph.name} was read from text, which does not hold its captured %{value.hint}",
        expected="a graph without captured arrays, or one captured from a running function",
        found=f"captured %{value.hint}: {value.type}",
        hint="drop the word captured and pass the array as an argument",
    )
