"""Arguments drawn from nothing and moved away from given ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from compiler.ir import TracegraphError, parse_graph
from compiler.lowering.compare import difference
from compiler.lowering.inputs import (
    edge_values,
    few_numbers,
    few_ulps,
    moved,
    one_percent,
    random_arguments,
)

RNG = np.random.default_rng
MOVES = [few_ulps, one_percent, edge_values]
FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]


def text(parameters: str) -> str:
    return f"tracegraph.ir 1\ngraph @f({parameters}) -> () {{\n  return\n}}\n"


EVERY = (
    "%a: f32[2,3], %b: i8[4], %c: bool[9], %d: dtype<key<fry>>[2], %e: c64[2], %g: bf16[], "
    "%h: u4[5], %i: float0[2], captured_: f32[0]"
).replace("captured_", "%j")


def test_random_arguments_have_the_parameters_types() -> None:
    graph = parse_graph(text(EVERY))
    for value, parameter in zip(random_arguments(graph, 0), graph.parameters, strict=True):
        assert np.shape(value) == parameter.type.shape
        name = str(getattr(parameter.type.dtype, "name", parameter.type.dtype))
        assert str(value.dtype).startswith(name.replace("void", "[")) or name == str(value.dtype)


def test_few_numbers_keep_the_type_and_many_are_equal() -> None:
    graph = parse_graph(text("%a: f32[99], %b: i8[99], %c: u4[99], %d: bool[9], %e: c64[99]"))
    for value in random_arguments(graph, 0):
        found = few_numbers(value)
        assert (found.shape, found.dtype) == (value.shape, value.dtype)
        if value.dtype != bool:
            assert len(set(np.asarray(found).tolist())) < 60
            assert np.all(np.abs(np.asarray(found).astype(np.complex64)) < 8)


def test_few_numbers_without_negative_zeros() -> None:
    value = jnp.array([-0.2, 0.2, -1.2])
    assert list(np.signbit(few_numbers(value))) == [True, False, True]
    assert list(np.signbit(few_numbers(value, negative_zeros=False))) == [False, False, True]


def test_random_arguments_depend_on_the_seed_the_name_and_the_type_only() -> None:
    both = parse_graph(text("%x: f32[3], %y: f32[3]"))
    one = parse_graph(text("%y: f32[3]"))
    x, y = random_arguments(both, 1)
    assert difference(y, random_arguments(one, 1)[0]).same_bits
    assert not difference(x, y).same_bits
    assert not difference(x, random_arguments(both, 2)[0]).same_bits


@pytest.mark.parametrize("type", ['opaque<"Ref{float32[4]}">', "f32[n]", 'dtype<"other">[2]'])
def test_types_of_which_no_value_can_be_made(type: str) -> None:
    with pytest.raises(TracegraphError, match="no value can be made for the parameter %x"):
        random_arguments(parse_graph(text(f"%x: {type}")), 0)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda t: np.dtype(t).name)
def test_few_ulps(dtype: Any) -> None:
    array = RNG(0).standard_normal(100).astype(dtype)
    array[0] = 0
    found = difference(array, few_ulps(array, RNG(1)))
    assert 0 < found.ulps <= 8
    assert few_ulps(array, RNG(1))[0] == 0


@pytest.mark.parametrize("dtype", FLOATS[:-1], ids=lambda t: np.dtype(t).name)
def test_one_percent(dtype: Any) -> None:
    array = RNG(0).uniform(1, 2, 100).astype(dtype)
    found = difference(array, one_percent(array, RNG(1)))
    assert 0.002 < found.relative <= 0.011 + float(ml_dtypes.finfo(dtype).eps)


def test_nothing_finite_becomes_infinite() -> None:
    array = np.array([3.4e38, -3.4e38, np.inf, np.nan] * 10, np.float32)
    for move in (few_ulps, one_percent):
        assert np.array_equal(np.isfinite(move(array, RNG(0))), np.isfinite(array))


def test_edge_values() -> None:
    array = np.ones((20, 5), np.float32)
    found = edge_values(array, RNG(0))
    assert np.isnan(found).any()
    assert np.isposinf(found).any()
    assert np.isneginf(found).any()
    assert (np.signbit(found) & (found == 0)).any()
    assert (found == 1).sum() == 80
    assert edge_values(np.float32(1).reshape(()), RNG(0)) != 1, "at least one"
    assert edge_values(np.ones(0), RNG(0)).shape == (0,)


STAY = [
    3,
    True,
    "text",
    None,
    np.arange(3),
    jnp.arange(3),
    jnp.array([True]),
    jax.random.key(0),
    jax.random.PRNGKey(0),
    np.zeros(2, jax.dtypes.float0),
]


@pytest.mark.parametrize("value", STAY, ids=lambda v: str(type(v).__name__))
@pytest.mark.parametrize("move", MOVES)
def test_what_is_no_float_stays_the_same_object(value: Any, move: Any) -> None:
    assert moved(value, move, RNG(0)) is value


@pytest.mark.parametrize("move", MOVES)
def test_kinds_and_types_stay(move: Any) -> None:
    values = [
        *(2.5, 1 + 2j, np.float32(2), np.ones(3, np.float32)),
        *(jnp.ones((2, 2)), jnp.ones(2, "bfloat16"), jnp.array([1 + 1j])),
    ]
    for value in values:
        other = moved(value, move, RNG(3))
        assert isinstance(other, jax.Array) is isinstance(value, jax.Array)
        assert isinstance(other, float | complex) is isinstance(value, float | complex)
        assert (jnp.shape(other), jnp.result_type(other)) == (
            jnp.shape(value),
            jnp.result_type(value),
        )
        assert not np.array_equal(other, value)


def test_numbers_of_python_are_moved_in_jaxs_precision() -> None:
    assert {np.float32(moved(1.0, few_ulps, RNG(seed))) == 1 for seed in range(9)} == {False, True}


def test_weak_types_stay_weak() -> None:
    weak = jnp.asarray(1.5)
    assert weak.weak_type
    assert isinstance(moved(weak, one_percent, RNG(0)), float)
    array = jnp.broadcast_to(weak, (3,))
    assert array.weak_type
    assert moved(array, one_percent, RNG(0)) is array


def test_arrays_stay_where_they_are() -> None:
    mesh = Mesh(np.array(jax.devices()[:4]), ("x",))
    x = jax.device_put(jnp.ones(4), NamedSharding(mesh, P("x")))
    other = moved(x, one_percent, RNG(0))
    assert (other.sharding, other.committed) == (x.sharding, True)
    assert not moved(jnp.ones(4), one_percent, RNG(0)).committed
