"""Two sides called in turn, and again in other processes where the second seems slower."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import jax
import jax.numpy as jnp

from benchmarks.collector import collected_before
from benchmarks.suite.workload import Call

ROUNDS: Final = 16
LEAST_ROUNDS: Final = 5
SECONDS_PER_PAIRING: Final = 4.0
"""A program whose calls take so long that the rounds take more is measured in fewer of them."""

SECONDS_PER_SAMPLE: Final = 0.02
SLOWER: Final = 0.97
NEAR: Final = 0.99
"""A program that seems slower than that is measured with the other side compiled first, too."""

MORE_TURNS: Final = (2, 4)
"""One that still seems slower than ``SLOWER`` is measured again, in two turns each time."""

Pairs: TypeAlias = "list[tuple[float, float]]"
"""Seconds of a call of both sides, by round."""

Side: TypeAlias = "tuple[Call, Any]"
"""What is compiled, and what it is called with."""


def given(call: Call) -> list[Any]:
    """The arguments, those that are given away copied."""
    return [
        jax.tree.map(jnp.copy, value) if place in call.donated else value
        for place, value in enumerate(call.arguments)
    ]


def speedup(pairs: Pairs) -> float:
    """The median over the rounds of the first side's time over the second's."""
    return statistics.median(a / b for a, b in pairs)


def in_pairs(first: Side, second: Side) -> Pairs:
    """The seconds of both sides in turn: first, second, second, first in each round.

    So what drifts within a round is the same for both.
    """
    calls = max(1, round(SECONDS_PER_SAMPLE / max(1e-7, _sample(first, 1))))
    found: Pairs = []
    begin = time.perf_counter()
    with collected_before():
        for turn in range(ROUNDS):
            if turn >= LEAST_ROUNDS and time.perf_counter() - begin > SECONDS_PER_PAIRING:
                break
            a, b, again_b, again_a = (_sample(s, calls) for s in (first, second, second, first))
            found.append(((a + again_a) / 2, (b + again_b) / 2))
    return found


def until_settled(pairs: Pairs, again: Callable[[int], Pairs]) -> Pairs:
    """The seconds of both sides; measured again as long as the second seems slower.

    Where buffers and code lie decides over several percent, and mostly stays as it is for as long
    as the process lives. All rounds count, and each side is compiled first in half of them: an odd
    turn is one with the second side first.

    Args:
        pairs: what was measured first.
        again: measures in another process; it is given the number of the turn.
    """
    if speedup(pairs) >= NEAR:
        return pairs
    pairs = [*pairs, *again(1)]
    for turn in MORE_TURNS:
        if speedup(pairs) < SLOWER:
            pairs = [*pairs, *again(turn), *again(turn + 1)]
    return pairs


def _sample(side: Side, calls: int) -> float:
    """The mean seconds of a run of calls; donated arguments are copied beforehand."""
    call, function = side
    sets = [given(call) for _ in range(calls if call.donated else 1)]
    jax.block_until_ready(sets)
    result: Any = None
    start = time.perf_counter()
    for index in range(calls):
        result = function(*sets[index % len(sets)])
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / calls
