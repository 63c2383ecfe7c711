"""The networks of the suite for TensorFlow with XLA; runs in ``.venv-peers-tensorflow``.

Keras layers, the whole forward pass or training step in one ``tf.function(jit_compile=True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.peers.worker import Model, Peer, main
from benchmarks.suite.shapes import CLASSES, SIZES


def gelu(x: Any) -> Any:
    """The approximation by tanh, which is flax's."""
    return tf.nn.gelu(x, approximate=True)


def mlp(x: Any) -> Any:
    """Three dense layers of 1024 with gelu."""
    for _ in range(3):
        x = layers.Dense(1024, activation=gelu)(x)
    return x


def pooling_cnn(x: Any) -> Any:
    """Three convolutions with max pooling between them."""
    for features in (32, 64, 128):
        x = layers.Conv2D(features, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    return layers.Flatten()(x)


def separable_net(x: Any) -> Any:
    """Depthwise and pointwise convolutions in turn, as in mobile networks."""
    x = layers.Conv2D(32, 3, 2, padding="same", activation="relu")(x)
    for features, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        x = layers.DepthwiseConv2D(3, stride, padding="same", activation="relu")(x)
        x = layers.Conv2D(features, 1, activation="relu")(x)
    return layers.GlobalAveragePooling2D()(x)


def residual_blocks(x: Any) -> Any:
    """Two residual blocks with group norm."""
    for features, stride in ((64, 1), (128, 2)):
        y = layers.Conv2D(features, 3, stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.GroupNormalization(8, epsilon=1e-6)(y))
        y = layers.Conv2D(features, 3, padding="same", use_bias=False)(y)
        y = layers.GroupNormalization(8, epsilon=1e-6)(y)
        x = layers.Conv2D(features, 1, stride, use_bias=False)(x)
        x = layers.ReLU()(x + y)
    return layers.GlobalAveragePooling2D()(x)


def transformer(x: Any) -> Any:
    """Two pre-norm layers with causal attention of eight heads."""
    width = x.shape[-1]
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + layers.MultiHeadAttention(8, width // 8)(y, y, use_causal_mask=True)
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + layers.Dense(width)(layers.Dense(4 * width, activation=gelu)(y))
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))


def recurrent(x: Any) -> Any:
    """An LSTM over time: its last state."""
    return layers.LSTM(256)(x)


NETWORKS: Final[dict[str, Callable[[Any], Any]]] = {
    "MLP": mlp,
    "CNN with pooling": pooling_cnn,
    "depthwise-separable net": separable_net,
    "ResNet blocks": residual_blocks,
    "transformer": transformer,
    "LSTM": recurrent,
}


def _start(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(0)


def _make(network: str, kind: str) -> Model:
    keras.backend.clear_session()
    shape = SIZES[network].shape
    given = keras.Input(shape[1:], shape[0])
    net = keras.Model(given, layers.Dense(CLASSES)(NETWORKS[network](given)))
    x = tf.random.normal(shape)
    call = _forward(net, x) if kind == "forward" else _train_step(net, x)
    parameters = sum(int(np.prod(v.shape)) for v in net.trainable_variables)
    return Model(parameters, call, lambda result: result.numpy())


def _forward(net: keras.Model, x: tf.Tensor) -> Callable[[], Any]:
    compiled = tf.function(lambda x: net(x, training=False), jit_compile=True)
    return lambda: compiled(x)


def _train_step(net: keras.Model, x: tf.Tensor) -> Callable[[], Any]:
    labels = tf.range(x.shape[0]) % CLASSES
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4, epsilon=1e-6)
    optimizer.build(net.trainable_variables)

    @tf.function(jit_compile=True)
    def step(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = net(x, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply(gradients, net.trainable_variables)
        return loss

    return lambda: step(x, labels)


if __name__ == "__main__":
    version = f"tensorflow {tf.__version__}, keras {keras.__version__}"
    main(Peer("TensorFlow with XLA", version, _start, _make))
