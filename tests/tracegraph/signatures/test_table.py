"""The table of what is compiled."""

from __future__ import annotations

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np

import tracegraph as tg
from tests.tracegraph.signatures.programs import WIDTH, mlp


def test_nothing_yet():
    step = tg.function(mlp)
    assert len(step.signatures()) == 0
    assert str(step.signatures()) == "nothing is compiled"


def test_a_row_per_form_of_call():
    @tg.function(static_argnames=("mode",))
    def step(params, x, *rest, mode="train", **named):
        y = (x @ params["w"]) * 1.0 + 0.0
        return y if mode == "train" else y * 2

    params = {"w": jnp.ones((WIDTH, 2)), "more": (jnp.ones(1), [jnp.ones(2)])}
    x = np.ones((3, WIDTH), np.float32)
    step(params, x, mode="test")
    step(params, x, mode="test")
    step(params, x[:2], 1.0, extra=np.int32(3))
    first, second = step.signatures()
    assert first.arguments == (
        "params['more'][0]: f32[1]",
        "params['more'][1][0]: f32[2]",
        "params['w']: f32[6,2]",
        "x: f32[3,6]",
    )
    assert first.static == ("mode = 'test'",)
    assert first.bucket == ""
    assert first.ops_before >= first.ops_after > 0
    assert first.milliseconds > 0
    assert second.arguments[3:] == ("x: f32[2,6]", "rest[0]: ~f32[]", "extra: i32[]")
    assert second.static == ()


def test_the_text():
    @tg.function(static_nonarrays=True)
    def step(x, mode):
        return x if mode == "a" else x * 2

    step(jnp.ones(3), "b")
    text = str(step.signatures())
    heading, row = text.splitlines()
    assert heading.split() == ["arguments", "static", "bucket", "ops", "before", "after", "ms"]
    assert row.startswith("x: f32[3]  mode = 'b'  -")
    assert repr(step.signatures()) == text
    many = tg.function(lambda tree: jax.tree.map(jnp.sin, tree))
    many([jnp.ones(1)] * 9)
    assert "tree[2]: f32[1], and 6 more" in str(many.signatures())


def test_long_static_values_are_cut_and_functions_named():
    step = tg.function(lambda x, f, text: f(x), static_argnums=(1, 2))
    step(jnp.ones(3), jnp.sin, "long" * 100)
    (row,) = step.signatures()
    assert row.static[0].startswith("f = ")
    assert "sin" in row.static[0]
    assert len(row.static[1]) < 80


@jax.tree_util.register_pytree_node_class
class Strict:
    """A class that holds arrays and nothing else."""

    def __init__(self, value):
        if not isinstance(value, jax.Array):
            raise TypeError(f"not an array: {value!r}")
        self.value = value

    def tree_flatten(self):
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def test_a_class_that_holds_arrays_alone_has_a_row():
    step = tg.function(lambda s, mode: Strict(s["a"].value + 1), static_nonarrays=True)
    step({"a": Strict(jnp.ones(4))}, "train")
    (row,) = step.signatures()
    assert row.arguments == ("s['a'][<flat index 0>]: f32[4]",)
    assert row.static == ("mode = 'train'",)


def test_a_row_keeps_no_array_alive():
    step = tg.function(lambda x: x["a"] + 1)
    x = np.ones(3, np.float32)
    watched = weakref.ref(x)
    step({"a": x})
    del x
    gc.collect()
    assert watched() is None
    assert step.signatures()[0].arguments == ("x['a']: f32[3]",)


def test_it_is_a_sequence():
    step = tg.function(jnp.sin)
    for size in (1, 2, 3):
        step(jnp.ones(size))
    found = step.signatures()
    assert len(found) == 3
    assert list(found) == [found[0], found[1], found[-1]]
    assert len(found[1:]) == 2


def test_it_forgets_what_jit_forgets():
    step = tg.function(mlp)
    step(np.ones((2, WIDTH), np.float32))
    assert len(step.signatures()) == 1
    step.clear_cache()
    gc.collect()
    assert len(step.signatures()) == 0


def test_calls_under_transformations_are_not_rows():
    step = tg.function(mlp)
    jax.grad(lambda x: step(x).sum())(np.ones((2, WIDTH), np.float32))
    assert len(step.signatures()) == 0


def test_closed_over_tracers():
    @jax.jit
    def outer(x, y):
        inner = tg.function(lambda z: z * y)
        result = inner(x)
        assert len(inner.signatures()) == 0
        return result

    np.testing.assert_array_equal(outer(jnp.ones(2), 3.0), [3.0, 3.0])
