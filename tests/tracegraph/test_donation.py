"""Arguments that a function replaces are given away, and no others."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import hoisting

donating = partial(tg.function, donate_replaced=True)


def _state() -> dict[str, jax.Array]:
    return {"w": jnp.ones((4, 3)), "b": jnp.zeros(3)}


def _gone(*trees: object) -> list[bool]:
    leaves = [jax.tree.leaves(tree) for tree in trees]
    assert all(len({one.is_deleted() for one in tree}) == 1 for tree in leaves)
    return [tree[0].is_deleted() for tree in leaves]


def _train(params, moments, x, y):
    loss, grads = jax.value_and_grad(lambda p: jnp.mean((x @ p["w"] + p["b"] - y) ** 2))(params)
    moments = jax.tree.map(lambda m, g: 0.9 * m + g, moments, grads)
    return jax.tree.map(lambda p, m: p - 0.1 * m, params, moments), moments, loss


def test_a_training_step_gives_its_state_away_and_keeps_the_batch():
    step, plain = donating(_train), jax.jit(_train)
    x, y = jnp.arange(8.0).reshape(2, 4), jnp.ones((2, 3))
    state, expected = (_state(), _state()), (_state(), _state())
    for _ in range(3):
        before = state
        *state, loss = step(*before, x, y)
        *expected, right = plain(*expected, x, y)
        assert _gone(*before, x, y) == [True, True, False, False]
        np.testing.assert_allclose(loss, right, rtol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), state, expected)


def test_using_an_argument_afterwards_is_jaxs_own_error():
    step, params = donating(lambda p: jax.tree.map(jnp.sin, p)), _state()
    step(params)
    with pytest.raises((RuntimeError, ValueError), match=r"deleted|donated"):
        step(params)
    with pytest.raises(RuntimeError, match=r"deleted|donated"):
        print(params["w"] + 1)


def test_nothing_is_given_away_without_the_option():
    params = _state()
    tg.function(lambda p: jax.tree.map(jnp.sin, p))(params)
    assert _gone(params) == [False]


def test_a_part_deep_in_the_result():
    step = donating(lambda carry, x: ((carry[0] + x.sum(), {"n": carry[1]["n"] + 1}), x * 2.0))
    carry, x = (jnp.zeros(5), {"n": jnp.zeros((), int)}), jnp.ones((2, 2))
    step(carry, x)
    assert _gone(carry, x) == [True, True]


def test_an_argument_by_name_and_a_static_one():
    def fun(mode, *, state, scale=2.0):
        return state * scale if mode == "times" else state + scale

    step = donating(fun, static_argnums=0)
    for mode in ("times", "plus", "times"):
        state = jnp.ones(3)
        np.testing.assert_array_equal(step(mode, state=state), 2 if mode == "times" else 3)
        assert _gone(state) == [True]


@pytest.mark.parametrize(
    ("fun", "gone", "why"),
    [
        (lambda x, y: (x, y.sum()), [False, False], "returned as it is"),
        (lambda x, y: (y, x), [True, True], "given away"),
        (lambda x, y: x + y, [False, False], "2 arguments are like 1 of the results"),
        (lambda x, y: (x + y, x - y), [True, True], "given away to the result[1]"),
        (lambda x, y: (x + y).astype(int), [False, False], "no part of the result is like it"),
        (lambda x, y: (x + y)[None], [False, False], "no part of the result is like it"),
        (lambda x, y: (x, x + y), [False, False], "behind an argument that stays"),
    ],
)
def test_two_arrays(fun, gone: list[bool], why: str):
    step, x, y = donating(fun), jnp.ones(3), jnp.full(3, 2.0)
    expected = jax.tree.map(np.array, fun(x, y))
    assert why in str(step.explain(x, y))
    jax.tree.map(np.testing.assert_array_equal, step(x, y), expected)
    assert _gone(x, y) == gone


def test_one_array_behind_data_is_data():
    step, params, x, y = donating(lambda p, x, y: (p, y * x[0])), _state(), jnp.ones(2), jnp.ones(3)
    step(jax.tree.map(jnp.copy, params), x, y)
    assert _gone(x, y) == [False, False]


def test_a_tree_whose_arrays_are_partly_handed_on():
    step, params = donating(lambda p: {"w": p["w"] * 2, "b": p["b"]}), _state()
    found = step(params)
    assert _gone(params) == [True]
    np.testing.assert_array_equal(found["b"], 0)


def test_numbers_and_numpy_arrays():
    step = donating(lambda n, x: (n + 1, x * 2))
    x = np.ones(3, np.float32)
    n, found = step(3, x)
    assert (int(n), found.tolist(), x.tolist()) == (4, [2, 2, 2], [1, 1, 1])


def test_under_transformations_nothing_is_given_away():
    x = jnp.ones(3)
    step = donating(lambda x: jnp.sin(x))
    np.testing.assert_allclose(jax.vmap(step)(x), jnp.sin(x), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: step(x).sum())(x), jnp.cos(x), rtol=1e-6)
    assert _gone(x) == [False]


def test_with_side_effects(capsys: pytest.CaptureFixture[str]):
    def fun(x):
        jax.debug.print("called")
        return x + 1

    step, x = donating(fun), jnp.ones(3)
    for _ in range(3):
        before, x = x, step(x)
        assert _gone(before) == [True]
    jax.effects_barrier()
    assert capsys.readouterr().out.count("called") == 3


def test_graphs_lowered_programs_and_audits_know():
    step, x = donating(lambda x: jnp.sin(x)), jnp.ones(3)
    assert "donated" in str(step.graph(x))
    assert "tf.aliasing_output" in step.lower(x).as_text()
    assert step.verify(x)
    assert _gone(x) == [False]
    step.lower(x).compile()(x)
    assert _gone(x) == [True]


def test_beside_large_captured_arrays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hoisting, "MIN_TOTAL", 1 << 10)
    monkeypatch.setattr(hoisting, "MIN_BYTES", 1 << 10)
    w = jnp.eye(64)
    step = donating(lambda x: x @ w + 1)
    x = jnp.ones((2, 64))
    for count in (2, 3):
        before, x = x, step(x)
        assert _gone(before) == [True]
        np.testing.assert_array_equal(x, count)


def test_a_hit_traces_nothing():
    step, x = donating(lambda x: jnp.sin(x)), jnp.ones(3)
    x = step(x)
    with jax.no_tracing():
        step(step(x))


def test_kept_programs_give_away_too(tmp_path):
    for _ in range(2):
        step = donating(_train, cache=tg.Cache(folder=tmp_path))
        params = (_state(), _state())
        step(*params, jnp.ones((2, 4)), jnp.ones((2, 3)))
        assert _gone(*params) == [True, True]


def test_nnx_objects_are_updated_and_keep_working():
    nnx = pytest.importorskip("flax.nnx")
    layer = nnx.Linear(3, 3, rngs=nnx.Rngs(0))

    @donating
    def step(layer, x):
        layer.kernel[...] = layer.kernel[...] * 0 + 1
        return layer(x)

    for _ in range(2):
        np.testing.assert_allclose(step(layer, jnp.ones((1, 3))), 3.0)


def test_both_ways_to_say_it_are_refused():
    with pytest.raises(tg.TracegraphError, match="donate_argnums"):
        donating(lambda x: x, donate_argnums=0)
    with pytest.raises(tg.TracegraphError, match="on or off"):
        tg.function(lambda x: x, donate_replaced="yes")


@pytest.mark.parametrize("name", ["donate_argnums", "donate_argnames"])
def test_an_empty_list_of_what_is_given_away_says_nothing(name):
    x = jnp.arange(3.0)
    donating(lambda x: x + 1, **{name: ()})(x)
    assert x.is_deleted()


@pytest.mark.parametrize(
    "program",
    [
        lambda a: a - a,
        lambda a: jnp.where(True, jnp.ones(8), a),
        lambda a: a + 1,
        lambda a: jnp.ones(3),  # which jit does not take either
        lambda a: (a + 1, jnp.ones(3))[1],
    ],
)
@pytest.mark.filterwarnings("ignore:Some donated buffers were not usable")
def test_what_an_optimised_program_no_longer_reads_is_given_away_as_by_jit(program):
    def is_gone(transform):
        step = transform(program, donate_argnums=0)
        arrays = [jnp.arange(8.0) + 0 for _ in range(2)]
        for array in arrays:
            jax.block_until_ready(step(array))
        return [array.is_deleted() for array in arrays]

    assert is_gone(tg.function) == is_gone(jax.jit)
