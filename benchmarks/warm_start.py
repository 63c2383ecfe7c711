"""The first result of a second process: jit with JAX's persistent cache, and tracegraph's cache.

The program is the 12-layer transformer's value and gradient. Each process is timed from the
decorator to the result; imports and the arguments are there before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.timing import Comparison, compare

BAR = 0.25

_PROGRAM: Final = """
import sys, time
import jax
import tracegraph as tg
from benchmarks import transformer

side, folder = sys.argv[1:]
key = jax.random.key(0)
arguments = jax.block_until_ready((transformer.init(key), transformer.batch(key)))


def step(params, tokens):
    return jax.value_and_grad(transformer.loss)(params, tokens)


if side == "jit":
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
start = time.perf_counter()
if side == "jit":
    decorated = jax.jit(step)
else:
    decorated = tg.function(step, cache=tg.Cache(folder), roll_layers=side == "rolled")
jax.block_until_ready(decorated(*arguments))
print(time.perf_counter() - start)
"""


def run() -> Iterator[Comparison]:
    """Two comparisons, each process a new one: as the program is written, and layers rolled."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("jit", "tracegraph", "rolled")
        jit, plain, rolled = (_process(side, str(Path(folder) / side)) for side in names)
        for side in (jit, plain, rolled):
            side()  # fills the caches
        yield compare("first result of a second process", jit, plain, rounds=5, bar=BAR)
        yield compare("the same with its layers rolled", jit, rolled, rounds=5, bar=BAR)


def _process(side: str, folder: str) -> Callable[[], float]:
    def measure() -> float:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, side, folder],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    return measure
