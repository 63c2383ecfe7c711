"""``python -m benchmarks.peers [NAME ...]``: measures the peers and keeps their medians.

Each peer runs in a process of its own environment, one after the other, on as many threads as jax
uses. Run it on a quiet machine: peers that wait for each other's threads in a loop lose most by
company.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from benchmarks.peers.results import JIT, OURS, Measured, merged, read, write
from benchmarks.peers.worker import SAMPLES

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Side:
    """A peer's name in the table, its environment, and the module that measures it there.

    Without an environment it is measured in this one.
    """

    name: str
    environment: str
    module: str

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return (
            ROOT / self.environment / "bin" / "python" if self.environment else Path(sys.executable)
        )


SIDES: Final = (
    Side(JIT, "", "benchmarks.peers.jit_models"),
    Side(OURS, "", "benchmarks.peers.tracegraph_models"),
    Side("torch.compile", ".venv-peers-torch", "benchmarks.peers.torch_models"),
    Side("TensorFlow with XLA", ".venv-peers-tensorflow", "benchmarks.peers.tensorflow_models"),
    Side("ONNX Runtime", ".venv-peers-torch", "benchmarks.peers.onnx_models"),
)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--only", help="A part of the peer's name; the others are left out.")
@click.option("--samples", default=SAMPLES, show_default=True, help="Fewer for a quick look.")
@click.option("--keep", is_flag=True, help="Merge the medians into benchmarks/results/peers.json.")
def main(names: tuple[str, ...], only: str | None, samples: int, keep: bool) -> None:
    """Measures the peers on the workloads whose names contain one of NAMES, or on all of them."""
    sides = [side for side in SIDES if not only or only.lower() in side.name.lower()]
    if not sides:
        known = ", ".join(side.name for side in SIDES)
        raise click.BadParameter(f"no peer is called so; there are {known}", param_hint="--only")
    for side in sides:
        if not side.python.exists():
            print(f"{side.name}: left out, {missing(side)}")
            continue
        found = measured(side, ("--samples", str(samples), *names))
        if keep:
            write(merged(read(), found))


def missing(side: Side) -> str:
    """Why a peer cannot run, and what to do about it."""
    return f"there is no {side.environment}; make {side.environment}/.locked builds it"


def measured(side: Side, arguments: Sequence[str]) -> Measured:
    """Runs a peer in its environment and prints the medians as they come.

    Raises:
        click.ClickException: the peer's process failed.
    """
    command = [str(side.python), "-m", side.module, "--threads", str(threads()), *arguments]
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            assert process.stdout is not None
            found = from_lines(side.name, process.stdout)
        if process.returncode:
            errors.seek(0)
            said = errors.read().strip().splitlines() or ["it said nothing"]
            raise click.ClickException(f"{side.name}: its process failed: {said[-1]}")
    return found


def from_lines(peer: str, lines: Iterable[str]) -> Measured:
    """Reads what a peer's process prints: its version first, then a line for each workload."""
    setting, seconds = "", {}
    for line in lines:
        data = json.loads(line)
        if "version" in data:
            setting = f"{data['version']}, {threads()} threads, {platform.machine()}"
            print(f"{peer}: {setting}", flush=True)
            continue
        seconds[data["workload"]] = data["seconds"]
        print(f"{peer}: {data['workload']}: {data['seconds'] * 1e3:.3g} ms", flush=True)
    return Measured(peer, setting, seconds)


def threads() -> int:
    """How many cores this process may use: as many threads as jax's CPU client takes."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
