"""What the rules are worth in steady state: programs with a pattern, and some without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp

import tracegraph as tg
from benchmarks.models import lstm_of_a_sum
from benchmarks.timing import Comparison, compare, per_call

BAR: Final = 1.03
"""Never slower, but for noise."""
ROUNDS: Final = 31

Array = jax.Array


class Case(NamedTuple):
    """A program, its arguments, and the numerics level at which it is measured."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    level: str = "rounding"


def _normal(seed: int, *shape: int) -> Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _mlp(weights: list[Array], x: Array, y: Array) -> Array:
    for weight in weights:
        x = jax.nn.gelu(x @ weight)
    return jnp.mean((x - y) ** 2)


def _lstm(weights: tuple[Array, Array], xs: Array) -> Array:
    return jnp.mean(lstm_of_a_sum(weights, xs) ** 2)


def _cases() -> dict[str, Case]:
    a, b, v = _normal(0, 768, 768), _normal(1, 768, 768), _normal(2, 768)
    weights = [_normal(i, 512, 512) * 0.05 for i in range(4)]
    gates = (_normal(3, 128, 512) * 0.1, _normal(4, 128, 512) * 0.1)
    return {
        "first rows of a product": Case(lambda a, b: jnp.tanh(a @ b)[:32], (a, b)),
        "trace of a product": Case(lambda a, b: jnp.trace(a @ b), (a, b)),
        "matrix, matrix, vector": Case(lambda a, b, v: a @ b @ v, (a, b, v), "reassociate"),
        "LSTM, value and gradient": Case(
            jax.value_and_grad(_lstm), (gates, _normal(5, 64, 16, 128))
        ),
        "MLP, value and gradient": Case(
            jax.value_and_grad(_mlp), (weights, _normal(6, 256, 512), _normal(7, 256, 512))
        ),
        "elementwise chain": Case(lambda a, b: jnp.sin(a) * b + jnp.cos(b), (a, b)),
        "softmax": Case(lambda a: jax.nn.softmax(a, -1), (a,)),
    }


def run() -> Iterator[Comparison]:
    """One comparison per program."""
    for name, case in _cases().items():
        plain, ours = jax.jit(case.function), tg.function(case.function, numerics=case.level)
        yield compare(
            f"{name}, level {case.level}",
            per_call(lambda f=plain, case=case: f(*case.arguments), 5),
            per_call(lambda f=ours, case=case: f(*case.arguments), 5),
            rounds=ROUNDS,
            bar=BAR,
        )
