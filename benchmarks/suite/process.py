"""Processes that do nothing but compile and run one workload.

``python -m benchmarks.suite.process SIDE LEVEL NAME`` prints the peak memory of one side in bytes,
or for one of ``ORDERS`` the seconds of both sides, in pairs, the first before the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

CALLS: Final = 3
SIDES: Final = ("jit", "tracegraph")
ORDERS: Final = ("jit-first", "tracegraph-first")


def peak(side: str, level: str, name: str) -> int:
    """Measures a workload in a process of its own.

    Args:
        side: one of ``SIDES``.
        level: the numerics level of tracegraph's side.
        name: the workload's name.

    Returns:
        The most bytes that the process held at once.
    """
    return int(_output(side, level, name))


def pairs_alone(level: str, name: str, turn: int) -> list[tuple[float, float]]:
    """The seconds of both sides of a workload, measured in pairs in a process of its own.

    What is compiled first mostly lies better: two compilations of one program by plain jit differ
    by up to 7 % for it. So each side is the first in every other turn.

    Args:
        level: the numerics level of tracegraph's side.
        name: the workload's name.
        turn: its number; tracegraph's side is the first in odd turns.
    """
    order = ORDERS[turn % 2]
    pairs = json.loads(_output(order, level, name))
    return [(a, b) if order == ORDERS[0] else (b, a) for a, b in pairs]


def _output(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.suite.process", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def main(side: str, level: str, name: str) -> None:
    """Runs the workload and prints the peak, or the seconds of both sides."""
    import jax

    from benchmarks.memory import peak_bytes
    from benchmarks.suite.measure import sides
    from benchmarks.suite.pairs import given, in_pairs
    from benchmarks.suite.workloads import named

    call = named(name).make()
    if side in ORDERS:
        first, second = sides(call, level)[:: -1 if ORDERS.index(side) else 1]
        jax.block_until_ready([run(*given(call)) for run in (first, second)])
        print(json.dumps(in_pairs((call, first), (call, second))))
        return
    run = sides(call, level)[SIDES.index(side)]
    for _ in range(CALLS):
        jax.block_until_ready(run(*given(call)))
    print(peak_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
