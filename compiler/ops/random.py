"""Random numbers. A key decides them, so equal draws from one key are one value."""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "random"

_BY_KEY: Final = [
    "iota_2x32_shape",
    "philox2x32",
    "philox4x32",
    "random_bits",
    "random_clone",
    "random_fold_in",
    "random_gamma",
    "random_seed",
    "random_split",
    "random_unwrap",
    "random_wrap",
    "rng_bit_generator",
    "threefry2x32",
    "threefry4x32",
]

DEFINITIONS: Final = (
    *(OpDef(name, FAMILY) for name in _BY_KEY),
    # Draws from the device's own generator: two equal draws differ, and an unused one may be seen
    # in the next.
    OpDef("rng_uniform", FAMILY, pure=False, stable=False),
)
