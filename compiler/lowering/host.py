"""The installed JAX as the host of rewriting: types of new ops, and graphs of JAX functions.

Importing this module opens the door that ``compiler.ops.host`` describes.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Final

import jax

from compiler.ir.attributes import Attribute, Attributes, Opaque, attribute_key
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.types import ArrayType, Type
from compiler.lowering import jax_compat
from compiler.lowering.convert import from_attribute
from compiler.lowering.convert_types import to_aval, to_jax_dtype, to_type
from compiler.lowering.defaults import none_parameters
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.host import install
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline

SPLICE_PIPELINE: Final = parse_pipeline("inline,canonicalize,cse,dce")
"""A traced function is tidied once, before copies of it go into graphs."""

_MAX_TYPES: Final = 4096


class JaxHost:
    """Answers by abstract evaluation and by tracing; remembers what it was asked."""

    def __init__(self) -> None:
        self._types: dict[object, tuple[Type, ...]] = {}

    def result_types(
        self, name: str, operands: Sequence[Type], attributes: Attributes
    ) -> tuple[Type, ...]:
        """See ``Host.result_types``."""
        said = sorted(attributes.items())
        key = (
            name,
            tuple(operands),
            tuple((key, attribute_key(value)) for key, value in said),
            bool(jax.config.read("jax_enable_x64")),
            jax_compat.trace_settings() if any(map(_is_sharded, operands)) else None,
        )
        found = self._types.get(key)
        if found is None:
            if len(self._types) >= _MAX_TYPES:
                self._types.clear()
            with _settings_for(operands):
                found = self._types[key] = _result_types(name, operands, attributes)
        return found

    def trace(self, function: Callable[..., Any], types: Sequence[Type]) -> Graph:
        """See ``Host.trace``."""
        if getattr(function, "__closure__", None):  # kept, it would keep the user's graph alive
            return _traced(function, types)
        return _trace(function, tuple(types), jax_compat.trace_settings())

    def batch(self, graph: Graph, batched: Sequence[bool], size: int) -> Graph:
        """See ``Host.batch``."""
        one = jax_compat.jaxpr_function(export_jaxpr(graph))
        places = [0 if flag else None for flag in batched]
        many = jax.vmap(one, in_axes=places, out_axes=0, axis_size=size)
        pairs = zip(graph.parameters, batched, strict=True)
        return _traced(many, [_stacked(v.type, size) if flag else v.type for v, flag in pairs])

    def carried(self, attribute: Attribute) -> Graph | None:
        """See ``Host.carried``."""
        jaxpr = attribute.handle if isinstance(attribute, Opaque) else None
        if not jax_compat.is_jaxpr(jaxpr):
            return None
        graph = import_jaxpr(jaxpr)
        if any(info.captured for info in graph.parameter_info):
            return None
        return PassManager(SPLICE_PIPELINE).run(graph).graph


def _settings_for(operands: Sequence[Type]) -> AbstractContextManager[None]:
    """Ours for arrays under no mesh; the user's for others, whose types say of which mesh."""
    return nullcontext() if any(map(_is_sharded, operands)) else jax_compat.own_settings()


def _is_sharded(type: Type) -> bool:
    return isinstance(type, ArrayType) and bool(type.sharding)


def _result_types(name: str, operands: Sequence[Type], attributes: Attributes) -> tuple[Type, ...]:
    primitive = jax_compat.primitive_by_name(name)
    if primitive is None:
        raise TracegraphError(
            f"there is no JAX primitive named {name}",
            expected="the name of a primitive of the installed JAX",
            found=name,
            hint="correct the name in the rule's replacement",
        )
    params: dict[str, Any] = dict.fromkeys(none_parameters().get(name, ()))
    params |= {key: from_attribute(value) for key, value in attributes.items()}
    try:
        avals = jax_compat.result_avals(primitive, [to_aval(type) for type in operands], params)
    except Exception as error:  # JAX refuses operands in many ways
        raise TracegraphError(
            f"{name} cannot be applied here",
            expected="operands and attributes that the primitive takes",
            found=f"({', '.join(map(str, operands))}) with {dict(attributes)}",
            hint=f"JAX says: {str(error).partition(chr(10))[0]}",
        ) from error
    return tuple(map(to_type, avals))


@lru_cache(256)
def _trace(function: Callable[..., Any], types: tuple[Type, ...], settings: object) -> Graph:
    del settings  # a part of the key only
    return _traced(function, types)


def _traced(function: Callable[..., Any], types: Sequence[Type]) -> Graph:
    arguments = [_argument(type) for type in types]
    try:
        with jax_compat.own_settings():
            jaxpr = jax_compat.low_jaxpr(jax.jit(function).trace(*arguments))
        graph = import_jaxpr(jaxpr)
    except Exception as error:  # the function is an author's: it may raise anything
        raise TracegraphError(
            f"the function {getattr(function, '__name__', function)} cannot be traced",
            expected="a JAX function of arrays of these types",
            found=f"({', '.join(map(str, types))}), which raises {type(error).__name__}",
            hint=str(error).partition("\n")[0],
        ) from error
    if any(info.captured for info in graph.parameter_info):
        raise TracegraphError(
            f"the function {getattr(function, '__name__', function)} captures a large array",
            expected="constants of at most 4 KiB",
            found="an array of the enclosing scope",
            hint="bind the array in the pattern and pass it as an argument",
        )
    return PassManager(SPLICE_PIPELINE).run(graph).graph


def _stacked(type: Type, size: int) -> Type:
    if not isinstance(type, ArrayType):
        return type  # refused when it becomes an argument
    return ArrayType((size, *type.shape), type.dtype, type.weak_type)


def _argument(type: Type) -> Any:
    if not isinstance(type, ArrayType):
        raise TracegraphError(
            "only arrays can be passed to a traced function",
            expected="a value with a shape and an element type",
            found=str(type),
            hint="bind arrays only",
        )
    dtype = to_jax_dtype(type.dtype)
    return jax.ShapeDtypeStruct(type.shape, dtype, weak_type=type.weak_type)


install(JaxHost())
