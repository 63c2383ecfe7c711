"""Whole model programs: the same bits at the level ``exact``, and close at every other level.

These are the programs of ``benchmarks/``. At ``exact`` only rules may fire that keep the bits of
every op; that XLA compiles both forms to the same bits as well is what is tested here.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import pytest

import tracegraph as tg
from benchmarks import transformer
from benchmarks.models import MODELS, Model
from tests.differential.harness import assert_same_value

STEPS = 4096.0
"""Roundings that the levels above ``exact`` may add up to over a whole training step."""


@functools.cache
def model(name: str) -> Model:
    return MODELS[name]()


@functools.cache
def expected(name: str) -> Any:
    return jax.jit(model(name).function)(*model(name).arguments)


@pytest.mark.parametrize("name", MODELS)
def test_exact_numerics_gives_the_bits_of_jit(name: str) -> None:
    function, arguments = model(name)
    found = tg.function(function, numerics="exact")(*arguments)
    assert_same_value(expected(name), found)


@pytest.mark.parametrize("level", ["rounding", "fast"])
@pytest.mark.parametrize("name", MODELS)
def test_every_level_gives_close_values(name: str, level: str) -> None:
    function, arguments = model(name)
    found = tg.function(function, numerics=level)(*arguments)
    assert_same_value(expected(name), found, roundings=STEPS)


@pytest.mark.slow
def test_exact_numerics_on_a_transformer_of_twelve_layers() -> None:
    key = jax.random.key(0)
    arguments = (transformer.init(key), transformer.batch(key))
    step = jax.value_and_grad(transformer.loss)
    found = tg.function(step, numerics="exact")(*arguments)
    assert_same_value(jax.jit(step)(*arguments), found)
