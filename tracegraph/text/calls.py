"""One op without regions as one ``jax.lax`` call.

The usual ops are written as somebody would write them; the others bind their primitive, with every
parameter said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, SupportsIndex

import numpy as np
from jax import lax

from compiler.ir.attributes import Attribute
from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType, Shape
from compiler.lowering.defaults import none_parameters
from compiler.lowering.export_jax import ANNOTATION_PREFIX
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from tracegraph.text.values import UnwritableError, attributes_text, value_text

Attributes = Mapping[str, Attribute]
Call = Callable[[Sequence[str], Attributes], str]

PLATFORM_INDEX: Final = "_platform_index"
_RENAMED: Final = {
    "add_any": "add",
    "and": "bitwise_and",
    "copy_p": "copy",
    "not": "bitwise_not",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_POSITIONAL: Final = {
    "broadcast_in_dim": ("shape", "broadcast_dimensions"),
    "concatenate": ("dimension",),
    "convert_element_type": ("new_dtype",),
    "cumsum": ("axis", "reverse"),
    "integer_pow": ("y",),
    "reshape": ("new_sizes", "dimensions"),
    "rev": ("dimensions",),
    "slice": ("start_indices", "limit_indices", "strides"),
    "squeeze": ("dimensions",),
    "transpose": ("permutation",),
    **dict.fromkeys(
        ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"),
        ("axes",),
    ),
}
"""The parameters that the public function of the same name takes after its operands, in order."""

_SILENT: Final = frozenset({"sharding", "out_sharding", "accuracy", "out_dtype", "weak_type"})
"""Parameters that the public functions do without, where they are None."""

_SCATTERS: Final = {
    "scatter": "scatter",
    "scatter-add": "scatter_add",
    "scatter_add": "scatter_add",
    "scatter-mul": "scatter_mul",
    "scatter_mul": "scatter_mul",
    "scatter_max": "scatter_max",
    "scatter-max": "scatter_max",
    "scatter_min": "scatter_min",
    "scatter-min": "scatter_min",
    "scatter-sub": "scatter_sub",
    "scatter_sub": "scatter_sub",
}


def call_text(op: Operation, operands: Sequence[str]) -> str:
    """The expression that computes an op's results.

    Raises:
        UnwritableError: it is no op of ``jax.lax``, or has a parameter that text cannot make.
    """
    attributes = {
        name: value
        for name, value in op.attributes.items()
        if not name.startswith(ANNOTATION_PREFIX)
    }
    if op.effects:
        raise UnwritableError(f"{op.name}, which has side effects")
    if op.name in _SPECIAL:
        return _SPECIAL[op.name](operands, attributes)
    if op.name in _OF_ONE:
        return _of_each(op, operands, attributes)
    if op.name in _SCATTERS:
        return _scatter(op.name, operands, attributes)
    return _public(op, operands, attributes) or _bound(op, operands, attributes)


def _public(op: Operation, operands: Sequence[str], attributes: Attributes) -> str:
    """A call of the public function; empty where there is none that says the same."""
    name = _RENAMED.get(op.name, op.name)
    said = {key: value for key, value in attributes.items() if _is_said(key, value)}
    if op.name in ELEMENTWISE | TRANSCENDENTAL | {"add_any", "copy_p"} and not said:
        return f"lax.{name}({', '.join(operands)})" if hasattr(lax, name) else ""
    if op.name == "dot_general":
        return f"lax.dot_general({', '.join(operands)}, {attributes_text(said)})"
    order = _POSITIONAL.get(op.name)
    if order is None or not set(said) <= set(order) or not hasattr(lax, name):
        return ""
    given = f"[{', '.join(operands)}]" if op.name == "concatenate" else ", ".join(operands)
    return f"lax.{name}({', '.join([given, *(value_text(said[k]) for k in order if k in said)])})"


def _is_said(name: str, value: Attribute) -> bool:
    return not (name in _SILENT and (value is None or value is False)) and not (
        name == "dimensions" and value is None
    )


def _bound(op: Operation, operands: Sequence[str], attributes: Attributes) -> str:
    whole: dict[str, Attribute] = {**attributes}
    if op.primitive is None:  # text leaves out what is None
        whole = dict.fromkeys(none_parameters().get(op.name, ())) | whole
    place = _home(op)
    given = [*operands, attributes_text(whole)] if whole else operands
    return f"{place}.bind({', '.join(given)})"


def _home(op: Operation) -> str:
    """Where the op's primitive has a public name."""
    name = f"{op.name.replace('-', '_')}_p"
    for place, home in (("lax", lax), ("lax.linalg", lax.linalg)):
        found: Any = getattr(home, name, None)
        if found is not None and op.primitive in (None, found):
            return f"{place}.{name}"
    raise UnwritableError(op.name)


def _scatter(name: str, operands: Sequence[str], attributes: Attributes) -> str:
    keys = ("dimension_numbers", "indices_are_sorted", "unique_indices", "mode")
    said = attributes_text({key: attributes[key] for key in keys if key in attributes})
    return f"lax.{_SCATTERS[name]}({', '.join(operands)}, {said})"


def _same(operands: Sequence[str], attributes: Attributes) -> str:
    del attributes
    return operands[0]


def _put(operands: Sequence[str], attributes: Attributes) -> str:
    """A transfer to nowhere in particular; one to a device or a sharding has no text."""
    places = attributes.get("devices")
    if not isinstance(places, tuple) or any(place is not None for place in places):
        raise UnwritableError("device_put to a device")
    return f"({', '.join(operands)},)"


def _ragged_dot(operands: Sequence[str], attributes: Attributes) -> str:
    key = "ragged_dot_dimension_numbers"
    said = {k: v for k, v in attributes.items() if k != key and v is not None}
    numbers: Any = getattr(attributes[key], "handle", None)
    if numbers is None:  # read from text, which does not say them all
        raise UnwritableError(key)
    dtype: Any = getattr(said.get("preferred_element_type"), "handle", None)
    if dtype is not None:  # it stands there as the user gave it
        said["preferred_element_type"] = np.dtype(dtype)
    names = ("dot_dimension_numbers", "lhs_ragged_dimensions", "rhs_group_dimensions")
    fields = [f"{name}={_nested(getattr(numbers, name))!r}" for name in names]
    given = [*operands, f"lax.RaggedDotDimensionNumbers({', '.join(fields)})"]
    given += [attributes_text(said)] if said else []
    return f"lax.ragged_dot_general({', '.join(given)})"


def _nested(value: Any) -> Any:
    """Sequences of numbers in each other, as tuples."""
    return int(value) if isinstance(value, SupportsIndex) else tuple(map(_nested, value))


def _of_each(op: Operation, operands: Sequence[str], attributes: Attributes) -> str:
    """A call of what takes one key or seed alone, for each of a batch."""
    call = _OF_ONE[op.name]
    shapes = [_shape(value) for value in op.operands]
    whole = _shape(op.result)[: max(map(len, shapes))]
    if not whole:
        return call(operands, attributes)
    given = [
        text if shape in ((), whole) else f"jax.numpy.broadcast_to({text}, {whole})"
        for text, shape in zip(operands, shapes, strict=True)
    ]
    names = ("_a", "_b")[: len(operands)]
    axes = value_text(tuple(0 if shape else None for shape in shapes))
    text = f"lambda {', '.join(names)}: {call(names, attributes)}"
    for _ in whole:
        text = f"jax.vmap({text}, {axes})"
    return f"{text}({', '.join(given)})"


def _shape(value: Value) -> Shape:
    return value.type.shape if isinstance(value.type, ArrayType) else ()


def _bits(operands: Sequence[str], attributes: Attributes) -> str:
    kind = f'"uint{attributes["bit_width"]}"'
    return f"jax.random.bits({operands[0]}, {value_text(attributes['shape'])}, {kind})"


def _split(operands: Sequence[str], attributes: Attributes) -> str:
    return f"jax.random.split({operands[0]}, {value_text(attributes['shape'])})"


def _fold(operands: Sequence[str], attributes: Attributes) -> str:
    del attributes
    return f"jax.random.fold_in({', '.join(operands)})"


def _key_data(operands: Sequence[str], attributes: Attributes) -> str:
    del attributes
    return f"jax.random.key_data({operands[0]})"


def _wrap(operands: Sequence[str], attributes: Attributes) -> str:
    return f"jax.random.wrap_key_data({operands[0]}, impl={_impl(attributes)})"


def _seed(operands: Sequence[str], attributes: Attributes) -> str:
    return f"jax.random.key({operands[0]}, impl={_impl(attributes)})"


def _impl(attributes: Attributes) -> str:
    impl = attributes.get("impl")
    name: object = getattr(getattr(impl, "handle", None), "name", None)
    name = {"fry": "threefry2x32"}.get(str(name), name)
    if name not in ("threefry2x32", "rbg", "unsafe_rbg"):
        raise UnwritableError("a random key of another kind")
    return repr(name)


def _threefry(operands: Sequence[str], attributes: Attributes) -> str:
    del attributes
    return f"jax.extend.random.threefry2x32_p.bind({', '.join(operands)})"


def _platform(operands: Sequence[str], attributes: Attributes) -> str:
    del operands
    return f"{PLATFORM_INDEX}({value_text(attributes['platforms'])})"


_SPECIAL: Final[dict[str, Call]] = {
    "device_put": _put,
    "name": _same,
    "optimization_barrier": lambda operands, _: (
        f"lax.optimization_barrier([{', '.join(operands)}])"
    ),
    "platform_index": _platform,
    "ragged_dot_general": _ragged_dot,
    "random_clone": _same,
    "random_unwrap": _key_data,
    "random_wrap": _wrap,
    "threefry2x32": _threefry,
}

_OF_ONE: Final[dict[str, Call]] = {
    "random_bits": _bits,
    "random_fold_in": _fold,
    "random_seed": _seed,
    "random_split": _split,
}
"""Those whose public function takes one key, or one seed, where the primitive takes any number."""
