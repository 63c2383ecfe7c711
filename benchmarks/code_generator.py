"""Whether programs that XLA is told to write element by element compile sooner and run as fast.

Both sides are the same program: the first as XLA writes it unless it is told otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp

from benchmarks.suite.workload import normal
from benchmarks.timing import Comparison, compare, per_call
from compiler.lowering.code_generator import (
    ELEMENT_BY_ELEMENT,
    IS_MEASURED,
    KERNELS_AS_FAST,
    xla_options,
)
from compiler.lowering.inputs import random_arguments
from compiler.lowering.kernels import KERNELS
from compiler.lowering.rule_cases import apply, base_case, function_of

AS_FAST: Final = 1.08
"""As fast, but for noise; a kernel that is slower expires from ``KERNELS_AS_FAST``."""

SOONER: Final = 1.0
ROUNDS: Final = 9
CALLS: Final = 5
SIZE: Final = 1024

LOOPS: Final[Mapping[str, Callable[..., Any]]] = {
    "x + y": lambda x, y: x + y,
    "floor": lambda x: jnp.floor(x),
    "abs": lambda x: jnp.abs(x),
    "cube": lambda x: x**3,
    "to bfloat16": lambda x: x.astype(jnp.bfloat16),
    "tanh": lambda x: jnp.tanh(x),
    "exp": lambda x: jnp.exp(x),
    "log": lambda x: jnp.log(x * x + 0.1),
    "power": lambda x, y: jnp.abs(x) ** y,
    "gelu": lambda x, y: jax.nn.gelu(x) * y,
    "stack": lambda x, y: jnp.stack([x, y], -1),
    "differences": lambda x: x[1:, 1:] - x[:-1, :-1],
    "gradient of Huber's loss": jax.grad(
        lambda x, y: jnp.where(jnp.abs(x - y) < 1, (x - y) ** 2, jnp.abs(x - y)).sum()
    ),
}
"""Loops over the elements of one or two square arrays."""


def run() -> Iterator[Comparison]:
    """Two comparisons, compiled and run, for each loop and for the kernels' programs."""
    if not IS_MEASURED:
        return
    for name, loop in LOOPS.items():
        count = len(inspect.signature(loop).parameters)
        yield from _both(name, loop, [normal(seed, SIZE, SIZE) for seed in range(count)])
    for name in KERNELS_AS_FAST:
        for number, evidence in enumerate(KERNELS[name].current_evidence):
            captured = base_case(evidence.program).captured
            graph = apply(KERNELS[name].rule(), captured).graph
            if not xla_options(graph, (name,)):
                continue
            yield from _both(
                f"{name} #{number + 1}", function_of(graph), random_arguments(captured, 0)
            )


def _both(name: str, program: Callable[..., Any], arguments: list[Any]) -> Iterator[Comparison]:
    lowered = jax.jit(program).lower(*arguments)
    told = {ELEMENT_BY_ELEMENT[0]: ELEMENT_BY_ELEMENT[1]}
    yield compare(
        f"{name}, compiled",
        lambda: _seconds(lowered, {}),
        lambda: _seconds(lowered, told),
        rounds=3,
        bar=SOONER,
    )
    usual, ours = lowered.compile(), lowered.compile(compiler_options=told)
    yield compare(
        f"{name}, run",
        per_call(lambda: usual(*arguments), CALLS),
        per_call(lambda: ours(*arguments), CALLS),
        rounds=ROUNDS,
        bar=AS_FAST,
    )


def _seconds(lowered: Any, options: dict[str, Any]) -> float:
    jax.clear_caches()  # what was lowered is compiled once for each choice of options
    start = time.perf_counter()
    lowered.compile(compiler_options=options)
    return time.perf_counter() - start
