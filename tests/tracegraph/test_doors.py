"""What a user may ask of a decorated function beside calling it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg

X = np.arange(3, dtype=np.float32)
DOORS = ("graph", "trace", "eval_shape", "verify", "explain", "report")


def scaled(self, x):
    return x * self


def with_ours(step, x):
    return x + step


@pytest.mark.parametrize("door", DOORS)
def test_an_argument_may_be_called_self(door):
    step = tg.function(scaled)
    assert str(getattr(step, door)(self=X, x=X))


@pytest.mark.parametrize("door", ["lower", "cost", "kernels"])
def test_a_static_argument_may_be_called_self(door):
    step = tg.function(scaled, static_argnames="self")
    assert str(getattr(step, door)(self=2.0, x=X))


@pytest.mark.parametrize(
    "options", [{}, {"static_nonarrays": True}, {"input_signature": {"x": tg.Spec(("n",))}}]
)
def test_a_call_may_name_its_self(options):
    step = tg.function(scaled, **options)
    np.testing.assert_array_equal(step(self=2.0, x=X), X * 2)


def test_a_method_of_an_object_may_be_called_by_names_alone():
    class Layer(nnx.Module):
        def __init__(self):
            self.w = nnx.Param(jnp.full(3, 2.0))

        @tg.function
        def step(self, x):
            return self.w[...] * x

    np.testing.assert_array_equal(Layer.step(self=Layer(), x=X), X * 2)


@pytest.mark.parametrize("ask", [tg.debug.constants, tg.debug.check_leaks, tg.debug.both_branches])
@pytest.mark.parametrize("decorate", [tg.function, jax.jit])
def test_an_argument_may_have_the_name_of_ours(ask, decorate):
    assert not ask(decorate(with_ours), x=X, step=3)
