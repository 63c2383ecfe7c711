"""Attention divided after its product, against XLA: masks, nans, infinities, who is left alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import tracegraph as tg
from tests.compiler.lowering.kernels.forced import both

NAME = "softmax-divided-after"


def attention(q, k, v, mask=None):
    scores = jnp.einsum("bshd,bthd->bhst", q, k) / q.shape[-1] ** 0.5
    scores = scores if mask is None else jnp.where(mask, scores, -jnp.inf)
    return jnp.einsum("bhst,bthd->bshd", jax.nn.softmax(scores, -1), v)


def heads(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [np.float32(scale * rng.normal(size=(2, 6, 3, 4))) for _ in range(3)]


@pytest.mark.parametrize("scale", [1e-3, 1, 30])
def test_rows_are_weighted_means(scale):
    expected, found = both(NAME, attention, *heads(0, scale))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * scale)


def test_rows_without_any_place_to_look_at_are_nan_as_before():
    mask = np.ones((2, 3, 6, 6), bool)
    mask[0, 1, 2] = False
    expected, found = both(NAME, lambda q, k, v: attention(q, k, v, mask), *heads(1))
    assert np.isnan(expected[0, 2, 1]).all()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0])
@pytest.mark.parametrize("where", range(3), ids=["query", "key", "value"])
def test_what_is_no_number_stays_where_it_was(value, where):
    arguments = heads(2)
    arguments[where][0, 3, 1, 2] = value
    expected, found = both(NAME, attention, *arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["bhst,bthd->bshd", "bhst,bthd->bdhs", "bhst,bthd->dhsb"])
def test_any_order_of_the_result(order):
    def attend(q, k, v):
        weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k), -1)
        return jnp.einsum(order, weights, v)

    expected, found = both(NAME, attend, *heads(3))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def fired(function, *arguments):
    step = tg.function(function)
    step(*arguments)
    return NAME in {firing.rule for firing in step.trace(*arguments).rewrites}


def large():
    rng = np.random.default_rng(4)
    return [np.float32(rng.normal(size=(2, 128, 4, 32))) for _ in range(3)]


def test_libraries_write_it_so():
    q, k, v = large()
    assert fired(attention, q, k, v)
    assert fired(lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True), q, k, v)
    assert fired(linen.dot_product_attention, q, k, v)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}])
def test_rows_that_were_given_other_shapes_in_between(options):
    def attend(q, k, v):
        return jax.nn.dot_product_attention(q, k, v, **options)

    assert fired(attend, *large())
    found, expected = (wrap(attend)(*large()) for wrap in (tg.function, jax.jit))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_largest_of_other_rows_bounds_nothing():
    def attend(q, k, v):
        scores = jnp.einsum("bshd,bthd->bhst", q, k)
        folded = scores.reshape(*scores.shape[:-1], 2, -1)
        limit = folded.max(-1).reshape(*scores.shape[:-2], -1, 1)[..., : scores.shape[-2], :]
        weights = jnp.exp(scores - limit)
        return jnp.einsum("bhst,bthd->bshd", weights / weights.sum(-1, keepdims=True), v)

    assert not fired(attend, *large())


def _along_columns(x):
    return jax.lax.broadcast_in_dim(x.reshape(256, 256).max(-1), (256, 256), (1,))


@pytest.mark.parametrize(
    "limit",
    [lambda x: x.max(-1), lambda x: x[0].max(-1)[None], _along_columns],
)
def test_the_largest_of_another_row_bounds_nothing(limit):
    rng = np.random.default_rng(0)
    x = np.float32(60 * rng.normal(size=(1, 256, 256)))
    v = np.float32(1000 * rng.normal(size=(256, 64)))

    def attend(x, v):  # the maximum of row j is taken from column j
        weights = jnp.exp(x.reshape(256, 256) - limit(x))
        return (weights / weights.sum(-1, keepdims=True)) @ v

    assert not fired(attend, x, v)
    np.testing.assert_array_equal(np.isfinite(tg.function(attend)(x, v)), True)


def test_weights_that_the_gradient_needs_are_divided_as_before():
    q, k, v = large()
    gradient = jax.grad(lambda q, k, v: (attention(q, k, v) ** 2).sum())
    assert not fired(gradient, q, k, v)
    np.testing.assert_allclose(
        tg.function(gradient)(q, k, v), jax.jit(gradient)(q, k, v), rtol=2e-4, atol=2e-5
    )


def test_weights_that_are_returned_are_divided_as_before():
    def attend(q, k, v):
        weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k), -1)
        return jnp.einsum("bhst,bthd->bshd", weights, v), weights

    assert not fired(attend, *large())
    assert fired(lambda *arguments: attend(*arguments)[0], *large())


def test_exact_numerics_leaves_it_alone():
    q, k, v = large()
    step = tg.function(attention, numerics="exact")
    np.testing.assert_array_equal(step(q, k, v), jax.jit(attention)(q, k, v))
    assert NAME not in {firing.rule for firing in step.trace(q, k, v).rewrites}


@pytest.mark.parametrize(("batch", "used"), [(2, False), (64, True)])
def test_operands_change_places_for_many_results_only(batch, used):
    q, k, v = (np.ones((batch, 64, 4, 32), np.float32) for _ in range(3))

    def attend(q, k, v):
        return jnp.einsum("bhst,bthd->bshd", jax.nn.sigmoid(jnp.einsum("bshd,bthd->bhst", q, k)), v)

    rewrites = tg.function(attend).trace(q, k, v).rewrites
    assert ("dots-swapped" in {firing.rule for firing in rewrites}) is used


@pytest.mark.parametrize("value", [3e38, -3e38, 1e36, 1e-30])
def test_means_of_very_large_numbers_are_numbers(value):
    q, k, _ = heads(4)
    v = np.full_like(q, value)
    expected, found = both(NAME, attention, q, k, v)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
