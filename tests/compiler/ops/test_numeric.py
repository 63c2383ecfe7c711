from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.ops.definition import NotExact, lookup
from tests.compiler.ops.exact import (
    FLOATS,
    INTEGERS,
    NARROW_FLOATS,
    bits,
    check_arrays,
    check_elements,
    dtype_of,
    edges,
    evaluate,
    imported,
    is_float,
)

COMPARISONS = (lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge)
SIGNED_UNARY = (lax.neg, lax.abs)
INTEGER_UNARY = (lax.sign, lax.square, lax.bitwise_not, lax.population_count, lax.clz)
INTEGER_BINARY = (
    lax.add, lax.sub, lax.mul, lax.max, lax.min, lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor,
    lax.shift_left, lax.shift_right_logical, lax.shift_right_arithmetic, *COMPARISONS,
)  # fmt: skip
FLOAT_UNARY = (
    lax.neg, lax.abs, lax.sign, lax.square, lax.floor, lax.ceil, lax.is_finite,
    lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    lambda x: lax.integer_pow(x, 2),
)  # fmt: skip
FLOAT_BINARY = (lax.add, lax.sub, lax.mul, lax.max, lax.min)
CONVERTIBLE = ("bool", *INTEGERS, *FLOATS)


def is_ordinary(row):
    """Whether nothing in the row gives an evaluator a reason to refuse a sum or a product."""
    return all(np.isfinite(x) and 0.2 < abs(float(x)) < 50 for x in row)


def is_denormal(x):
    tiny = {"float16": 2.0**-14, "float64": 2.0**-1022}.get(x.dtype.name, 2.0**-126)
    return 0 < abs(float(x)) < tiny


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("function", INTEGER_UNARY)
def test_integer_unary(function, name):
    assert check_elements(function, edges(name)) == []


@pytest.mark.parametrize("name", [name for name in INTEGERS if name.startswith("i")])
@pytest.mark.parametrize("function", SIGNED_UNARY)
def test_signed_unary(function, name):
    assert check_elements(function, edges(name)) == []


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("function", INTEGER_BINARY)
def test_integer_binary(function, name):
    assert check_elements(function, edges(name), edges(name)) == []


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("function", [lax.div, lax.rem])
def test_integer_division_refuses_only_zero_divisors_and_overflow(function, name):
    lowest = np.iinfo(name).min
    for x, y in check_elements(function, edges(name), edges(name)):
        assert y == 0 or (x == lowest and int(y) == -1)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7])
def test_integer_powers_wrap(exponent, name):
    assert check_elements(lambda x: lax.integer_pow(x, exponent), edges(name)) == []


@pytest.mark.parametrize(
    "function", [lax.bitwise_not, lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor, lax.eq, lax.max]
)
def test_booleans(function):
    arity = 1 if function is lax.bitwise_not else 2
    assert check_elements(function, *[edges("bool")] * arity) == []


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", FLOAT_UNARY)
def test_float_unary(function, name):
    refused = check_elements(function, edges(name))
    assert not any(is_ordinary(row) for row in refused)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", FLOAT_BINARY)
def test_float_binary(function, name):
    refused = check_elements(function, edges(name), edges(name))
    assert not any(is_ordinary(row) for row in refused)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", COMPARISONS)
def test_float_comparisons_refuse_only_denormals(function, name):
    for row in check_elements(function, edges(name), edges(name)):
        assert any(is_denormal(x) for x in row)


@pytest.mark.parametrize("function", [lax.div, lax.nextafter])
def test_float32_binary_that_narrow_types_refuse(function):
    refused = check_elements(function, edges("float32"), edges("float32"))
    assert not any(is_ordinary(row) for row in refused)


@pytest.mark.parametrize("name", NARROW_FLOATS)
@pytest.mark.parametrize("function", [lax.div, lambda x, y: lax.sqrt(x) + y])
def test_narrow_division_and_root_are_refused(function, name):
    x = dtype_of(name).type(3)
    with pytest.raises(NotExact):
        evaluate(imported(function, x, x), (x, x))


def test_float32_root():
    values = np.abs(edges("float32"))
    refused = check_elements(lax.sqrt, values)
    assert not any(is_ordinary(row) for row in refused)


@pytest.mark.parametrize("function", [lax.max, lax.min])
def test_extremes_of_opposite_zeros_are_refused(function):
    zeros = np.array([0.0, -0.0], np.float32)
    refused = check_elements(function, zeros, zeros)
    assert len(refused) == 2


@pytest.mark.parametrize("name", [*INTEGERS, *FLOATS])
def test_clamp(name):
    refused = check_elements(lax.clamp, edges(name)[::3], edges(name)[::3], edges(name)[::4])
    assert not any(is_ordinary(row) for row in refused)
    assert is_float(name) or refused == []


def test_clamp_by_scalars():
    check_arrays(lambda x: lax.clamp(np.float32(0), x, np.float32(2)), np.float32([1.0, 3.0, 0.5]))


@pytest.mark.parametrize("source", CONVERTIBLE)
@pytest.mark.parametrize("target", CONVERTIBLE)
def test_conversions(source, target):
    dtype = dtype_of(target)
    refused = check_elements(lambda x: lax.convert_element_type(x, dtype), edges(source))
    if is_float(source) or is_float(target):
        assert not any(is_ordinary(row) and float(row[0]) == 1.0 for row in refused)
    else:
        assert refused == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e9, -3e9, 2147483648.0])
def test_floats_outside_the_integer_range_are_refused(value):
    x = np.float32(value)
    graph = imported(lambda x: lax.convert_element_type(x, jnp.int32), x)
    with pytest.raises(NotExact, match="range"):
        evaluate(graph, (x,))


@pytest.mark.parametrize("function", [lax.add, lax.sub, lax.mul, lax.max, lax.min])
def test_nan_results_are_refused(function):
    x = np.float32(np.nan)
    with pytest.raises(NotExact, match="nan"):
        evaluate(imported(function, x, x), (x, x))


@pytest.mark.parametrize("exponent", [-126, -127, -140])
def test_denormal_results_are_refused(exponent):
    x, y = np.float32(2.0**-100), np.float32(2.0 ** (exponent + 100))
    with pytest.raises(NotExact, match="denormals"):
        evaluate(imported(lax.mul, x, y), (x, y))


def test_complex_arithmetic_is_refused():
    x = np.complex64(1 + 2j)
    with pytest.raises(NotExact):
        evaluate(imported(lax.mul, x, x), (x, x))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["int64", "uint64"])
@pytest.mark.parametrize("function", [*INTEGER_BINARY, lax.div, lax.rem])
def test_long_integers(function, name):
    refused = check_elements(function, edges(name), edges(name))
    division = function in (lax.div, lax.rem)
    assert refused == [] or division


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", [*FLOAT_BINARY, *COMPARISONS, lax.div])
def test_doubles(function):
    refused = check_elements(function, edges("float64"), edges("float64"))
    assert not any(is_ordinary(row) for row in refused)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("source", ["int64", "uint64", "float64"])
@pytest.mark.parametrize("target", [*CONVERTIBLE, "int64", "uint64", "float64"])
def test_long_conversions(source, target):
    dtype = dtype_of(target)
    check_elements(lambda x: lax.convert_element_type(x, dtype), edges(source))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0), (3, 1)])
def test_shapes(shape):
    x = np.full(shape, 2.5, np.float32)
    check_arrays(lambda x: (x + x, lax.floor(x), lax.integer_pow(x, 2), x < x), x)
    check_arrays(lambda x: x.astype(jnp.int8), x)


@pytest.mark.parametrize("name", ["exp", "tanh", "sin", "pow", "rsqrt", "reduce_precision"])
def test_what_a_device_approximates_has_no_evaluator(name):
    assert lookup(name).evaluate is None


ARITHMETIC = (lax.add, lax.mul, lax.eq, lax.ne)
COMMUTATIVE = (*ARITHMETIC, lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        *((function, name) for function in COMMUTATIVE for name in ("int32", "uint8")),
        *((function, name) for function in ARITHMETIC for name in ("float32", "bfloat16")),
    ],
)
def test_commutative_ops_give_the_same_bits_either_way(function, name):
    x, y = (grid.ravel() for grid in np.meshgrid(edges(name), edges(name)))
    if is_float(name):  # two nans may differ in their payload, which no program can rely on
        x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    there, back = jax.jit(function)(x, y), jax.jit(function)(y, x)
    assert bits(there) == bits(back)
    assert lookup(imported(function, x, y).outputs[0].producer.name).commutative


@pytest.mark.parametrize("name", ["sub", "div", "max", "min", "lt", "pow", "atan2"])
def test_other_ops_are_not_commutative(name):
    assert not lookup(name).commutative
