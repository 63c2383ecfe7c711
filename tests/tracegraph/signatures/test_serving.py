"""A real case: an inference function that is called with twenty batch sizes."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg

BATCHES = (1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 20, 23, 25, 28, 30, 31, 32)
BUCKETS = {"batch": (8, 16, 32)}
IMAGES = tg.Spec(("batch", 8, 8, 1), "float32")


class LinenNetwork(nn.Module):
    @nn.compact
    def __call__(self, images):
        hidden = nn.relu(nn.Conv(4, (3, 3))(images))
        hidden = nn.avg_pool(hidden, (2, 2), (2, 2))
        hidden = nn.BatchNorm(use_running_average=True)(hidden)
        tokens = hidden.reshape(hidden.shape[0], 16, 4)
        tokens = nn.LayerNorm()(tokens + nn.MultiHeadDotProductAttention(num_heads=2)(tokens))
        return nn.Dense(10)(tokens.reshape(tokens.shape[0], -1))


class NnxNetwork(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.head = nnx.Linear(256, 10, rngs=rngs)

    def __call__(self, images):
        hidden = nnx.gelu(self.norm(self.conv(images)))
        return self.head(hidden.reshape(hidden.shape[0], -1))


def linen_network():
    network = LinenNetwork()
    variables = network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    return network.apply, variables


def nnx_network():
    graph, state = nnx.split(NnxNetwork(nnx.Rngs(0)))
    return lambda state, images: nnx.merge(graph, state)(images), state


def images(batch):
    return np.random.RandomState(batch).randn(batch, 8, 8, 1).astype(np.float32)


NETWORKS = {"linen": linen_network, "nnx": nnx_network}


@pytest.mark.parametrize("network", NETWORKS)
def test_buckets_serve_twenty_sizes_with_three_executables(network):
    apply, state = NETWORKS[network]()
    runs = []

    @tg.function(input_signature=[None, IMAGES], buckets=BUCKETS)
    def predict(state, x):
        runs.append(1)
        logits = apply(state, x)
        return {"label": jnp.argmax(logits, -1), "probability": jax.nn.softmax(logits)}

    plain = jax.jit(apply)
    for batch in BATCHES:
        found, expected = predict(state, images(batch)), plain(state, images(batch))
        assert found["label"].shape == (batch,)
        np.testing.assert_array_equal(found["label"], jnp.argmax(expected, -1))
        np.testing.assert_allclose(
            found["probability"], jax.nn.softmax(expected), rtol=2e-5, atol=1e-6
        )
    assert len(runs) == 1
    assert {row.bucket for row in predict.signatures()} == {f"batch = {n}" for n in (8, 16, 32)}
    assert len(predict.signatures()) == 3


@pytest.mark.parametrize("network", NETWORKS)
def test_one_trace_serves_all_sizes_bit_for_bit(network):
    apply, state = NETWORKS[network]()
    runs = []

    @tg.function(input_signature=[None, IMAGES], passes="")
    def predict(state, x):
        runs.append(1)
        return apply(state, x)

    plain = jax.jit(apply)
    for batch in BATCHES[::5]:
        found, expected = predict(state, images(batch)), plain(state, images(batch))
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()
    assert len(runs) == 1
