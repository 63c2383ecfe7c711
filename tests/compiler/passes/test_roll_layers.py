"""Layers made into loops: what is rolled, what is left, and that values do not change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.walk import walk
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.definition import lookup
from compiler.passes.configure import rolling
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from compiler.passes.roll_layers import compile_milliseconds

ROLLED = "inline,cse,dce,roll-layers{min_ops=3},dce"
KEY = jax.random.key(0)
X = jax.random.normal(KEY, (4, 8))
WEIGHTS = list(jax.random.normal(KEY, (5, 8, 8)) / 3)


def network(x: Any, weights: list[Any]) -> Any:
    for w in weights:
        x = x + jnp.tanh(x @ w) * 0.5
    return x


def every_layer(x: Any, weights: list[Any]) -> Any:
    """Each layer's own result is wanted."""
    found = []
    for w in weights:
        x = jnp.tanh(jnp.sin(x) @ w)
        found.append(x)
    return found


def last_inside(x: Any, weights: list[Any]) -> Any:
    """Something is read of the last layer that no layer reads of another."""
    inner = x
    for w in weights:
        inner = jnp.sin(x) @ w
        x = x + jnp.tanh(inner)
    return x, inner


def masked(x: Any, weights: list[Any]) -> Any:
    """All layers share an array that depends on nothing, and one that is given."""
    scale = jnp.exp(x[0])
    for w in weights:
        mask = jnp.tril(jnp.ones((8, 8)))
        x = jnp.where(mask[:4] > 0, x @ w, 0.0) * scale
    return x


def numbered(x: Any, weights: list[Any]) -> Any:
    """A number of its own in each layer."""
    for depth, w in enumerate(weights):
        x = jnp.tanh(x @ w) * (0.5 + depth) + jnp.sin(x)
    return x


def dropping(x: Any, weights: list[Any]) -> Any:
    """A random key of its own in each layer."""
    for key, w in zip(jax.random.split(KEY, len(weights)), weights, strict=True):
        keep = jax.random.bernoulli(key, 0.5, x.shape)
        x = jnp.where(keep, jnp.tanh(x @ w), 0.0) + x
    return x


def stacked_already(x: Any, weights: list[Any]) -> Any:
    """Each layer takes its part of one array that is given."""
    whole = weights[0]
    for depth in range(8):
        x = jnp.tanh(x @ whole[:, depth : depth + 1]) + jnp.sin(x)
    return x


def keys_by_number(x: Any, weights: list[Any]) -> Any:
    for depth, w in enumerate(weights):
        x = jnp.tanh(x @ w) + jax.random.normal(jax.random.fold_in(KEY, depth), x.shape)
    return x


def two_carries(x: Any, weights: list[Any]) -> Any:
    """What two layers hand on to each other, one of them in another type."""
    count = jnp.int32(0)
    for w in weights:
        x = jnp.tanh(x @ w) + count.astype(x.dtype)
        count = count * 2 + jnp.sum(x > 0, dtype=jnp.int32)
    return x, count


def with_loops(x: Any, weights: list[Any]) -> Any:
    """Layers that are loops themselves."""
    for w in weights:
        x = lax.fori_loop(0, 3, lambda _, y, w=w: jnp.tanh(y @ w), x) + jnp.sin(x) * jnp.cos(x)
    return x


def shifted(x: Any, weights: list[Any]) -> Any:
    """The first layer lacks what the others begin with."""
    x = x @ weights[0]
    for w in weights[1:]:
        x = jnp.tanh(jnp.sin(x) * x) @ w
    return x


def inside_a_loop(x: Any, weights: list[Any]) -> Any:
    """The layers stand in the body of a scan."""
    return lax.scan(lambda c, _: (network(c, weights), None), x, None, length=2)[0]


def layers_of_layers(x: Any, weights: list[Any]) -> Any:
    """Each layer is made of equal parts itself, which begin before it does."""
    y = jnp.tanh(jnp.sin(x) * jnp.cos(x))
    for w in weights:
        for _ in range(4):
            y = jnp.tanh(jnp.sin(y) * jnp.cos(y))
        y = y @ w + x
    return y


def there_back_and_there(x: Any, weights: list[Any]) -> Any:
    """What only the way back reads at first is read forwards again."""
    scales, kept = [jnp.exp(w[0]) for w in weights], []
    for w in weights:
        x = jnp.tanh(x @ w)
        kept.append(jnp.sin(x))
    for old, scale in zip(kept[::-1], scales[::-1], strict=True):
        x = jnp.cos(x * old) + jnp.sin(scale) * old
    for scale in scales:
        x = jnp.sin(x * 2.0 + scale) - jnp.exp(-x)
    return x


def gradient(x: Any, weights: list[Any]) -> Any:
    return jax.value_and_grad(lambda w: network(x, w).sum())(weights)


def second_gradient(x: Any, weights: list[Any]) -> Any:
    return jax.grad(lambda x: jax.grad(lambda x: network(x, weights).sum())(x).sum())(x)


PROGRAMS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        network,
        every_layer,
        last_inside,
        masked,
        numbered,
        dropping,
        keys_by_number,
        stacked_already,
        two_carries,
        with_loops,
        shifted,
        inside_a_loop,
        layers_of_layers,
        there_back_and_there,
        gradient,
        second_gradient,
    )
}


def computing(graph: tg.Graph) -> int:
    """How many operations do more than move elements."""
    return sum(lookup(op.name).family not in ("shape", "structural") for op in walk(graph))


def names(graph: tg.Graph) -> list[str]:
    return [op.name for op in graph.body]


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_are_the_same(name: str) -> None:
    function = PROGRAMS[name]
    f = tg.function(function, passes=ROLLED)
    plain = tg.function(function, passes="inline,cse,dce").graph(X, WEIGHTS)
    assert computing(f.graph(X, WEIGHTS)) < computing(plain)
    found, expected = f(X, WEIGHTS), jax.jit(function)(X, WEIGHTS)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (one.dtype, one.weak_type) == (other.dtype, other.weak_type)
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_left_to_roll(name: str) -> None:
    graph = tg.function(PROGRAMS[name], passes=ROLLED).graph(X, WEIGHTS)
    again = tg.function(PROGRAMS[name], passes=f"{ROLLED},roll-layers{{min_ops=3}}")
    assert names(again.graph(X, WEIGHTS)) == names(graph)


def test_the_way_back_runs_over_what_the_way_there_stacked() -> None:
    """Nothing is taken apart into layers and put together again between the two loops."""
    graph = tg.function(gradient, passes=ROLLED).graph(X, WEIGHTS)
    there, back = (op for op in graph.body if op.name == "scan")
    assert back.attributes["reverse"] is True
    assert there.attributes["reverse"] is False
    cut = [value.producer for value in back.operands if value.producer is not None]
    assert [op.operands[0].producer for op in cut if op.name == "slice"].count(there) >= 2
    assert names(graph).count("concatenate") == 1  # the weights


def test_the_largest_loop_is_the_outer_one() -> None:
    graph = tg.function(layers_of_layers, passes=ROLLED).graph(X, WEIGHTS)
    (outer,) = (op for op in graph.body if op.name == "scan")
    assert outer.attributes["length"] == len(WEIGHTS)
    (inner,) = (op for op in outer.regions[0] if op.name == "scan")
    assert inner.attributes["length"] == 4


def test_special_values_go_through() -> None:
    x = X.at[0, :4].set(jnp.array([jnp.nan, jnp.inf, -jnp.inf, -0.0]))
    found, expected = (f(x, WEIGHTS) for f in (tg.function(network, passes=ROLLED), network))
    np.testing.assert_array_equal(jnp.isnan(found), jnp.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_effects_are_left() -> None:
    def printing(x: Any, weights: list[Any]) -> Any:
        for w in weights:
            x = jnp.tanh(jnp.sin(x) @ w)
            jax.debug.print("{}", x[0, 0])
        return x

    assert "scan" not in names(tg.function(printing, passes=ROLLED).graph(X, WEIGHTS))


def test_symbolic_sizes_are_left() -> None:
    (rows,) = jax.export.symbolic_shape("rows")
    traced = jax.jit(network).trace(jax.ShapeDtypeStruct((rows, 8), X.dtype), WEIGHTS)
    graph = import_jaxpr(traced.jaxpr)
    assert "scan" not in names(PassManager(parse_pipeline(ROLLED)).run(graph).graph)


def test_layers_of_other_sizes_are_left() -> None:
    sizes = [8, 7, 6, 5, 4, 3]
    weights = [jnp.ones(pair) for pair in pairwise(sizes)]

    def narrowing(x: Any, weights: list[Any]) -> Any:
        for w in weights:
            x = jnp.tanh(jnp.sin(x) @ w)
        return x

    assert "scan" not in names(tg.function(narrowing, passes=ROLLED).graph(X, weights))


@pytest.mark.parametrize(
    "options", ["min_ops=0", "min_ops=1,min_repeats=0", "min_ops=0,min_repeats=1"]
)
def test_it_comes_to_an_end_whatever_its_options(options: str) -> None:
    f = tg.function(gradient, passes=f"inline,cse,dce,roll-layers{{{options}}},dce")
    found, expected = f(X, WEIGHTS), gradient(X, WEIGHTS)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-5)


def test_the_place_in_a_pipeline() -> None:
    text = str(rolling(parse_pipeline(DEFAULT_PIPELINE)))
    assert text == DEFAULT_PIPELINE.replace("inline,cse,dce,", "inline,cse,dce,roll-layers,", 1)
    assert str(rolling(parse_pipeline(text))) == text
    assert str(rolling(parse_pipeline("rewrite"), over_ms=7)) == "roll-layers{over_ms=7},rewrite"


def test_only_where_compiling_would_take_long() -> None:
    plain = tg.function(network, passes="inline,cse,dce").graph(X, WEIGHTS)
    most = int(compile_milliseconds(plain))
    for limit, is_rolled in ((most + 1, False), (most - 1, True)):
        passes = f"inline,cse,dce,roll-layers{{min_ops=3,over_ms={limit}}}"
        graph = tg.function(network, passes=passes).graph(X, WEIGHTS)
        assert ("scan" in names(graph)) == is_rolled
