"""Ops computed on the host: the same bits as on the device, and only where they are fixed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.ir.graph import Operation
from compiler.lowering.evaluate import op_function
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.on_host import MAX_ELEMENTS, device_array, host_runner

X = jnp.array([[1.5, -0.0, 7.0], [-3.5, -2.25, 3e38]])
N = jnp.array([[1, -7, 2**31 - 1], [0, -(2**31), 5]], jnp.int32)


def op_of(function: Any, *arguments: Any) -> Operation:
    op = import_jaxpr(jax.make_jaxpr(function)(*arguments)).body.first
    assert op is not None
    return op


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda x: lax.transpose(x, (1, 0)), (X,)),
        (lambda x: lax.reshape(x, (3, 2)), (X,)),
        (lambda x: lax.neg(x), (X,)),
        (lambda x, y: lax.add(x, y), (X, X)),
        (lambda x, y: lax.mul(x, y), (X, X[::-1])),
        (lambda x, y: lax.rem(x, y), (N, abs(N[::-1]) | 1)),
        (lambda x: lax.convert_element_type(x, jnp.bfloat16), (X,)),
        (lambda x, y: lax.lt(x, y), (X, X)),
    ],
)
def test_bits_are_those_of_the_device(function: Any, arguments: tuple[Any, ...]) -> None:
    op = op_of(function, *arguments)
    runner = host_runner(op)
    assert runner is not None
    found = runner(arguments)
    assert found is not None
    for one, other in zip(found, op_function(op)(*arguments), strict=True):
        assert (one.dtype, one.shape, one.committed) == (other.dtype, other.shape, other.committed)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        if one.dtype == X.dtype:
            np.testing.assert_array_equal(np.signbit(one), np.signbit(other))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (jnp.exp, (X,)),
        (lambda x: jnp.cumsum(x), (X,)),
        (lambda x: lax.div(x, x[:1, :1]), (X,)),
        (lambda x: lax.neg(x), (jnp.ones(MAX_ELEMENTS),)),
        (lambda x: lax.neg(x), (1.0,)),
    ],
)
def test_the_rest_is_left_to_the_device(function: Any, arguments: tuple[Any, ...]) -> None:
    ops = import_jaxpr(jax.make_jaxpr(function)(*arguments)).body
    assert any(host_runner(op) is None for op in ops if not op.is_terminator)


@pytest.mark.parametrize("odd", [jnp.nan, 3e-39])
def test_bits_that_the_device_decides_are_left_to_it(odd: float) -> None:
    x = X.at[0, 0].set(odd)
    runner = host_runner(op_of(lambda x, y: lax.add(x, y), x, x))
    assert runner is not None
    assert runner([x, x]) is None


def test_arrays_that_were_put_somewhere_stay_there() -> None:
    runner = host_runner(op_of(lax.neg, X))
    assert runner is not None
    assert runner([jax.device_put(X, jax.devices()[1])]) is None
    assert jax.make_jaxpr(lambda x: runner([x]) or x)(X).eqns == []


def test_arrays_are_made_as_asarray_makes_them() -> None:
    for value in (3, 2.5, True, np.float64(1.0), np.arange(3), np.zeros((0, 2), np.int8)):
        one, other = device_array(value), jnp.asarray(np.asarray(value))
        assert (one.dtype, one.shape, one.committed) == (other.dtype, other.shape, other.committed)
