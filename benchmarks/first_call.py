"""The first call of a 12-layer transformer's value and gradient, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

import tracegraph as tg
from benchmarks import transformer
from benchmarks.timing import Comparison, compare, per_call

BAR = 1.15
ROLLED_BAR = 0.5


def run() -> Iterator[Comparison]:
    """The first call, and the first and later ones with layers rolled; prints where time goes."""
    key = jax.random.key(0)
    params, tokens = transformer.init(key), transformer.batch(key)

    def first_call(decorate: Callable[..., Any]) -> float:
        jax.clear_caches()
        step = decorate(jax.value_and_grad(transformer.loss))
        start = time.perf_counter()
        jax.block_until_ready(step(params, tokens))
        return time.perf_counter() - start

    def rolled(step: Callable[..., Any]) -> Any:
        return tg.function(step, roll_layers=True)

    first_call(jax.jit)  # JAX's own lazy imports, for both sides
    _print_stages(params, tokens)
    yield compare(
        "first call of a 12-layer transformer's value and gradient",
        lambda: first_call(jax.jit),
        lambda: first_call(tg.function),
        rounds=6,
        bar=BAR,
    )
    yield compare(
        "the same with its layers rolled",
        lambda: first_call(jax.jit),
        lambda: first_call(rolled),
        rounds=3,
        bar=ROLLED_BAR,
    )
    plain, ours = (decorate(jax.value_and_grad(transformer.loss)) for decorate in (jax.jit, rolled))
    yield compare(
        "each later call, layers rolled",
        per_call(lambda: plain(params, tokens), 20),
        per_call(lambda: ours(params, tokens), 20),
        rounds=11,
        bar=BAR,
    )


def _print_stages(params: Any, tokens: Any) -> None:
    jax.clear_caches()
    step = tg.function(jax.value_and_grad(transformer.loss))
    start = time.perf_counter()
    trace = step.trace(params, tokens)
    traced = time.perf_counter()
    lowered = trace.lower()
    lower = time.perf_counter()
    lowered.compile()
    done = time.perf_counter()
    times = trace.times
    ours = times.importing + times.passes + times.exporting
    rows = (
        ("trace (JAX)", (traced - start) * 1e3 - ours),
        ("import", times.importing),
        ("passes", times.passes),
        ("export", times.exporting),
        ("lower (JAX)", (lower - traced) * 1e3),
        ("compile (XLA)", (done - lower) * 1e3),
    )
    equations = len(jax.make_jaxpr(jax.value_and_grad(transformer.loss))(params, tokens).eqns)
    print(f"\nfirst call, {equations} equations at the top level:")
    for name, milliseconds in rows:
        print(f"  {name:<16} {milliseconds:9.1f} ms")
    for pass_run in trace.passes:
        print(
            f"    {pass_run.title:<24} {pass_run.milliseconds:7.1f} ms"
            f"  {pass_run.ops_before} -> {pass_run.ops_after} ops"
        )
