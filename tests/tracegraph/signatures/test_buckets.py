"""Buckets: few executables for many sizes, the rows of the plain function."""

from __future__ import annotations

import enum
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tests.tracegraph.signatures.programs import WIDTH, layer_norm, mlp, rows

ROWS = [tg.Spec(("batch", WIDTH), "float32")]
SIZES = {"batch": (4, 8)}


def compiled_sizes(step):
    """The sizes for which there is a program, by what their tables say."""
    return [row.bucket for row in step.signatures()]


def close(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert isinstance(ours, jax.Array)
        assert ours.aval == theirs.aval
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def program(x):
    best = jnp.argmax(x, 1)
    return {
        "mlp": mlp(x),
        "norm": (layer_norm(x), x.T * 2),
        "best": best,
        "flags": x[:, 0] > 0,
        "table": jnp.eye(3),
        "half": x.astype(jnp.bfloat16)[:, :2],
        "twice": jnp.repeat(x, 2, axis=0),
    }


def test_every_size_is_served_by_its_bucket():
    runs = []

    def counting(x):
        runs.append(1)
        return program(x)

    ours = tg.function(counting, input_signature=ROWS, buckets=SIZES)
    plain = jax.jit(program)
    for size in (1, 3, 4, 5, 7, 8, 2, 3):
        close(ours(rows(size)), plain(rows(size)))
        close(ours(jnp.asarray(rows(size))), plain(rows(size)))
    assert len(runs) == 1
    assert compiled_sizes(ours) == ["batch = 4", "batch = 8"]


def test_a_size_that_is_a_bucket_is_called_straight():
    ours = tg.function(lambda x: x - x.mean(0), input_signature=ROWS, buckets=SIZES)
    x = rows(4)
    np.testing.assert_allclose(ours(x), x - x.mean(0), rtol=1e-6, atol=1e-6)  # no proof is needed


def test_rows_that_mix_are_refused_with_their_line():
    @tg.function(input_signature=ROWS, buckets=SIZES)
    def centred(x):
        return x - x.mean(0)

    with pytest.raises(tg.TracegraphError) as caught:
        centred(rows(3))
    error = caught.value
    assert error.what.startswith("centred cannot be run at a padded size: reduce_sum may mix")
    assert error.where.endswith("centred)")
    assert "test_buckets.py" in error.where
    assert error.found.endswith("it combines all rows into one")
    with pytest.raises(tg.TracegraphError, match="may mix"):
        centred(rows(3))  # again: a refusal is not forgotten


def test_effects_are_refused():
    @tg.function(input_signature=ROWS, buckets=SIZES)
    def printing(x):
        jax.debug.print("{}", x[0, 0])
        return x

    with pytest.raises(tg.TracegraphError, match="cannot be run at a padded size"):
        printing(rows(3))


def test_more_rows_than_the_largest_bucket():
    ours = tg.function(mlp, input_signature=ROWS, buckets=SIZES)
    with pytest.raises(tg.TracegraphError) as caught:
        ours(rows(9))
    assert caught.value.what == "a call of mlp is larger than every bucket"
    assert caught.value.expected == "batch up to 8"
    assert caught.value.found == "batch = 9 (axis 0 of x)"
    assert "add a larger bucket" in caught.value.hint


def test_no_rows_are_traced_by_themselves():
    ours = tg.function(program, input_signature=ROWS, buckets=SIZES)
    close(ours(rows(0)), jax.jit(program)(rows(0)))


def test_trees_keywords_static_arguments_and_keys():
    class Mode(enum.Enum):
        ADD = 1
        MULTIPLY = 2

    def step(params, batch, *, keys, mode):
        noise = jax.vmap(lambda key: jax.random.normal(key, (WIDTH,)))(keys)
        mixed = batch["x"] + noise if mode is Mode.ADD else batch["x"] * noise
        return {"y": mixed @ params["w"], "label": batch["label"] + 1, "keys": keys}

    ours = tg.function(
        step,
        static_argnames="mode",
        input_signature={
            "batch": {"x": tg.Spec(("n", WIDTH)), "label": tg.Spec(("n",), "int32")},
            "keys": tg.Spec(("n",), "key"),
        },
        buckets={"n": [8, 4]},
    )
    plain = jax.jit(step, static_argnames="mode")
    params = {"w": rows(6)}
    for size in (1, 3, 4, 6):
        batch = {"x": rows(size), "label": np.arange(size, dtype=np.int32)}
        for mode in Mode:
            keys = jax.random.split(jax.random.key(size), size)
            found = ours(params, batch, keys=keys, mode=mode)
            expected = plain(params, batch, keys=keys, mode=mode)
            assert (found.pop("keys") == expected.pop("keys")).all()
            close(found, expected)
    assert len(ours.signatures()) == 4


def test_donated_arguments():
    ours = tg.function(lambda x: x * 2, donate_argnums=0, input_signature=ROWS, buckets=SIZES)
    for size in (3, 4):
        np.testing.assert_array_equal(ours(jnp.asarray(rows(size))), rows(size) * 2)


def test_two_names():
    specs = [tg.Spec(("batch", "length", 4), "float32")]
    sizes = {"batch": (2, 4), "length": (8,)}
    ours = tg.function(lambda x: jnp.tanh(x).sum(2), input_signature=specs, buckets=sizes)
    for batch in (1, 2, 3):
        for length in (5, 8):
            x = np.random.RandomState(0).randn(batch, length, 4).astype(np.float32)
            np.testing.assert_allclose(ours(x), np.tanh(x).sum(2), rtol=1e-5, atol=1e-6)
    assert compiled_sizes(ours) == ["batch = 2, length = 8", "batch = 4, length = 8"]
    mixing = tg.function(lambda x: x.sum(1), input_signature=specs, buckets=sizes)
    with pytest.raises(tg.TracegraphError, match="may mix the rows of 'length'"):
        mixing(np.ones((2, 5, 4), np.float32))


def test_one_name_of_two():
    specs = [tg.Spec(("batch", "length"), "float32")]
    ours = tg.function(lambda x: x.sum(1), input_signature=specs, buckets={"batch": (4,)})
    for batch, length in ((1, 3), (3, 5), (4, 3)):
        np.testing.assert_array_equal(ours(np.ones((batch, length), np.float32)), [length] * batch)
    assert len(ours.signatures()) == 2


def test_multiples_of_a_name():
    ours = tg.function(
        lambda x, y: (x.reshape(-1, 2).sum(1) + y, x * 2),
        input_signature=[tg.Spec(("2*n",)), tg.Spec(("n",))],
        buckets={"n": (4,)},
    )
    x, y = np.arange(6, dtype=np.float32), np.ones(3, np.float32)
    sums, double = ours(x, y)
    np.testing.assert_array_equal(sums, [2, 6, 10])
    np.testing.assert_array_equal(double, x * 2)


def test_under_transformations_sizes_are_exact():
    ours = tg.function(mlp, input_signature=ROWS, buckets=SIZES)
    x = rows(3)
    found = jax.grad(lambda a: ours(a).sum())(x)
    np.testing.assert_allclose(found, jax.grad(lambda a: mlp(a).sum())(x), rtol=1e-5, atol=1e-6)
    assert jax.jit(ours)(rows(11)).shape == (11, 3)
    assert jax.vmap(ours)(rows(3)[None]).shape == (1, 3, 3)
    outer = tg.function(lambda a: ours(a).sum(0))
    assert outer(rows(5)).shape == (3,)


def test_committed_arrays_stay_where_they_are():
    ours = tg.function(mlp, input_signature=ROWS, buckets=SIZES)
    device = jax.devices()[-1]
    found = ours(jax.device_put(rows(3), device))
    assert found.devices() == {device}
    assert found.committed


def test_a_weak_array_stays_weak():
    ours = tg.function(lambda x: x * 2, input_signature=[tg.Spec(("n",))], buckets={"n": (4,)})
    weak = jax.jit(lambda: jnp.broadcast_to(1.0, (3,)))()
    assert weak.weak_type
    assert ours(weak).aval == jax.jit(lambda x: x * 2)(weak).aval


def test_nothing_is_warned_and_tracing_leaves_sizes_alone():
    ours = tg.function(mlp, input_signature=ROWS, buckets=SIZES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(rows(3))
    assert "f32[3,6]" in str(ours.graph(rows(3)))


@pytest.mark.parametrize(
    ("buckets", "text"),
    [
        ({"rows": (4,)}, "a named size of the signature: batch"),
        ({"batch": ()}, "whole numbers from 1 on"),
        ({"batch": (0, 4)}, "whole numbers from 1 on"),
        ({"batch": (2.5,)}, "whole numbers from 1 on"),
        ((4, 8), r"buckets=\{"),
        ({}, r"buckets=\{"),
    ],
)
def test_buckets_that_are_none(buckets, text):
    with pytest.raises(tg.TracegraphError, match=text) as caught:
        tg.function(mlp, input_signature=ROWS, buckets=buckets)
    assert caught.value.what == "a function cannot have these buckets"


def test_buckets_need_a_name_and_a_signature():
    unnamed = [tg.Spec((None, WIDTH), "float32")]
    with pytest.raises(tg.TracegraphError, match="name the size in its spec"):
        tg.function(mlp, input_signature=unnamed, buckets=SIZES)
    with pytest.raises(tg.TracegraphError, match="buckets without an input signature"):
        tg.function(mlp, buckets=SIZES)


def test_numbers_of_python_go_beside_padded_arrays():
    signature = [tg.Spec(("n", 3)), tg.Spec(())]
    step = tg.function(lambda x, s: x * s, input_signature=signature, buckets={"n": (8,)})
    np.testing.assert_array_equal(step(jnp.ones((4, 3)), 2.0), np.full((4, 3), 2.0))
