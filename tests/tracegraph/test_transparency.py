"""Under somebody else's transformation only rewrites that it sees through are made."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tracegraph.rules import Numerics, Rule, example, op, var

x = var("x")
opaque = Rule(
    name="cosine-of-negative",
    law="cos(-x) = cos(x)",
    pattern=op.cos(op.neg(x)),
    replace=lambda m: op.cos(m.x),
    examples=(example(lambda a: jnp.cos(-a), "f32[n]"),),
)
transparent = replace(opaque, transparent=True)
loose = replace(transparent, numerics=Numerics.FINITE)
X = jnp.array([0.5, 1.0, 2.0])


def program(a):
    return jnp.sum(jnp.cos(-a))


TRANSFORMS = {
    "jit": lambda f: jax.jit(f),
    "grad": lambda f: jax.grad(f),
    "value_and_grad": lambda f: jax.value_and_grad(f),
    "vmap": lambda f: lambda a: jax.vmap(f)(a[None]),
    "jacfwd": lambda f: jax.jacfwd(f),
    "linearize": lambda f: lambda a: jax.linearize(f, a)[0],
    "checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
    "scan": lambda f: lambda a: jax.lax.scan(lambda c, b: (c + f(b), c), 0.0, a[None])[0],
    "hessian": lambda f: jax.hessian(f),
}


def negations(f) -> int:
    """How often the function negates its argument, seen from outside."""
    text = str(jax.make_jaxpr(f)(X))
    return text.count(" neg ")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transparent_rule_fires_under_a_transformation(name):
    transform = TRANSFORMS[name]
    plain = jax.jit(program)
    rewritten = tg.function(program, rules=[transparent])
    assert negations(transform(rewritten)) < negations(transform(plain))
    expected, found = transform(plain)(X), transform(rewritten)(X)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), expected, found)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("rule", [opaque, loose], ids=["opaque", "above the level"])
def test_no_other_rule_does(name, rule):
    transform = TRANSFORMS[name]
    plain, ours = jax.jit(program), tg.function(program, rules=[rule])
    found = str(jax.make_jaxpr(transform(ours))(X))
    assert found == str(jax.make_jaxpr(transform(plain))(X))


@pytest.mark.parametrize("rule", [opaque, transparent])
def test_inside_another_function_of_ours_the_inner_one_is_captured_as_it_is(rule):
    inner = tg.function(program, rules=[rule])

    @tg.function
    def outer(a):
        return inner(a) * 2

    trace = outer.trace(X)
    assert "neg" in str(trace.captured)
    assert "neg" in str(trace.optimized)  # the outer function has not been given the rule


def test_a_derivative_taken_inside_is_open_to_every_rule():
    anywhere = replace(opaque, pattern=op.cos(op.neg(x).shared()), normal_form="positive")

    @tg.function(rules=[anywhere])
    def outer(a):
        return jax.value_and_grad(program)(a)

    assert "cosine-of-negative" in [firing.rule for firing in outer.trace(X).rewrites]


def test_a_function_with_a_derivative_rule_of_its_own_keeps_it():
    @jax.custom_jvp
    def twice(a):
        return jnp.cos(-a)

    twice.defjvp(lambda p, t: (twice(*p), 7.0 * t[0]))
    f = tg.function(lambda a: jnp.sum(twice(a)), rules=[transparent])
    np.testing.assert_array_equal(jax.grad(f)(X), 7.0)


def test_the_users_python_still_runs_once():
    calls = []

    def counted(a):
        calls.append(1)
        return program(a)

    f = tg.function(counted, rules=[transparent])
    f(X)
    jax.grad(f)(X)
    jax.vmap(f)(X[None])
    jax.jit(f)(X)
    assert len(calls) == 1


def test_values_of_an_outer_trace_may_be_closed_over():
    def outer(a):
        @tg.function(rules=[transparent])
        def inner(b):
            return jnp.sum(jnp.cos(-b) * a)

        return inner(a)

    expected = jax.grad(lambda a: jnp.sum(jnp.cos(-a) * a))(X)
    np.testing.assert_allclose(jax.grad(outer)(X), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(outer))(X), expected, rtol=1e-6)
