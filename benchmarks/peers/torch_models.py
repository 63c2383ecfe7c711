"""The networks of the suite for ``torch.compile``; runs in ``.venv-peers-torch``.

Written as PyTorch's own guides advise on the CPU: channels last for images, the model and its loss
compiled, AdamW fused. Convolutions with strides pad on both sides, as PyTorch does, where SAME
padding would add one row and column at the end only: shapes and work are the same.
"""

# ruff: noqa: D102 what a call does, the class says

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from benchmarks.peers.worker import Model, Peer, main
from benchmarks.suite.shapes import CLASSES, SIZES


def mlp() -> nn.Module:
    """Three dense layers of 1024 with gelu."""
    layers: list[nn.Module] = []
    for features in (784, 1024, 1024):
        layers += [nn.Linear(features, 1024), nn.GELU(approximate="tanh")]
    return nn.Sequential(*layers, nn.Linear(1024, CLASSES))


def pooling_cnn() -> nn.Module:
    """Three convolutions with max pooling between them."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * 128, CLASSES))


def separable_net() -> nn.Module:
    """Depthwise and pointwise convolutions in turn, as in mobile networks."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.ReLU()]
    channels = 32
    for features, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        layers += [
            nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels),
            nn.ReLU(),
            nn.Conv2d(channels, features, 1),
            nn.ReLU(),
        ]
        channels = features
    return nn.Sequential(*layers, MeanOfImage(), nn.Linear(channels, CLASSES))


class MeanOfImage(nn.Module):
    """The mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class ResidualBlock(nn.Module):
    """Two convolutions with group norm beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.GroupNorm(8, after, eps=1e-6),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.GroupNorm(8, after, eps=1e-6),
        )
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return f.relu(self.shortcut(x) + self.body(x))


def residual_blocks() -> nn.Module:
    """Two residual blocks."""
    blocks = (ResidualBlock(32, 64, 1), ResidualBlock(64, 128, 2))
    return nn.Sequential(*blocks, MeanOfImage(), nn.Linear(128, CLASSES))


class TransformerLayer(nn.Module):
    """A pre-norm layer: causal attention of eight heads, and a gelu MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.queries, self.keys, self.values, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norms[0](x))
        return x + self.down(f.gelu(self.up(self.norms[1](x)), approximate="tanh"))

    def _attend(self, x: Tensor) -> Tensor:
        heads = (
            part(x).unflatten(-1, (8, -1)).transpose(1, 2)
            for part in (self.queries, self.keys, self.values)
        )
        y = f.scaled_dot_product_attention(*heads, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(-2))


class Transformer(nn.Module):
    """Two layers, and a dense layer on the mean over the sequence."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(TransformerLayer(width) for _ in range(2)))
        self.norm, self.out = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.layers(x)).mean(1))


class Recurrent(nn.Module):
    """An LSTM over time, and a dense layer on its last state.

    PyTorch's LSTM has a second bias beside the one that flax's has: it stays zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.out = nn.LSTM(128, 256, batch_first=True), nn.Linear(256, CLASSES)
        nn.init.zeros_(self.cells.bias_ih_l0).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cells(x)[0][:, -1])


NETWORKS: Final[dict[str, Callable[[], nn.Module]]] = {
    "MLP": mlp,
    "CNN with pooling": pooling_cnn,
    "depthwise-separable net": separable_net,
    "ResNet blocks": residual_blocks,
    "transformer": Transformer,
    "LSTM": Recurrent,
}


def network_and_input(network: str) -> tuple[nn.Module, Tensor]:
    """The network and random numbers in the layout that it reads: images have channels second."""
    torch.manual_seed(0)
    net, x = NETWORKS[network](), torch.randn(SIZES[network].shape)
    if x.ndim < 4:
        return net, x
    # A view of numbers that stay where they are, which is what PyTorch calls channels last.
    return net.to(memory_format=torch.channels_last), x.permute(0, 3, 1, 2)


def parameters_of(net: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def _make(network: str, kind: str) -> Model:
    torch.compiler.reset()
    net, x = network_and_input(network)
    call = _forward(net.eval(), x) if kind == "forward" else _train_step(net.train(), x)
    return Model(parameters_of(net), call, float)


def _forward(net: nn.Module, x: Tensor) -> Callable[[], Any]:
    compiled = torch.compile(net)

    def call() -> Tensor:
        with torch.inference_mode():
            return compiled(x)[0, 0]

    return call


def _train_step(net: nn.Module, x: Tensor) -> Callable[[], Any]:
    labels = torch.arange(x.shape[0]) % CLASSES
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, eps=1e-6, weight_decay=1e-4, fused=True)
    loss_of = torch.compile(lambda: f.cross_entropy(net(x), labels))

    def call() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return call


if __name__ == "__main__":
    main(Peer("torch.compile", f"torch {torch.__version__}", torch.set_num_threads, _make))
