"""What runs in a peer's environment: measures its models and prints one line of JSON for each.

Imports nothing but the standard library, since a peer's environment has neither jax nor click.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.collector import collected_before
from benchmarks.suite.shapes import KINDS, SIZES, workload_name

SAMPLES: Final = 15
SECONDS_PER_SAMPLE: Final = 0.02
WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class Model:
    """A network in a peer's framework.

    Attributes:
        parameters: how many numbers it trains.
        call: does the forward pass or the training step once.
        wait: returns when what the call gave is computed.
    """

    parameters: int
    call: Callable[[], Any]
    wait: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Peer:
    """A framework's side of the suite.

    Attributes:
        name: what the table calls it.
        version: its packages and their versions.
        kinds: which of ``forward`` and ``train step`` it can do.
        start: fixes the number of threads; called once, before any model is made.
        make: makes a network of a name and a kind.
    """

    name: str
    version: str
    start: Callable[[int], None]
    make: Callable[[str, str], Model]
    kinds: tuple[str, ...] = KINDS


def main(peer: Peer) -> None:
    """Measures the workloads that the command line names, or all, and prints them as JSON.

    What the framework itself prints goes to the error stream.
    """
    parser = argparse.ArgumentParser(description=f"Measures {peer.name}.")
    parser.add_argument("names", nargs="*", help="parts of workloads' names")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    given = parser.parse_args()
    lines = sys.stdout
    with redirect_stdout(sys.stderr):
        peer.start(given.threads)
        print(json.dumps({"version": peer.version}), file=lines, flush=True)
        for workload, seconds in _medians(peer, given.names, given.samples):
            line = {"workload": workload, "seconds": seconds}
            print(json.dumps(line), file=lines, flush=True)


def _medians(peer: Peer, names: list[str], samples: int) -> Iterator[tuple[str, float]]:
    for network, size in SIZES.items():
        for kind in peer.kinds:
            workload = workload_name(network, kind)
            if names and not any(name in workload for name in names):
                continue
            model = peer.make(network, kind)
            if model.parameters != size.parameters:
                raise ValueError(
                    f"{workload} of {peer.name} is another model: it trains {model.parameters} "
                    f"numbers, and {size.parameters} in benchmarks/suite/shapes.py"
                )
            yield workload, median_seconds(model, samples)


def median_seconds(model: Model, samples: int = SAMPLES) -> float:
    """The median seconds of a call, after calls that compile and warm up."""
    for _ in range(WARM_UP):
        model.wait(model.call())
    calls = max(1, math.ceil(SECONDS_PER_SAMPLE / max(1e-7, _sample(model, 1))))
    with collected_before():
        return statistics.median(_sample(model, calls) for _ in range(samples))


def _sample(model: Model, calls: int) -> float:
    """The mean seconds of a run of calls."""
    result: Any = None
    start = time.perf_counter()
    for _ in range(calls):
        result = model.call()
    model.wait(result)
    return (time.perf_counter() - start) / calls
