"""Leaves that are no arrays belong to the signature where that is asked for."""

from __future__ import annotations

import dataclasses
import enum
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tracegraph.signatures.static_leaves import StaticLeaf


class Mode(enum.Enum):
    TRAIN = 1
    TEST = 2


@dataclasses.dataclass(frozen=True)
class Config:
    width: int
    name: str = "relu"


@dataclasses.dataclass
class Layer:
    weights: jax.Array
    activation: str


jax.tree_util.register_dataclass(Layer, ["weights"], ["activation"])


def traced(fun, **options):
    """The decorated function, and a list of the static values that its traces saw."""
    seen = []

    @tg.function(static_nonarrays=True, **options)
    def step(*args, **kwargs):
        found = jax.tree.leaves((args, kwargs))
        seen.append([leaf for leaf in found if not isinstance(leaf, jax.Array)])
        return fun(*args, **kwargs)

    return step, seen


X = jnp.arange(3.0)


def test_strings_enums_functions_and_configs():
    def fun(x, mode, activation, config):
        scaled = x * config.width if mode is Mode.TRAIN else x
        return getattr(jnp, activation)(scaled)

    step, seen = traced(fun)
    for _ in range(2):
        np.testing.assert_allclose(step(X, Mode.TRAIN, "sin", Config(2)), jnp.sin(X * 2), 1e-6)
        np.testing.assert_allclose(step(X, Mode.TEST, "cos", Config(2)), jnp.cos(X), 1e-6)
    assert seen == [[Mode.TRAIN, "sin", Config(2)], [Mode.TEST, "cos", Config(2)]]


def test_leaves_within_trees_and_keywords():
    def fun(tree, *, how):
        return {"y": tree["a"][0] * tree["a"][1], "kept": tree["b"]} if how == "mul" else tree["b"]

    step, seen = traced(fun)
    tree = {"a": (X, 3), "b": [X + 1, None]}
    found = step(tree, how="mul")
    np.testing.assert_array_equal(found["y"], X * 3)
    assert found["kept"][1] is None
    np.testing.assert_array_equal(step(tree, how="other")[0], X + 1)
    assert seen == [[3, "mul"], [3, "other"]]


@pytest.mark.filterwarnings("ignore:.*traced again:UserWarning")
def test_numbers_are_told_apart_as_python_does_not():
    step, seen = traced(lambda x, n: x * n)
    results = [step(jnp.ones(2, jnp.int32), n) for n in (1, 1.0, True, 1, 1.0, 0.0, -0.0)]
    assert [r.dtype.name for r in results[:3]] == ["int32", "float32", "int32"]
    assert np.signbit(results[-1]).all()
    assert not np.signbit(results[-2]).any()
    nan = float("nan")
    step(jnp.ones(2), nan)
    step(jnp.ones(2), float("nan"))
    assert len(seen) == 6
    assert StaticLeaf(1) != StaticLeaf(1.0)
    assert StaticLeaf(nan) == StaticLeaf(float("nan"))
    assert StaticLeaf(1) != 1


def test_python_may_decide_by_them():
    step, seen = traced(lambda x, n, flag: sum(x * i for i in range(n)) if flag else x)
    np.testing.assert_array_equal(step(X, 3, True), X * 3)
    np.testing.assert_array_equal(step(X, 3, False), X)
    assert len(seen) == 2


def test_arrays_of_all_kinds_stay_data():
    step, seen = traced(lambda *args: [jnp.asarray(a) for a in args])
    step(X, np.ones(2), np.float32(3), jnp.int32(2), jax.random.key(0), np.bool_(True))
    assert seen == [[]]


def test_options_by_position_keep_their_meaning():
    def fun(x, mode, buffer, size):
        return x + buffer[:size] if mode == "add" else x

    step, _ = traced(fun, donate_argnums=2, static_argnums=3)
    buffer = jnp.ones(3)
    np.testing.assert_array_equal(step(X, "add", buffer, 3), X + 1)
    assert buffer.is_deleted()
    assert step.lower(X, "add", X, 3).args_info[0][2].donated


def test_without_the_option_they_are_refused_as_by_jit():
    plain = tg.function(lambda x, mode: x)
    with pytest.raises(TypeError, match="static_argnums"):
        plain(X, "train")


def test_what_cannot_be_hashed_is_refused():
    step, _ = traced(lambda x, tree: x)

    class Unhashable:
        __hash__ = None

    with pytest.raises(tg.TracegraphError) as caught:
        step(X, {"a": [Unhashable()]})
    error = caught.value
    assert error.what == "the argument args[1]['a'][0] of step is neither an array nor hashable"
    assert error.where.endswith("test_what_cannot_be_hashed_is_refused)")
    assert error.found == "a Unhashable"
    assert "register_dataclass" in error.hint


def test_a_registered_class_holds_arrays_and_a_static_key():
    runs = []

    @tg.function(static_nonarrays=True)
    def apply(layer, x):
        runs.append(layer.activation)
        return getattr(jnp, layer.activation)(x @ layer.weights)

    weights = jnp.ones((3, 2))
    for activation in ("sin", "tanh", "sin"):
        found = apply(Layer(weights, activation), X)
        np.testing.assert_allclose(found, getattr(jnp, activation)(X @ weights), 1e-6)
    assert runs == ["sin", "tanh"]


def test_transformations_outside():
    step, _ = traced(lambda x, mode: jnp.sum(x**2) if mode == "square" else jnp.sum(x))
    np.testing.assert_array_equal(jax.grad(step)(X, "square"), 2 * X)
    np.testing.assert_array_equal(jax.grad(step)(X, "plain"), jnp.ones(3))
    np.testing.assert_array_equal(jax.vmap(lambda r: step(r, "plain"))(X[None]), [3.0])
    np.testing.assert_array_equal(jax.jit(lambda x: step(x, "square"))(X), 5.0)
    outer = tg.function(lambda x: step(x, "square") + 1)
    np.testing.assert_array_equal(outer(X), 6.0)


def test_every_door():
    step, seen = traced(lambda x, mode: x * 2 if mode == "a" else x)
    assert step.eval_shape(X, "a").shape == (3,)
    assert "mul" in str(step.graph(X, "a"))
    assert "mul" not in str(step.graph(X, "b"))
    assert step.lower(X, "a").compile().cost_analysis() is not None
    assert step.verify(X, "a").ok
    assert "step" in str(step.explain(X, "a"))
    assert seen == [["a"], ["b"]]


def test_with_a_signature_and_buckets():
    step, seen = traced(
        lambda x, mode: x * 2 if mode == "a" else x + 1,
        input_signature=[tg.Spec(("n", 2), "float32"), None],
        buckets={"n": (4,)},
    )
    for size in (1, 3, 4):
        x = np.ones((size, 2), np.float32)
        np.testing.assert_array_equal(step(x, "a"), x * 2)
        np.testing.assert_array_equal(step(x, mode="b"), x + 1)
    assert sorted(map(tuple, seen)) == [("a",), ("b",)]


def test_texts_of_numpys_are_no_arrays():
    step, seen = traced(lambda x, mode: x * len(mode))
    for mode in (np.str_("ab"), np.str_("abc")):
        np.testing.assert_array_equal(step(X, mode), X * len(mode))
    assert len(seen) == 2


@pytest.mark.parametrize(
    "leaf", [np.array(["a", "b"]), np.array([None]), np.array(["2026-01-01"], "M8[D]")]
)
def test_arrays_that_jax_has_no_type_for_are_no_data(leaf):
    step, _ = traced(lambda x, mode: x)
    with pytest.raises(tg.TracegraphError, match="is neither an array nor hashable"):
        step(X, leaf)


@pytest.mark.parametrize(
    "leaf", [jnp.ones(2, jnp.bfloat16), np.ones(2, jnp.bfloat16), jax.random.key(0), np.True_]
)
def test_what_jax_has_a_type_for_is_data(leaf):
    step, seen = traced(lambda x, mode: mode)
    step(X, leaf)
    assert [len(static) for static in seen] == [0]


def test_without_jit():
    step, _ = traced(lambda x, mode: x * 2 if mode == "a" else x)
    with jax.disable_jit():
        np.testing.assert_array_equal(step(X, "a"), X * 2)


def test_a_hit_does_not_retrace_and_static_leaves_pickle():
    step, seen = traced(lambda x, mode: x)
    for _ in range(5):
        step(X, mode="a")
    assert len(seen) == 1
    assert pickle.loads(pickle.dumps(StaticLeaf("a"))) == StaticLeaf("a")
