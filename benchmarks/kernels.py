"""Whether each kernel still pays where it was measured: the op alone, kernel against plain jit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import jax

from benchmarks.timing import Comparison, compare, per_call
from compiler.lowering.inputs import random_arguments
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.kernel import Evidence, Kernel
from compiler.lowering.rule_cases import apply, base_case, function_of

BAR: Final = 1 / 1.1
"""A kernel that is not a tenth faster any more has expired: give it an ``until``."""

ROUNDS: Final = 15


def run() -> Iterator[Comparison]:
    """One comparison for each piece of evidence of the kernels that are in use."""
    for kernel in KERNELS.values():
        for number, evidence in enumerate(kernel.current_evidence):
            yield _compare(kernel, evidence, number)


def _compare(kernel: Kernel, evidence: Evidence, number: int) -> Comparison:
    captured = base_case(evidence.program).captured
    arguments = random_arguments(captured, 0)
    plain = _compiled(captured, arguments)
    ours = _compiled(apply(kernel.rule(), captured).graph, arguments)
    claimed = f"claimed {evidence.ratio:.1f} times faster with jaxlib {evidence.jaxlib}"
    return compare(
        f"kernel {kernel.name} #{number + 1}, {claimed}",
        per_call(lambda: plain(*arguments), 5),
        per_call(lambda: ours(*arguments), 5),
        rounds=ROUNDS,
        bar=BAR,
    )


def _compiled(graph: Any, arguments: list[Any]) -> Any:
    return jax.jit(function_of(graph)).lower(*arguments).compile()
