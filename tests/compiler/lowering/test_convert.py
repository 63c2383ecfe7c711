"""Parameters and types there and back: the same objects from JAX, equal ones from text."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir import ArrayType, Dense, EnumValue, ExtendedDType, Opaque, Record, TracegraphError
from compiler.lowering import jax_compat
from compiler.lowering.convert import from_attribute, to_attribute
from compiler.lowering.convert_types import to_aval, to_type

NUMBERS = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
PLAIN = [True, 3, -1.5, float("inf"), 2j, "text", b"bytes", None, (), (1, ("a", None)), -0.0]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_stand_for_themselves(value: Any) -> None:
    assert to_attribute(value) == value
    assert type(to_attribute(value)) is type(value)
    assert from_attribute(to_attribute(value)) == value


class OfAUser(NamedTuple):
    a: int


KEPT = [
    NUMBERS,
    lax.Precision.HIGHEST,
    lax.GatherScatterMode.CLIP,
    OfAUser(3),
    np.float32(2),
    np.uint8(7),
    np.arange(3),
    jnp.sin,
    frozenset({"a", "b"}),
    jax.make_jaxpr(jnp.sin)(1.0),
    object(),
    jax_compat.unspecified(),
]


@pytest.mark.parametrize("value", KEPT, ids=lambda value: type(value).__name__)
def test_the_same_object_comes_back(value: Any) -> None:
    assert from_attribute(to_attribute(value)) is value
    assert from_attribute(to_attribute((value, 1)))[0] is value


@pytest.mark.parametrize("value", [np.dtype(np.int8), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_dtypes(value: np.dtype) -> None:
    assert from_attribute(to_attribute(value)) == value
    assert from_attribute(to_attribute(value.type)) == value


def test_key_dtype() -> None:
    dtype = jax.random.key(0).dtype
    attribute = to_attribute(dtype)
    assert isinstance(attribute, ExtendedDType)
    assert from_attribute(attribute) == dtype
    assert from_attribute(ExtendedDType(attribute.name, attribute.itemsize)) == dtype


def without_handle(attribute: Any) -> Any:
    """The attribute as a text would give it."""
    if isinstance(attribute, Record):
        return Record(attribute.kind, attribute.fields)
    return EnumValue(attribute.kind, attribute.member)


@pytest.mark.parametrize("value", [*KEPT[:3], jax_compat.unspecified()], ids=str)
def test_text_rebuilds_records_and_enumerations(value: Any) -> None:
    assert from_attribute(without_handle(to_attribute(value))) == value


def test_text_cannot_rebuild_an_opaque_value() -> None:
    with pytest.raises(TracegraphError, match="text cannot rebuild"):
        from_attribute(Opaque("function", "numpy.sin"))
    with pytest.raises(TracegraphError, match="NoSuchClass"):
        from_attribute(EnumValue("NoSuchClass", "A"))


@pytest.mark.parametrize(
    "value", [object(), jnp.sin, lambda: 0, {"a", "b"}], ids=["object", "jit", "lambda", "set"]
)
def test_the_text_of_an_opaque_value_has_no_address(value: Any) -> None:
    attribute = to_attribute(value)
    assert isinstance(attribute, Opaque)
    assert "0x" not in attribute.text


def test_arrays_keep_their_bits() -> None:
    attribute = to_attribute(np.array([0.0, -0.0, np.nan]))
    assert isinstance(attribute, Dense)
    assert attribute.array.tobytes() == np.array([0.0, -0.0, np.nan]).tobytes()


AVALS = [
    1,
    1.0,
    True,
    jnp.ones((2, 0)),
    jnp.ones(3, jnp.bfloat16),
    jnp.asarray(1),
    jax.random.key(0),
]


@pytest.mark.parametrize("value", AVALS, ids=repr)
def test_types(value: Any) -> None:
    aval = jax.make_jaxpr(lambda x: x)(value).in_avals[0]
    type_ = to_type(aval)
    assert isinstance(type_, ArrayType)
    assert to_aval(type_) is aval
    assert (type_.shape, type_.weak_type) == (aval.shape, aval.weak_type)
    assert to_aval(ArrayType(type_.shape, type_.dtype, type_.weak_type)) == aval


def test_types_of_references_are_opaque_and_come_back() -> None:
    make = getattr(jax, "new_ref", None)
    if make is None:
        pytest.skip("this jax has no public mutable arrays")
    (aval,) = jax.make_jaxpr(lambda r: r[...])(make(jnp.ones(3))).in_avals
    assert to_aval(to_type(aval)) is aval
    assert not isinstance(to_type(aval), ArrayType)


def test_symbolic_sizes_come_back() -> None:
    export = pytest.importorskip("jax.export")
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("n, 3"), jnp.float32)
    aval = jax.make_jaxpr(lambda x: x)(shape).in_avals[0]
    assert str(to_type(aval)) == "f32[n,3]"
    assert to_aval(to_type(aval)) is aval


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint32, np.uint64])
def test_integers_of_numpy_are_sizes_and_axes_of_jaxs_own_ops(kind):
    found = to_attribute((kind(3), (kind(0), 1)), has_sizes=True)
    assert found == (3, (0, 1))
    assert type(found[0]) is int


def test_integers_of_numpy_mean_themselves_to_others_ops():
    assert from_attribute(to_attribute(np.int32(3))).dtype == np.int32


_WIDTHS = np.array([[0, 1], [1, 0]], np.int32)
_ONE, _TWO = np.int32(1), np.int32(2)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: jnp.pad(x, _WIDTHS),
        lambda x: lax.slice(jnp.tanh(x), _WIDTHS[0], np.array([2, 3], np.int32)) * 2,
        lambda x: jnp.stack([part.sum() for part in lax.split(x, np.array([1, 2], np.int32), 1)]),
        lambda x: lax.concatenate([x, x * 2], np.int32(0)),
        lambda x: lax.rev(lax.rev(x, _WIDTHS[0][:1]), _WIDTHS[0][:1]),
        lambda x: lax.reduce(x[None], 0.0, lax.add, _WIDTHS[0][:1]),
        lambda x: lax.reduce_window(x, 0.0, lax.add, [_TWO, _TWO], [_ONE, _ONE], "VALID"),
    ],
    ids=["pad", "slice", "split", "concatenate", "rev", "reduce", "reduce_window"],
)
def test_rules_read_integers_of_numpy(fun):
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(tg.function(fun)(x), jax.jit(fun)(x), rtol=1e-6)
