"""Costs of models that people train, against counts by hand, and beside XLA's own figures.

Every count is written down from the shapes alone. A product of [m, k] and [k, n] is 2·m·k·n FLOPs;
on the way back it costs that once for each of its operands that a gradient is taken of.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import tracegraph as tg
from tracegraph.costs.report import CostReport, cost_report

PRODUCTS = ("dot_general", "conv_general_dilated")
XLA_AGREES = {"transformer": 1.05, "resnet": 1.2, "vae": 1.05}
"""XLA's count is within this factor of ours. It leaves the padding of a convolution out: windows of
3 on a row of 8 pixels see 22 and not 24, and (24 / 22) ** 2 is 1.19."""


def shape(*dims, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


def product(m, k, n):
    return 2 * m * k * n


def costs(function, *args) -> CostReport:
    """The costs of a function as it was written."""
    return cost_report(tg.function(function).trace(*args).captured)


def flops_of(report: CostReport, *names: str) -> int:
    return sum(row.cost.flops for row in report.ops if row.name in names)


def beside_xla(function, *args) -> float:
    """Our count of the optimized graph over XLA's."""
    report = tg.function(function).cost(*args)
    assert report.xla is not None
    return report.total.flops / report.xla.flops


# A transformer: two blocks of attention and a feed-forward network, and a loss over its vocabulary.

BATCH, LENGTH, WIDTH, HEADS, HIDDEN, VOCABULARY, BLOCKS = 2, 16, 32, 4, 64, 100, 2
TOKENS = BATCH * LENGTH


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x + nn.MultiHeadDotProductAttention(num_heads=HEADS)(nn.LayerNorm()(x))
        return x + nn.Dense(WIDTH)(nn.gelu(nn.Dense(HIDDEN)(nn.LayerNorm()(x))))


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(VOCABULARY, WIDTH)(tokens)
        for _ in range(BLOCKS):
            x = Block()(x)
        return nn.Dense(VOCABULARY)(nn.LayerNorm()(x))


TRANSFORMER = Transformer()
SEQUENCES = shape(BATCH, LENGTH, dtype=jnp.int32)
WEIGHTS = jax.eval_shape(TRANSFORMER.init, jax.random.key(0), SEQUENCES)


def transformer_loss(weights, tokens):
    logits = TRANSFORMER.apply(weights, tokens)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], axis=-1)
    return -chosen.mean()


def transformer_products():
    """FLOPs of all matrix products, forward; each has a gradient by both operands."""
    projections = 4 * product(TOKENS, WIDTH, WIDTH)  # queries, keys, values, and the way out
    scores = BATCH * HEADS * product(LENGTH, WIDTH // HEADS, LENGTH)
    mixed = BATCH * HEADS * product(LENGTH, LENGTH, WIDTH // HEADS)
    feed_forward = product(TOKENS, WIDTH, HIDDEN) + product(TOKENS, HIDDEN, WIDTH)
    block = projections + scores + mixed + feed_forward
    return BLOCKS * block + product(TOKENS, WIDTH, VOCABULARY)


def test_a_transformer_forward():
    report = costs(transformer_loss, WEIGHTS, SEQUENCES)
    assert flops_of(report, *PRODUCTS) == transformer_products()
    # softmax: an exponential for each score; the loss: one for each logit, and a log for each row
    exponentials = BLOCKS * BATCH * HEADS * LENGTH**2 + TOKENS * VOCABULARY
    assert exponential_of(report) == exponentials


def exponential_of(report):
    return sum(row.cost.transcendentals for row in report.ops if row.name == "exp")


def test_a_transformer_and_its_gradient():
    report = costs(jax.value_and_grad(transformer_loss), WEIGHTS, SEQUENCES)
    assert flops_of(report, *PRODUCTS) == 3 * transformer_products()


# A ResNet block: two convolutions of 3 x 3 around which the input goes.

IMAGES, SIDE, CHANNELS, GROUPS = 2, 8, 16, 4
PIXELS = IMAGES * SIDE * SIDE


class ResidualBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.relu(nn.GroupNorm(num_groups=GROUPS)(nn.Conv(CHANNELS, (3, 3))(x)))
        y = nn.GroupNorm(num_groups=GROUPS)(nn.Conv(CHANNELS, (3, 3))(y))
        return nn.relu(x + y)


RESNET = ResidualBlock()
PICTURES = shape(IMAGES, SIDE, SIDE, CHANNELS)
KERNELS = jax.eval_shape(RESNET.init, jax.random.key(0), PICTURES)


def resnet_loss(weights, images):
    return jnp.sum(RESNET.apply(weights, images) ** 2)


CONVOLUTION = product(PIXELS, 3 * 3 * CHANNELS, CHANNELS)


def test_a_resnet_block_forward():
    report = costs(resnet_loss, KERNELS, PICTURES)
    assert flops_of(report, *PRODUCTS) == 2 * CONVOLUTION
    # rectified twice; the square and the sum of all results, and the input that goes around
    assert flops_of(report, "max") >= 2 * PIXELS * CHANNELS
    assert flops_of(report, "integer_pow") >= PIXELS * CHANNELS


def test_a_resnet_block_and_its_gradient():
    report = costs(jax.value_and_grad(resnet_loss), KERNELS, PICTURES)
    # the first convolution has a gradient by its kernel, the second by its input as well
    assert flops_of(report, *PRODUCTS) == (2 + 1 + 2) * CONVOLUTION


# A variational autoencoder of nnx: one layer to the code and one back.

ROWS, PLAIN, CODE = 4, 64, 8
INNER = 32


class VAE(nnx.Module):
    def __init__(self, rngs):
        self.encoder = nnx.Linear(PLAIN, INNER, rngs=rngs)
        self.mean = nnx.Linear(INNER, CODE, rngs=rngs)
        self.deviation = nnx.Linear(INNER, CODE, rngs=rngs)
        self.decoder = nnx.Linear(CODE, PLAIN, rngs=rngs)

    def __call__(self, x, noise):
        hidden = nnx.relu(self.encoder(x))
        mean, deviation = self.mean(hidden), self.deviation(hidden)
        sample = mean + jnp.exp(0.5 * deviation) * noise
        return self.decoder(sample), mean, deviation


def vae_loss(model, x, noise):
    decoded, mean, deviation = model(x, noise)
    divergence = -0.5 * jnp.sum(1 + deviation - mean**2 - jnp.exp(deviation))
    return jnp.sum((decoded - x) ** 2) + divergence


def vae_arguments():
    return VAE(nnx.Rngs(0)), jnp.zeros((ROWS, PLAIN)), jnp.zeros((ROWS, CODE))


ENCODED = product(ROWS, PLAIN, INNER)
HEAD = product(ROWS, INNER, CODE)
DECODED = product(ROWS, CODE, PLAIN)


def test_a_vae_forward_to_the_last_flop():
    report = costs(vae_loss, *vae_arguments())
    assert flops_of(report, *PRODUCTS) == ENCODED + 2 * HEAD + DECODED
    biases = ROWS * (INNER + 2 * CODE + PLAIN)
    rectified = ROWS * INNER
    sampled = 3 * ROWS * CODE  # halved, times the noise, plus the mean
    # 1 + deviation, the square, two differences; their sum, and its product with -0.5
    divergence = 4 * ROWS * CODE + (ROWS * CODE - 1) + 1
    # the difference, its square, their sum; and the sum of both losses
    reconstruction = 2 * ROWS * PLAIN + (ROWS * PLAIN - 1) + 1
    elementwise = biases + rectified + sampled + divergence + reconstruction
    assert report.total.flops == ENCODED + 2 * HEAD + DECODED + elementwise
    assert report.total.transcendentals == 2 * ROWS * CODE
    assert report.total.exact


def test_a_vae_and_its_gradient():
    report = costs(nnx.value_and_grad(vae_loss), *vae_arguments())
    # of the encoder's product by its weights alone; of all others by the input as well
    assert flops_of(report, *PRODUCTS) == 2 * ENCODED + 3 * (2 * HEAD + DECODED)


@pytest.mark.parametrize("gradient", [False, True], ids=["forward", "gradient"])
@pytest.mark.parametrize("model", XLA_AGREES)
def test_xla_counts_about_the_same(model, gradient):
    function, args = {
        "transformer": (transformer_loss, (WEIGHTS, SEQUENCES)),
        "resnet": (resnet_loss, (KERNELS, PICTURES)),
        "vae": (vae_loss, vae_arguments()),
    }[model]
    with_gradient = nnx.value_and_grad if model == "vae" else jax.value_and_grad
    ratio = beside_xla(with_gradient(function) if gradient else function, *args)
    assert 1 / XLA_AGREES[model] < ratio < XLA_AGREES[model]
