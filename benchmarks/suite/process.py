"""The peak memory of a process that does nothing but compile and run one workload, on one side.

``python -m benchmarks.suite.process SIDE LEVEL NAME`` prints it, in bytes.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

CALLS: Final = 3
SIDES: Final = ("jit", "tracegraph")


def peak(side: str, level: str, name: str) -> int:
    """Measures a workload in a process of its own.

    Args:
        side: one of ``SIDES``.
        level: the numerics level of tracegraph's side.
        name: the workload's name.

    Returns:
        The most bytes that the process held at once.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.suite.process", side, level, name],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def main(side: str, level: str, name: str) -> None:
    """Runs the workload and prints the peak."""
    import jax

    from benchmarks.suite.measure import sides
    from benchmarks.suite.pairs import given
    from benchmarks.suite.workloads import named

    call = named(name).make()
    run = sides(call, level)[SIDES.index(side)]
    for _ in range(CALLS):
        jax.block_until_ready(run(*given(call)))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
