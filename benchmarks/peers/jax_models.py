"""The networks of the suite for jax: what the peers' times stand beside, measured as theirs are.

In the suite jit and tracegraph are called in turn, and each finds the other's arrays in the caches.
A peer runs alone, and so do both here; parameters and state go from call to call.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from benchmarks.peers.worker import Model, Peer
from benchmarks.suite.networks import NETWORKS
from benchmarks.suite.shapes import workload_name


def peer(name: str, compile: Callable[..., Any]) -> Peer:
    """The side of a decorator that takes ``donate_argnums``, as ``jax.jit`` does."""

    def make(network: str, kind: str) -> Model:
        workload = next(one for one in NETWORKS if one.name == workload_name(network, kind))
        call = workload.make()
        step = compile(call.function, donate_argnums=call.donated)
        kept, rest = list(call.arguments[: len(call.donated)]), call.arguments[len(call.donated) :]

        def run() -> Any:
            result = step(*kept, *rest)
            if kept:
                kept[:] = result[: len(kept)]
            return result

        parameters = sum(leaf.size for leaf in jax.tree.leaves(call.arguments[0]))
        return Model(parameters, run, jax.block_until_ready)

    return Peer(name, f"jax {jax.__version__}, jaxlib {jax.lib.__version__}", _start, make)


def _start(threads: int) -> None:
    """Nothing: jax takes as many threads as there are cores for the process."""
    del threads
