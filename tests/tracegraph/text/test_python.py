"""``graph.python()``: run, and compared with the function itself."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.parser import parse_graph
from compiler.ir.printer import print_graph
from tracegraph.text.values import array_text, identifier

X = jax.random.normal(jax.random.key(0), (4, 4))
KEY = jax.random.key(7)


def run(graph, *args):
    """What the graph's Python returns for the leaves of some arguments."""
    namespace = {}
    exec(compile(graph.python(), "<graph>", "exec"), namespace)
    captured = [info.handle for info in graph.parameter_info if info.captured]
    return namespace[identifier(graph.name)](*captured, *jax.tree.leaves(args))


def plain(value):
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    return value


def check(function, *args):
    """Runs both graphs of a function as Python, and compares values and types."""
    wanted = jax.tree.leaves(jax.jit(function)(*args))
    trace = tg.function(function).trace(*args)
    for graph in (trace.captured, trace.optimized):
        found = run(graph, *args)
        assert isinstance(found, tuple)
        assert len(found) == len(wanted)
        for a, b in zip(map(plain, found), map(plain, wanted), strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            a, b = (np.asarray(v).astype("complex128") for v in (a, b))
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def control_flow(x):
    x = lax.scan(lambda c, a: (jnp.tanh(c @ x + a), c.sum()), x, x, reverse=True)
    c = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * x[0].sum()), (0, x[0]))
    c = lax.cond(c[1][0, 0] > 0, lambda c: c * 2, lambda c: c - 1, c[1])
    c = lax.switch(2, [jnp.sin, jnp.cos, lambda c: c], c)
    return lax.fori_loop(0, 3, lambda i, c: c + i, c), x[1]


def calls(x):
    @jax.custom_jvp
    def f(x):
        return jnp.sin(x)

    f.defjvp(lambda p, t: (f(*p), t[0]))

    @jax.custom_vjp
    def g(x):
        return jnp.cos(x)

    g.defvjp(lambda x: (g(x), None), lambda _, t: (t,))
    return jax.jit(f)(x), g(x), jax.checkpoint(jnp.sin)(x), jax.nn.relu(x)


def randomness(key, x):
    a, b = jax.random.split(key)
    return (
        jax.random.normal(a, (3, 4)),
        jax.random.permutation(b, 10),
        jax.random.fold_in(a, 3),
        jax.random.randint(b, (5,), 0, 9),
        jax.random.key(3),
        jax.random.bernoulli(key, 0.5, x.shape),
    )


def indexing(x):
    rows = jnp.array([0, 2])
    moved = lax.dynamic_update_slice(x, x[:1], (1, 0))
    return (
        x[jnp.argmax(x[0])],
        x[rows],
        x.at[rows].set(0.0),
        x.at[rows].add(1.0),
        x.at[rows].max(0.0),
        jnp.sort(x, 0),
        jnp.argsort(x[0]),
        moved,
        lax.top_k(x, 2),
        jnp.where(x > 0, x, jnp.inf),
    )


def algebra(x):
    return (
        jnp.linalg.cholesky(x @ x.T + jnp.eye(4)),
        jnp.fft.fft(x),
        jnp.einsum("ab,cb->ac", x, x),
        jnp.convolve(x[0], x[1]),
        jax.scipy.linalg.solve_triangular(jnp.tril(x) + 3 * jnp.eye(4), x, lower=True),
    )


def numbers(x):
    return (
        jax.nn.logsumexp(x),
        (x.astype(jnp.bfloat16) * 1.5).astype(jnp.float16),
        jnp.float32(-np.inf) + x,
        x.astype(int) // 3 << 1,
        (x > 0) & ~(x > 1) | (x < -1),
        lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "SAME"),
        lax.associative_scan(jnp.add, x),
        jnp.cumsum(x, 1),
        x + 1j,
        jnp.median(x),
        lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos),
        jnp.asarray(np.arange(100, dtype=np.int8)) * 2,
    )


@pytest.mark.parametrize("function", [control_flow, calls, indexing, algebra, numbers])
def test_it_computes_what_the_function_computes(function):
    check(function, X)


def test_random_numbers_are_the_same():
    check(randomness, KEY, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda keys, _: jax.vmap(jax.random.normal)(keys[0]),
        lambda keys, _: jax.vmap(jax.vmap(lambda key: jax.random.bits(key, (2,), "uint8")))(keys),
        lambda keys, _: jax.vmap(lambda key: jax.random.split(key, (2, 2)))(keys[0]),
        lambda keys, data: jax.vmap(jax.vmap(jax.random.fold_in))(keys, data),
        lambda keys, data: jax.vmap(jax.random.fold_in, (None, 0))(keys[0, 0], data[0]),
        lambda keys, data: jax.vmap(
            lambda key: jax.vmap(lambda i: jax.random.fold_in(key, i))(data[0])
        )(keys[0]),
        lambda _, data: jax.vmap(jax.vmap(jax.random.key))(data),
    ],
    ids=["normal", "bits", "split", "fold_in", "of_one_key", "each_with_each", "key"],
)
def test_batches_of_keys(function):
    check(function, jax.random.split(KEY, (2, 3)), jnp.arange(6).reshape(2, 3))


def pairs(a, b):
    return a[0] + 2 * b[0], a[1] * b[1]


def ragged(x, **settings):
    return lax.ragged_dot(x, x.reshape(2, 4, 2), jnp.array([1, 3], jnp.int32), **settings)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: lax.reduce(x, 0.0, lambda a, b: a * b + 1, (1,)),
        lambda x: lax.reduce((x, x), (0.0, 1.0), pairs, (0,)),
        lambda x: lax.reduce_window(x, 0.0, lambda a, b: a * b + 1, (2, 2), (1, 1), "SAME"),
        lambda x: lax.reduce_window((x, x), (0.0, 1.0), pairs, (2, 2), (1, 1), "VALID"),
        lambda x: jnp.linalg.solve(x + 4 * jnp.eye(4), x[0]),
        ragged,
        lambda x: ragged(x, precision="highest", preferred_element_type=jnp.float32),
    ],
    ids=["reduce", "pairs", "window", "windows", "solve", "ragged", "ragged_precise"],
)
def test_ops_that_carry_a_function_or_many_numbers(function):
    check(function, X)


def test_a_train_step():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.avg_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), (2, 2))
            return nn.Dense(3)(nn.gelu(nn.LayerNorm()(x)).reshape(x.shape[0], -1))

    net, x = Net(), jnp.ones((2, 8, 8, 1))
    params = net.init(KEY, x)
    check(lambda p, x: jax.value_and_grad(lambda p: (net.apply(p, x) ** 2).mean())(p), params, x)


def test_captured_arrays_and_names_that_python_keeps():
    big = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)), jnp.float32)

    def lambda_(lax, np, x):
        jax_ = x @ big
        return jax_ + lax * np

    check(lambda_, 1.0, 2.0, jnp.ones((2, 64)))


def test_the_users_lines_stand_above():
    text = tg.function(control_flow).graph(X).python()
    first = control_flow.__code__.co_firstlineno
    assert f"# test_python.py:{first + 1}: x = lax.scan(" in text
    assert "lax.scan(lambda _c, _x: _parted(_scan_1(" in text


def test_what_cannot_be_written_is_said_and_raises():
    def shows(x):
        jax.debug.print("{}", x)
        return jax.pure_callback(lambda x: x, x, x) + 1

    graph = tg.function(shows).graph(jnp.ones(2))
    text = graph.python()
    assert "# pure_callback: cannot be written as jax.lax code" in text or (
        "# pure_callback with " in text
    )
    with pytest.raises(NotImplementedError, match="cannot be written as"):
        run(graph, jnp.ones(2))


def test_a_graph_read_from_text():
    graph = parse_graph(print_graph(tg.function(lambda x: jnp.tanh(x @ x) * 2.0).graph(X)))
    np.testing.assert_allclose(run(graph, X)[0], jnp.tanh(X @ X) * 2.0, rtol=1e-5)


def test_empty_functions():
    assert run(tg.function(lambda: ()).graph()) == ()
    assert run(tg.function(lambda x: x).graph(3.0), 3.0) == (3.0,)


@pytest.mark.parametrize(
    "array",
    [
        np.array([0.0, -0.0, np.inf, np.nan], np.float32),
        np.array(1.5, jnp.bfloat16),
        np.arange(100).reshape(4, 25),
        np.array([[True, False]]),
        np.zeros((0, 3), np.float16),
        np.array([1 + 2j, np.nan], np.complex64),
        np.array(2**64 - 1, np.uint64),
        np.array([1e-45, 3.4e38], np.float32),
    ],
    ids=str,
)
def test_arrays_bit_for_bit(array):
    import base64

    found = eval(array_text(array), {"np": np, "base64": base64})
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
