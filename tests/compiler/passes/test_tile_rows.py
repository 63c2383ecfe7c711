"""Rows in blocks: nothing large is stored, the values are plain jit's, and the rest stays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export, lax

import tracegraph as tg
from compiler.ir import walk
from compiler.passes.pipeline import DEFAULT_PIPELINE
from compiler.passes.tile import RULE


@pytest.fixture(autouse=True)
def short_rows(monkeypatch):
    monkeypatch.setattr("compiler.rewrite.tiles.MIN_COLUMNS", 16)


SMALL = DEFAULT_PIPELINE.replace("tile-rows", "tile-rows{min_elements=1024,rows=10}")
PLACES, WIDTH = 48, 4


def draw(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def heads(batch=2, places=PLACES, count=2, width=WIDTH):
    return [draw(batch, places, count, width, seed=seed) for seed in range(3)]


def anew(function):
    """The function as another one: what is known of the first is not known of it."""
    return lambda *arguments: function(*arguments)


def attention(q, k, v):
    weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k) * 0.5, -1)
    return jnp.einsum("bhst,bthd->bshd", weights, v)


def causal(q, k, v):
    scores = jnp.einsum("bshd,bthd->bhst", q, k)
    seen = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    weights = jax.nn.softmax(jnp.where(seen, scores, -1e30), -1)
    return jnp.einsum("bhst,bthd->bshd", weights, v)


def with_bias(q, k, v, bias):
    weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k) + bias, -1)
    return jnp.einsum("bhst,bthd->bshd", weights, v)


def shared_bias(q, k, bias):
    """Its gradient is a sum over batches, and as large as the scores of one of them."""
    scores = jnp.einsum("bqd,bkd->bqk", q, k) + bias
    top = jnp.take_along_axis(scores, jnp.argmax(scores, -1)[..., None], -1)
    parts = (scores.sum(1), scores.mean(-1), top)
    return sum(jnp.sin(part).sum() for part in parts)


def library(q, k, v):
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def one_head(q, k, v):
    return jax.nn.softmax(q @ k.T, -1) @ v


def network(q, k, v, w):
    seen = jnp.tanh(causal(q, k, v).reshape(*q.shape[:2], -1) @ w)
    return jnp.sum(seen**2)


def two_layers(q, k, v, w):
    seen = attention(q, k, v)
    again = (seen.reshape(*q.shape[:2], -1) @ w).reshape(q.shape)
    return jnp.sum(jnp.sin(attention(again, k, seen)))


def vocabulary(h, w, labels):
    losses = optax.softmax_cross_entropy_with_integer_labels(h @ w, labels)
    return losses.mean()


def one_hot(h, w, labels):
    return optax.softmax_cross_entropy(h @ w, jax.nn.one_hot(labels, w.shape[1])).mean()


def nearest(x, y):
    apart = (x**2).sum(-1)[:, None] - 2 * x @ y.T + (y**2).sum(-1)
    return jnp.argmin(apart, 1), jnp.min(apart, 1), jnp.sum(jnp.exp(-apart), 1)


def counted(x, y):
    return jnp.max(x @ y.T + lax.broadcasted_iota(jnp.float32, (60, 50), 0), 1)


def counted_narrowly(x, y):
    """Beyond 256 not every whole number is one of this type, and a block begins at 570."""
    rows = lax.broadcasted_iota(jnp.bfloat16, (600, 50), 0).astype(jnp.float32)
    return jnp.max(x @ y.T + rows, 1)


def in_a_loop(q, k, v):
    return lax.scan(lambda x, _: (attention(x, k, v), None), q, None, length=2)[0]


H, W, LABELS = draw(60, WIDTH), draw(WIDTH, 50, seed=1), jnp.arange(60) % 50
MIX = draw(2 * WIDTH, 2 * WIDTH, seed=3) * 0.3
PROGRAMS = {
    "attention": (attention, heads()),
    "attention, no rest": (attention, heads(places=50)),
    "attention, one batch": (attention, heads(batch=1)),
    "causal": (causal, heads()),
    "bias of all": (with_bias, [*heads(), draw(2, 2, PLACES, PLACES)]),
    "bias of heads": (with_bias, [*heads(), draw(1, 2, PLACES, PLACES)]),
    "bias of keys": (with_bias, [*heads(), draw(2, 1, 1, PLACES)]),
    "shared bias": (
        jax.value_and_grad(shared_bias, (0, 1, 2)),
        [draw(2, PLACES, 4), draw(2, PLACES, 4, seed=1), draw(PLACES, PLACES, seed=2)],
    ),
    "library": (library, heads()),
    "one head": (one_head, [draw(64, 4, seed=seed) for seed in range(3)]),
    "network": (jax.value_and_grad(network, (0, 1, 2, 3)), [*heads(), MIX]),
    "two layers": (jax.value_and_grad(two_layers, (0, 1, 2, 3)), [*heads(), MIX]),
    "library's gradient": (jax.grad(lambda *a: jnp.sum(jnp.sin(library(*a))), (0, 1, 2)), heads()),
    "vocabulary": (vocabulary, [H, W, LABELS]),
    "vocabulary's gradient": (jax.value_and_grad(vocabulary, (0, 1)), [H, W, LABELS]),
    "vocabulary, batches": (
        jax.value_and_grad(vocabulary, (0, 1)),
        [H.reshape(3, 20, -1), W, LABELS.reshape(3, 20)],
    ),
    "one hot": (jax.value_and_grad(one_hot, (0, 1)), [H, W, LABELS]),
    "distances": (nearest, [draw(60, 3), draw(50, 3, seed=1)]),
    "counted rows": (counted, [draw(60, 3), draw(50, 3, seed=1)]),
    "in a loop": (in_a_loop, heads()),
}


def fired(step, *arrays):
    return [firing.rule for firing in step.trace(*arrays).rewrites].count(RULE)


def largest(graph):
    """The most elements of any value that is not in a branch on the platform."""
    sizes = [value.type.size for op in graph.body for value in op.results]
    return max(sizes, default=0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_values_are_those_of_plain_jit(name):
    function, arrays = PROGRAMS[name]
    step = tg.function(function, passes=SMALL)
    found, expected = step(*arrays), jax.jit(function)(*arrays)
    assert fired(step, *arrays) >= (2 if name == "two layers" else 1)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
        assert a.dtype == b.dtype


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in ("in a loop", "bias of all")])
def test_nothing_large_is_left(name):
    function, arrays = PROGRAMS[name]
    graph = tg.function(function, passes=SMALL).graph(*arrays)
    assert largest(graph) < largest(tg.function(function, numerics="exact").graph(*arrays))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, -0.0, 1e38])
def test_odd_numbers_go_where_they_go_in_plain_jit(number):
    q, k, v = (array.at[0, 7, 1, 2].set(number) for array in heads())
    step = tg.function(causal, passes=SMALL)
    np.testing.assert_allclose(step(q, k, v), jax.jit(causal)(q, k, v), rtol=2e-4, atol=2e-5)
    x, y = draw(60, 3).at[5].set(number), draw(50, 3, seed=1)
    pairs = zip(tg.function(nearest, passes=SMALL)(x, y), jax.jit(nearest)(x, y), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_short_floats(dtype):
    arrays = [array.astype(dtype) for array in heads()]
    step = tg.function(attention, passes=SMALL)
    found, expected = step(*arrays), jax.jit(attention)(*arrays)
    assert fired(step, *arrays) == 1
    assert found.dtype == dtype
    np.testing.assert_allclose(np.float32(found), np.float32(expected), rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sums_of_short_floats_over_many_blocks(dtype):
    def summed(q, k, w):
        return jax.nn.relu(q @ k.T).T @ w

    rows = 1 << 14  # as blocks' sums of 1, far more than either type can count
    arrays = [jnp.full(shape, 0.5, dtype) for shape in ((rows, 4), (24, 4))]
    arrays.append(jnp.ones((rows, 2), dtype))
    step = tg.function(summed, passes=SMALL.replace("rows=10", "rows=1"))
    found = step(*arrays)
    assert fired(step, *arrays) == 1
    assert found.dtype == dtype
    np.testing.assert_array_equal(np.float32(found), np.full((24, 2), np.float32(rows)))


def test_the_exact_level_stores_everything():
    step = tg.function(attention, passes=SMALL, numerics="exact")
    assert fired(step, *heads()) == 0
    np.testing.assert_array_equal(step(*heads()), jax.jit(attention)(*heads()))


def test_a_large_value_that_is_returned_stays():
    def scores(q, k, v):
        weights = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k), -1)
        return weights, jnp.einsum("bhst,bthd->bshd", weights, v)

    assert fired(tg.function(scores, passes=SMALL), *heads()) == 0


def test_a_large_value_that_is_mixed_along_all_axes_stays():
    def sorted_scores(x, y):
        return jnp.sum(jnp.sort((x @ y.T).ravel())[:5])

    assert fired(tg.function(sorted_scores, passes=SMALL), draw(60, 3), draw(50, 3)) == 0


def test_short_rows_stay_unless_they_are_summed(monkeypatch):
    monkeypatch.setattr("compiler.rewrite.tiles.MIN_COLUMNS", PLACES + 1)
    assert fired(tg.function(anew(attention), passes=SMALL), *heads()) == 0
    function, arrays = PROGRAMS["network"]
    assert fired(tg.function(anew(function), passes=SMALL), *arrays) == 1


def test_small_programs_stay():
    assert fired(tg.function(attention), *heads()) == 0


def test_other_platforms_keep_their_own():
    step = tg.function(attention, passes=SMALL)
    cpu, tpu = (
        step.trace(*heads()).lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "tpu")
    )
    assert "stablehlo.while" in cpu
    assert "stablehlo.while" not in tpu
    exported = export.export(step, platforms=("cpu", "tpu"))(*heads())
    np.testing.assert_allclose(exported.call(*heads()), attention(*heads()), rtol=1e-4, atol=1e-5)


def test_somebody_outside_differentiates_the_whole():
    step = tg.function(attention, passes=SMALL)
    arrays = heads()
    found = jax.grad(lambda q: jnp.sum(jnp.sin(step(q, *arrays[1:]))))(arrays[0])
    expected = jax.grad(lambda q: jnp.sum(jnp.sin(attention(q, *arrays[1:]))))(arrays[0])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    batches = [jnp.stack([array, array + 1.0]) for array in arrays]
    np.testing.assert_allclose(
        jax.vmap(step)(*batches), jax.vmap(attention)(*batches), rtol=1e-4, atol=1e-5
    )


def test_what_is_printed_of_a_result_before_the_last_op_is_printed_first(capsys):
    def talking(x, y):
        scores = x @ y.T
        most = jnp.max(scores, 1)
        jax.debug.print("first {}", jnp.all(jnp.isfinite(most)), ordered=True)
        jax.debug.print("second", ordered=True)
        return most, jnp.sum(jnp.exp(scores), 1)

    arrays = [draw(60, 3), draw(50, 3, seed=1)]
    step = tg.function(talking, passes=SMALL)
    found, expected = step(*arrays), jax.jit(talking)(*arrays)
    jax.effects_barrier()
    assert capsys.readouterr().out.split() == 2 * ["first", "True", "second"]
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)


def test_what_all_blocks_read_alike_is_cut_in_the_order_in_which_they_read_it():
    def biased(x, y, *biases):
        scores = jnp.einsum("bqd,bkd->bqk", x, y)
        for bias in biases:
            scores = jnp.tanh(scores + bias[:, None])
        return jnp.max(scores, -1)

    points = [draw(2, 50, WIDTH, seed=seed) for seed in range(2)]
    biases = [draw(2, 50, seed=seed) for seed in range(12)]
    graph = tg.function(biased, passes=SMALL).graph(*points, *biases)
    cuts = [op.result for op in walk(graph) if op.name == "dynamic_slice"]
    slots = [cut.uses[0].slot for cut in cuts if cut.type.shape == (1, 1, 50)]
    assert len(slots) == len(biases)
    assert slots == sorted(slots)


def test_a_second_run_changes_nothing():
    once = tg.function(attention, passes=SMALL).graph(*heads())
    twice = tg.function(attention, passes=f"{SMALL},tile-rows{{min_elements=64,rows=3}}")
    assert [op.name for op in walk(once)] == [op.name for op in walk(twice.graph(*heads()))]


def test_the_peak_falls():
    q, k, v = heads(batch=1, places=1024, count=1)
    plain, ours = (
        side.lower(q, k, v).compile().memory_analysis().temp_size_in_bytes
        for side in (jax.jit(causal), tg.function(causal, passes=SMALL))
    )
    assert ours * 8 < plain


def test_explain_says_what_was_done():
    text = str(tg.function(attention, passes=SMALL).explain(*heads()))
    assert RULE in text


def test_no_rows_at_a_time_are_none():
    passes = DEFAULT_PIPELINE.replace("tile-rows", "tile-rows{min_elements=1024,rows=0}")
    assert fired(tg.function(attention, passes=passes), *heads()) == 0


def test_narrow_floats_count_rows_as_xla_does():
    x, y = jnp.zeros((600, WIDTH)), draw(50, WIDTH)
    step = tg.function(counted_narrowly, passes=SMALL)
    assert RULE in {firing.rule for firing in step.trace(x, y).rewrites}
    np.testing.assert_array_equal(step(x, y), jax.jit(counted_narrowly)(x, y))
