"""Stencils of rolled arrays: bit for bit what plain jit makes of them, and where they are used."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.rolls import rolls
from compiler.lowering.rule_cases import PREPARE, apply, function_of, graph_of
from compiler.passes.manager import PassManager

NAME = "rolls-of-continued"
EDGES = [0.0, -0.0, jnp.nan, jnp.inf, -jnp.inf, 1.0, -3.5]


def field(*shape, dtype=jnp.float32):
    x = jax.random.normal(jax.random.key(0), shape)
    places = jax.random.randint(jax.random.key(1), shape, 0, 3 * len(EDGES))
    return jnp.where(places < len(EDGES), jnp.array(EDGES)[places % len(EDGES)], x).astype(dtype)


def bits(x):
    return np.asarray(x).view(np.uint8)


def fired(function, *arguments):
    return NAME in [firing.rule for firing in tg.function(function).trace(*arguments).rewrites]


def both(function, *arguments):
    """What plain jit and the kernel make of it, whether or not it pays."""
    captured = PassManager(PREPARE).run(graph_of(function, arguments)).graph
    outcome = apply(KERNELS[NAME].rule(always=True), captured)
    assert outcome.log.firings
    found = jax.jit(function_of(outcome.graph))(*arguments)
    return jax.jit(function)(*arguments), found[0]


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 0)])
def test_every_shift_by_itself(axes):
    x = field(5, 7)
    for shift in itertools.product((-3, 0, 1, 8), repeat=len(axes)):
        whole = [dict(zip(axes, shift, strict=True)).get(axis, 0) for axis in range(2)]
        near = [(s + n // 2) % n - n // 2 for s, n in zip(whole, x.shape, strict=True)]
        (found,) = rolls(x, [near])
        np.testing.assert_array_equal(bits(found), bits(jnp.roll(x, shift, axes)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.int8])
@pytest.mark.parametrize("shape", [(6, 9), (1, 5), (2, 2), (3, 4, 8), (11,)])
def test_selections_keep_every_bit(shape, dtype):
    def extreme(x):
        last = x.ndim - 1
        first = jnp.where(x > 0, jnp.roll(x, 1, last), jnp.roll(x, -2, last))
        return jnp.where(x < 0, jnp.roll(first, 1, 0), first)

    expected, found = both(extreme, field(*shape).astype(dtype))
    np.testing.assert_array_equal(bits(expected), bits(found))


def heat(x):
    sides = sum(jnp.roll(x, shift, axis) for shift in (1, -1) for axis in range(x.ndim))
    return x + 0.1 * (sides - 4.0 * x)


def test_several_arrays_and_numbers_beside_them():
    def step(x, y, dt):
        flux = (jnp.roll(x, -1, 1) - jnp.roll(x, 1, 1)) * jnp.roll(y, (1, 1), (0, 1))
        return x - dt * flux * jnp.exp(y)

    x, y = (jax.random.normal(jax.random.key(i), (12, 20)) for i in range(2))
    np.testing.assert_allclose(*both(step, x, y, 0.1), rtol=1e-6)


def test_a_loop_of_steps_and_its_gradient():
    def run(x):
        return lax.scan(lambda x, _: (heat(x), None), x, None, length=3)[0].sum()

    x = jax.random.normal(jax.random.key(0), (128, 128))
    assert fired(run, x)
    assert fired(jax.vmap(run), x[None])
    for wrap, given in ((lambda f: f, x), (jax.grad, x), (jax.vmap, x[None])):
        found, expected = tg.function(wrap(run))(given), jax.jit(wrap(run))(given)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_chain_is_taken_whole_where_an_op_within_has_a_kernel_of_its_own():
    def step(x):
        return x + 2.0 * jnp.sin(jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1) - 2.0 * x)

    graph = tg.function(step).graph(jnp.ones((128, 128)))
    assert [op.name for op in graph.body] == ["platform_index", "cond", "return"]


def test_what_others_read_too_is_computed_for_them():
    def step(x):
        shifted = jnp.roll(x, 1, 1)
        return shifted - x, shifted.sum(0)

    x = jax.random.normal(jax.random.key(0), (128, 128))
    assert fired(step, x)
    for found, expected in zip(tg.function(step)(x), jax.jit(step)(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (heat, (64, 64)),
        (heat, (4096, 32)),
        (lambda x: x - jnp.roll(x, 1, 0), (512, 512)),
        (lambda x: x - jnp.roll(x, 256, 1), (512, 512)),
        (lambda x: jnp.roll(x, 7, 1) * 2.0, (1024, 1024)),
        (lambda x: x + jnp.hstack([x[:, :1], x[:, :-1]]), (256, 256)),
    ],
)
def test_what_would_not_pay_or_is_no_roll_is_left_alone(function, shape):
    assert not fired(function, jnp.ones(shape))


def test_short_numbers_are_rolled_as_before():
    def sides(x):
        return jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1) - 2 * x

    x = jnp.ones((512, 512), jnp.bfloat16)
    fired = {one.rule for one in tg.function(sides).trace(x).rewrites}
    wide = {one.rule for one in tg.function(sides).trace(x.astype(jnp.float32)).rewrites}
    assert ("rolls-of-continued" in fired, "rolls-of-continued" in wide) == (False, True)
