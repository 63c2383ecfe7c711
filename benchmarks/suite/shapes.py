"""The sizes of the networks, for the suite and its peers: this file imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLASSES: Final = 10
KINDS: Final = ("forward", "train step")


@dataclass(frozen=True, slots=True)
class Size:
    """What makes two networks of one name the same model in two frameworks.

    Attributes:
        shape: the input's, f32, the batch first and the channels last.
        parameters: how many numbers are trained.
    """

    shape: tuple[int, ...]
    parameters: int


SIZES: Final[dict[str, Size]] = {
    "MLP": Size((128, 784), 2_913_290),
    "CNN with pooling": Size((32, 32, 32, 3), 113_738),
    "depthwise-separable net": Size((8, 96, 96, 3), 66_954),
    "ResNet blocks": Size((8, 32, 32, 32), 288_778),
    "transformer": Size((8, 128, 256), 1_582_602),
    "LSTM": Size((16, 64, 128), 396_810),
}


def workload_name(network: str, kind: str) -> str:
    """What the suite and its peers call a network's forward pass or training step."""
    return f"{network}, {kind}"
