"""Programs over an array of ``n`` rows, each as jit would run it at every size."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

WIDTH = 6


def mlp(x):
    hidden = jax.nn.gelu(x @ _weights(WIDTH, 8) + 0.1)
    return hidden @ _weights(8, 3)


def cnn(x):
    image = x.reshape(x.shape[0], 1, 2, 3)
    kernel = _weights(4, 9).reshape(4, 1, 3, 3)
    features = jax.lax.conv_general_dilated(image, kernel, (1, 1), "SAME")
    pooled = jax.lax.reduce_window(
        features, -jnp.inf, jax.lax.max, (1, 1, 2, 1), (1, 1, 2, 1), "VALID"
    )
    return jax.nn.relu(pooled).reshape(x.shape[0], -1)


def attention_within_rows(x):
    tokens = x.reshape(x.shape[0], 3, 2)
    scores = jnp.einsum("btd,bsd->bts", tokens, tokens) / np.float32(np.sqrt(2))
    masked = jnp.where(jnp.tril(jnp.ones((3, 3), bool)), scores, -jnp.inf)
    return jnp.einsum("bts,bsd->btd", jax.nn.softmax(masked), tokens)


def attention_over_rows(x):
    positions = jnp.arange(x.shape[0])
    causal = positions[:, None] >= positions[None, :]
    return jax.nn.softmax(jnp.where(causal, x @ x.T, -1e9)) @ x


def scan_over_rows(x):
    return jax.lax.scan(lambda carry, row: (carry * 0.5 + row, carry.sum()), x[0], x)


def scan_within_rows(x):
    return jax.lax.scan(lambda c, column: (c + column, c * 2), jnp.zeros(x.shape[0]), x.T)


def softmax(x):
    return jax.nn.softmax(x, axis=0), jax.nn.log_softmax(x, axis=1)


def layer_norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def argmax(x):
    return jnp.argmax(x, 0), jnp.argmax(x, 1), jnp.argmin(x)


def cumulative(x):
    return jnp.cumsum(x, 0), jnp.cumprod(x, 1), jax.lax.cummax(x, 0, reverse=True)


def dynamic_slice(x):
    start = jnp.argmax(x[0])
    return jax.lax.dynamic_slice(x, (0, start), (1, 2)), jax.lax.dynamic_slice_in_dim(x, 2, 3, 1)


def gather(x):
    best = jnp.argmax(x, 1)
    taken = jnp.take_along_axis(x, best[:, None], 1)
    return taken, x[:, 2], x[-1], jnp.asarray(_weights(WIDTH, 4))[best]


def scatter(x):
    return x.at[:, 1].set(0.0), x.at[0].add(1.0), jax.vmap(lambda r: r.at[jnp.argmax(r)].mul(2))(x)


def concatenate(x):
    return jnp.concatenate([x, x * 2]), jnp.concatenate([x, x], 1), jnp.pad(x, ((1, 2), (0, 1)))


def reshape(x):
    return x.reshape(x.shape[0], -1), x.reshape(-1), x.reshape(x.shape[0] * 2, 3), x.T


def mean(x):
    return x.mean(), x.mean(0), jnp.var(x, axis=0), jnp.std(x)


def broadcast(x):
    return jnp.ones_like(x), jnp.zeros((x.shape[0], 2)), jnp.broadcast_to(x[:, :1], x.shape)


def arange(x):
    return jnp.arange(x.shape[0]), jnp.arange(x.shape[0], dtype=jnp.float32)[:, None] * x


def size_as_number(x):
    return x * x.shape[0], x.shape[0], jnp.float32(x.size), jnp.eye(3)


def random(x):
    key = jax.random.key(3)
    noise = jax.random.normal(key, x.shape)
    keys = jax.random.split(key, x.shape[0])
    return noise, jax.vmap(jax.random.uniform)(keys), jax.random.bernoulli(key, 0.5, x.shape)


def while_loop(x):
    return jax.lax.while_loop(lambda s: jnp.sum(s) > 1, lambda s: s * 0.5, jnp.abs(x))


def cond(x):
    return jax.lax.cond(x.sum() > 0, lambda a: a * 2, lambda a: a - a.mean(), x)


def gradient_inside(x):
    def loss(w):
        return jnp.mean((jax.nn.relu(x @ w) - 1.0) ** 2)

    return jax.value_and_grad(loss)(jnp.asarray(_weights(WIDTH, 3)))


def fori_over_rows(x):
    return jax.lax.fori_loop(0, x.shape[0], lambda i, s: s + x[i] * i, jnp.zeros(WIDTH))


def mapped(x):
    return jax.lax.map(lambda row: jnp.sort(row), x), jax.vmap(jnp.dot)(x, x)


def order(x):
    return jnp.sort(x, 0), jnp.argsort(x, 1), jax.lax.top_k(x, 2), x[::-1], jnp.flip(x, 1)


def rules_of_its_own(x):
    return jax.nn.relu(x), jax.nn.logsumexp(x, axis=0), jax.nn.silu(x), _doubled(x)


def rematerialised(x):
    return jax.grad(lambda a: jax.checkpoint(lambda b: jnp.sin(jnp.sin(b)).sum())(a))(x)


@jax.custom_vjp
def _doubled(x):
    return x * 2


_doubled.defvjp(
    lambda x: (_doubled(x), (x, x.shape[0])), lambda kept, g: (g * 3 + kept[0] * kept[1],)
)


def _weights(rows, columns):
    return np.random.RandomState(rows * columns).randn(rows, columns).astype(np.float32)


PROGRAMS = {
    f.__name__: f
    for f in (
        *(mlp, cnn, attention_within_rows, attention_over_rows, scan_over_rows, scan_within_rows),
        *(softmax, layer_norm, argmax, cumulative, dynamic_slice, gather, scatter, concatenate),
        *(reshape, mean, broadcast, arange, size_as_number, random, while_loop, cond),
        *(gradient_inside, fori_over_rows, mapped, order, rules_of_its_own, rematerialised),
    )
}


def rows(count, seed=0):
    """An array of that many rows."""
    return np.random.RandomState(seed + count).randn(count, WIDTH).astype(np.float32)
