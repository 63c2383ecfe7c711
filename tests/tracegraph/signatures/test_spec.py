"""Specs and signatures: what may be written, and what is said of what may not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import jax_compat


def test_what_a_spec_holds():
    spec = tg.Spec((None, 784, "n"), jnp.float32)
    assert spec.shape == (None, 784, "n")
    assert spec.dtypes == ("float32",)
    assert spec == tg.Spec([None, np.int64(784), "n"], "float32")
    assert hash(spec) == hash(tg.Spec((None, 784, "n"), np.float32))
    assert repr(spec) == "Spec((None, 784, 'n'), 'float32')"
    assert str(spec) == "float32[any, 784, n]"
    assert repr(tg.Spec((3,))) == "Spec((3,))"
    assert tg.Spec((), ("int32", "key")).dtypes == ("int32", "key")
    assert tg.Spec("n").shape == ("n",)
    assert tg.Spec(("16",)).shape == (16,)


@pytest.mark.parametrize("shape", [None, 2.5, object()])
def test_shapes_that_are_none(shape):
    with pytest.raises(tg.TracegraphError, match="a spec cannot have this size") as caught:
        tg.Spec(shape)
    assert caught.value.found == repr(shape)


@pytest.mark.parametrize("size", [-1, 2.0, True, "", [1], object])
def test_sizes_that_are_none(size):
    with pytest.raises(tg.TracegraphError, match="a spec cannot have this size"):
        tg.Spec((3, size))


@pytest.mark.parametrize("dtype", ["flaot32", 3, object()])
def test_element_types_that_are_none(dtype):
    with pytest.raises(tg.TracegraphError, match="a spec cannot have this element type"):
        tg.Spec((3,), dtype)


@pytest.mark.parametrize("size", ["2*", "n m", "n-n", "-", "1.5"])
def test_sizes_that_do_not_parse(size):
    with pytest.raises(tg.TracegraphError, match="has a size that cannot be read"):
        tg.function(lambda x: x, input_signature=[tg.Spec((size,))])


def test_sizes_that_nothing_says():
    ours = tg.function(lambda x: x, input_signature=[tg.Spec(("n*m",))])
    with pytest.raises(tg.TracegraphError, match="does not say what m and n are"):
        ours(np.ones(6))


@pytest.mark.parametrize("signature", [3, "annotation", tg.Spec((3,)), {1, 2}])
def test_no_signature(signature):
    with pytest.raises(tg.TracegraphError, match="this is no input signature"):
        tg.function(lambda x: x, input_signature=signature)


@pytest.mark.parametrize("entry", [3, "float32", {"w": (3,)}])
def test_entries_that_are_no_spec(entry):
    with pytest.raises(tg.TracegraphError, match=r"the input signature of x.* is no spec"):
        tg.function(lambda x: x, input_signature=[entry])


def test_more_entries_than_arguments():
    with pytest.raises(tg.TracegraphError, match="for arguments that it does not have"):
        tg.function(lambda x: x, input_signature=[tg.Spec((3,)), tg.Spec((3,))])
    with pytest.raises(tg.TracegraphError, match="found: z"):
        tg.function(lambda x: x, input_signature={"z": tg.Spec((3,))})


def test_more_arguments_than_entries():
    ours = tg.function(lambda x, *rest, **named: x, input_signature=[tg.Spec((3,))])
    ours(np.ones(3), np.ones(2), z=1.0)
    many = tg.function(lambda *rest, **named: rest, input_signature=[tg.Spec((3,)), tg.Spec((2,))])
    assert many(np.ones(3), np.ones(2))[1].shape == (2,)
    with pytest.raises(tg.TracegraphError, match=r"the argument rest\[1\] of <lambda>"):
        many(np.ones(3), np.ones(3))
    named = tg.function(lambda **named: named, input_signature={"z": tg.Spec((3,))})
    with pytest.raises(tg.TracegraphError, match="the argument z of <lambda>"):
        named(z=np.ones(2))


def test_a_misfit_names_the_path_and_the_call():
    @tg.function(input_signature=[[{"w": tg.Spec((None, 784), "float32")}, None]])
    def layer(x):
        return x[0]["w"]

    layer([{"w": np.ones((3, 784), np.float32)}, {"anything": (1.0, None)}])
    with pytest.raises(tg.TracegraphError) as caught:
        layer([{"w": np.ones((3, 100), np.float32)}, 1.0])  # the call
    error = caught.value
    assert error.what == "the argument x[0]['w'] of layer does not fit the input signature"
    assert error.where.endswith("(test_a_misfit_names_the_path_and_the_call)")
    assert "test_spec.py:" in error.where
    assert error.expected == "float32[any, 784]"
    assert error.found == "float32[3, 100]"
    assert error.hint == "axis 1 must have size 784; write None there if it may vary"


def test_other_misfits():
    ours = tg.function(lambda x: x, input_signature=[tg.Spec((None, 2), "float32")])
    with pytest.raises(tg.TracegraphError, match=r"found: int32\[3, 2\]\n  what to do: convert it"):
        ours(np.ones((3, 2), np.int32))
    with pytest.raises(tg.TracegraphError, match="pass an array with 2 dimensions"):
        ours(np.ones(2, np.float32))
    with pytest.raises(tg.TracegraphError, match="does not fit"):
        ours(1.0)


def test_one_spec_stands_for_a_whole_tree():
    @tg.function(input_signature=[{"a": tg.Spec((None,)), "b": tg.Spec((2,))}])
    def total(tree):
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree))

    assert total({"a": [np.ones(3), (np.ones(4), np.ones(1))], "b": np.ones(2)}) == 10
    with pytest.raises(tg.TracegraphError, match=r"the argument tree\['a'\]\[1\]\[0\] of total"):
        total({"a": [np.ones(3), (np.ones((4, 1)), np.ones(1))], "b": np.ones(2)})
    with pytest.raises(tg.TracegraphError, match="is not built as the input signature says"):
        total({"a": np.ones(3)})
    with pytest.raises(tg.TracegraphError, match="is not built as the input signature says"):
        total([np.ones(3), np.ones(2)])


def test_a_misfit_is_found_at_every_door():
    ours = tg.function(lambda x: x.sum(), input_signature=[tg.Spec((3,), "float32")])
    good, bad = np.ones(3, np.float32), np.ones(4, np.float32)
    assert ours(good) == 3
    doors = (ours, ours.graph, ours.trace, ours.lower, ours.eval_shape, jax.grad(ours))
    for door in (*doors, jax.jit(ours), lambda x: jax.vmap(ours)(x[None])):
        door(good)
        with pytest.raises(tg.TracegraphError, match="does not fit"):
            door(bad)


def test_64_bit_specs_follow_the_setting():
    ours = tg.function(lambda x: x, input_signature=[tg.Spec((None,), "float64")])
    assert ours(np.ones(3)).dtype == jnp.float32
    with jax_compat.with_64_bit_types():
        assert ours(np.ones(3)).dtype == jnp.float64
        with pytest.raises(tg.TracegraphError, match="does not fit"):
            ours(np.ones(3, np.float32))
