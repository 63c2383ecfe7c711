"""jaxtyping annotations as an input signature."""

# The texts in jaxtyping's annotations are sizes and no Python.
# ruff: noqa: F722, F821, UP037

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Bool, Float, Float32, Int, Key, PyTree, Shaped

import tracegraph as tg
from tracegraph.signatures.annotations import annotated_specs


def test_what_annotations_say():
    def fun(
        x: Float32[Array, "batch 784"],
        y: Int[np.ndarray, "_ c=3 2*batch"],
        keys: Key[Array, "batch"],
        mask: Bool[Array, ""],
        any_type: Shaped[Array, "n+1"],
        tree: PyTree[Float32[Array, "batch"]],
        rate: float,
        noted: Annotated[int, "more"] = 3,
    ) -> Float[Array, "batch"]: ...

    specs = annotated_specs(fun)
    assert specs["x"] == tg.Spec(("batch", 784), "float32")
    assert specs["y"].shape == (None, 3, "2*batch")
    assert {"int8", "int32", "int64"} <= set(specs["y"].dtypes)
    assert specs["keys"] == tg.Spec(("batch",), "key")
    assert specs["mask"] == tg.Spec((), "bool")
    assert specs["any_type"] == tg.Spec(("n+1",))
    assert specs["tree"] == tg.Spec(("batch",), "float32")
    assert set(specs) == {"x", "y", "keys", "mask", "any_type", "tree"}


def test_annotations_are_a_signature():
    runs = []

    @tg.function(input_signature="annotations")
    def layer(params: PyTree, x: Float[Array, "batch 4"], scale: Float[Array, "batch"]):
        runs.append(1)
        return (x @ params["w"]) * scale[:, None]

    params = {"w": jnp.ones((4, 2))}
    for n in (1, 3, 4):
        found = layer(params, np.ones((n, 4), np.float32), np.ones(n, np.float32))
        np.testing.assert_array_equal(found, np.full((n, 2), 4.0))
    assert len(runs) == 1
    with pytest.raises(tg.TracegraphError, match=r"size batch in axis 0, where batch = 3"):
        layer(params, np.ones((3, 4), np.float32), np.ones(2, np.float32))
    with pytest.raises(tg.TracegraphError, match="found: int32"):
        layer(params, np.ones((3, 4), np.int32), np.ones(3, np.float32))
    half = layer(params, jnp.ones((3, 4), jnp.bfloat16), jnp.ones(3, jnp.float32))
    assert half.dtype == jnp.float32


def test_annotations_with_buckets():
    @tg.function(input_signature="annotations", buckets={"batch": (4,)})
    def double(x: Float[Array, "batch 4"]):
        return x * 2

    np.testing.assert_array_equal(double(np.ones((3, 4), np.float32)), np.full((3, 4), 2.0))


@pytest.mark.parametrize("dims", ["*batch 3", "... 3", "#n", "?n", "{n}"])
def test_sizes_that_no_signature_says(dims):
    def fun(x): ...

    fun.__annotations__ = {"x": Float[Array, dims]}
    with pytest.raises(tg.TracegraphError, match="the annotation of x has sizes that no signature"):
        tg.function(fun, input_signature="annotations")


def test_no_annotations():
    with pytest.raises(tg.TracegraphError, match="has no annotations that say sizes"):
        tg.function(lambda x: x, input_signature="annotations")


def test_names_that_do_not_exist_when_it_is_decorated():
    def fun(x: Missing): ...

    with pytest.raises(tg.TracegraphError, match="the annotations of fun cannot be read"):
        tg.function(fun, input_signature="annotations")


def test_jaxtyping_is_not_imported_by_us():
    code = (
        "import sys, tracegraph as tg\n"
        "tg.function(lambda x: x, input_signature=[tg.Spec((3,))])\n"
        "assert 'jaxtyping' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_checkers_see_the_function_as_before():
    def fun(x: Float[Array, "n"]) -> Float[Array, "n"]:
        """What it does."""
        return x

    ours = tg.function(fun, input_signature="annotations")
    assert ours.__wrapped__ is fun
    assert ours.__doc__ == "What it does."
    assert jax.grad(lambda x: ours(x).sum())(jnp.ones(2)).shape == (2,)
