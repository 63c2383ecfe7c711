"""Programs as people write them, each compared with a plain form in numpy or JAX."""

# ruff: noqa: SIM108

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import tracegraph as tg

KEY = jax.random.key(0)
WEIGHTS = {
    "state": jax.random.normal(KEY, (4, 4)) * 0.4,
    "input": jax.random.normal(jax.random.fold_in(KEY, 1), (3, 4)),
}
INPUTS = jax.random.normal(jax.random.fold_in(KEY, 2), (12, 3))


def rnn(weights, inputs, limit):
    state = jnp.zeros(4)
    steps = 0
    for x in inputs:
        state = jnp.tanh(state @ weights["state"] + x @ weights["input"])
        steps += 1
        if jnp.abs(state).max() > limit:
            break
    return state, steps


def test_an_rnn_stops_where_plain_python_stops():
    converted = tg.function(rnn, autograph=True)
    for limit in (0.5, 0.9, 0.99, 2.0):
        state, steps = converted(WEIGHTS, INPUTS, limit)
        expected, count = rnn(WEIGHTS, INPUTS, limit)
        assert int(steps) == count
        np.testing.assert_allclose(state, expected, rtol=1e-5, atol=1e-6)


def test_an_rnn_that_stops_has_the_gradient_of_the_plain_one():
    def loss(function):
        return lambda weights: jnp.sum(function(weights, INPUTS, 0.99)[0])

    found = jax.jit(jax.grad(loss(tg.autograph.convert(rnn))))(WEIGHTS)
    expected = jax.grad(loss(rnn))(WEIGHTS)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected
    )


def beam_search(scores, width, stop):
    """The best sequences over a table of next-token scores; a beam ends at the stop token."""
    vocabulary = scores.shape[0]
    tokens = jnp.zeros((width, 6), jnp.int32)
    total = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)
    ended = jnp.zeros(width, bool)
    step = 0
    while step < 5 and not ended.all():
        last = tokens[:, step]
        grown = total[:, None] + jnp.where(ended[:, None], -jnp.inf, scores[last])
        kept = jnp.where(ended, total, -jnp.inf)
        total, place = jax.lax.top_k(jnp.concatenate([grown.ravel(), kept]), width)
        old = place >= width * vocabulary
        beam = jnp.where(old, place - width * vocabulary, place // vocabulary)
        token = jnp.where(old, stop, place % vocabulary)
        tokens = tokens[beam]
        tokens[:, step + 1] = token
        ended = old | (token == stop)
        step += 1
    return tokens, total, step


def plain_beam_search(scores, width, stop):
    beams = [(0.0, [0], False)]
    step = 0
    while step < 5 and not all(ended for _, _, ended in beams):
        grown = [beam for beam in beams if beam[2]]
        for total, tokens, ended in beams:
            if not ended:
                grown += [
                    (total + scores[tokens[-1], t], [*tokens, t], t == stop)
                    for t in range(len(scores))
                ]
        beams = sorted(grown, key=lambda beam: -beam[0])[:width]
        step += 1
    return [tokens for _, tokens, _ in beams], [total for total, _, _ in beams]


def test_a_beam_search_finds_what_lists_find():
    scores = np.asarray(jax.nn.log_softmax(jax.random.normal(KEY, (5, 5)) * 2))
    tokens, total, _ = jax.jit(tg.autograph.convert(beam_search), static_argnums=(1, 2))(
        scores, 3, 4
    )
    sequences, expected = plain_beam_search(scores, 3, 4)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    for row, sequence in zip(np.asarray(tokens), sequences, strict=True):
        assert list(row[: len(sequence)]) == sequence


def newton(function, x, tolerance=1e-5):
    steps = 0
    while jnp.abs(function(x)) > tolerance:
        slope = jax.grad(function)(x)
        if slope == 0:
            return x, -1
        x = x - function(x) / slope
        steps += 1
    return x, steps


def test_newtons_method_finds_a_root():
    found, steps = jax.jit(tg.autograph.convert(lambda x: newton(lambda y: y**3 - 8.0, x)))(5.0)
    expected, count = newton(lambda y: y**3 - 8.0, 5.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert int(steps) == count > 2
    assert int(jax.jit(tg.autograph.convert(lambda x: newton(jnp.cos, x * 0.0)))(1.0)[1]) == -1


def test_newtons_method_over_a_batch():
    solve = tg.autograph.convert(lambda x: newton(lambda y: y**2 - 2.0, x))
    found, steps = jax.jit(jax.vmap(solve))(jnp.array([1.0, 10.0, 1.5]))
    np.testing.assert_allclose(found, [2**0.5] * 3, rtol=1e-5)
    assert len(set(np.asarray(steps).tolist())) > 1


def decode(table, token, length):
    tokens = []
    for _ in jnp.arange(length):
        if token == 3:
            token = table[0].argmax()
        else:
            token = table[token].argmax()
        tokens.append(token)
    return jnp.stack(tokens)


def test_a_decoding_loop_appends_to_a_list():
    table = jax.random.normal(KEY, (6, 6))
    found = jax.jit(tg.autograph.convert(decode), static_argnums=2)(table, 1, 9)
    token, expected = 1, []
    for _ in range(9):
        token = int(np.argmax(table[0 if token == 3 else token]))
        expected.append(token)
    assert found.tolist() == expected


def primes(limit, numbers):
    count = 0
    for n in numbers:
        if n < 2:
            continue
        prime = True
        divisor = 2
        while divisor * divisor <= n:
            if n % divisor == 0:
                prime = False
                break
            divisor += 1
        if not prime:
            continue
        count += 1
        if count == limit:
            break
    return count, n


def test_nested_loops_with_break_and_continue_count_primes():
    numbers = np.arange(40)
    converted = jax.jit(tg.autograph.convert(primes))
    for limit in (3, 100):
        assert tuple(map(int, converted(limit, numbers))) == primes(limit, numbers)


def test_training_with_a_rejected_step():
    def train(w, x, y):
        rate = 0.5
        for _ in jnp.arange(20):
            value, slope = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)
            candidate = w - rate * slope
            if jnp.mean((x @ candidate - y) ** 2) < value:
                w = candidate
            else:
                rate = rate * 0.5
        return w, rate

    x = jax.random.normal(KEY, (16, 3)) * 2
    y = x @ jnp.array([1.0, -2.0, 0.5])
    found, rate = tg.function(train, autograph=True)(jnp.zeros(3), x, y)
    expected, plain_rate = train(jnp.zeros(3), x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert float(rate) == plain_rate < 0.5
