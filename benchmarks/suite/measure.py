"""One row of the table: both sides in turn in one process, values compared, compile and memory."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

import tracegraph as tg
from benchmarks.memory import peak_bytes
from benchmarks.suite.pairs import given, in_pairs, speedup, until_settled
from benchmarks.suite.process import SIDES, pairs_alone, peak
from benchmarks.suite.same import is_same_program
from benchmarks.suite.workload import Call, Workload
from compiler.lowering.compare import Difference, differences
from compiler.lowering.inputs import few_ulps, moved
from compiler.rewrite.numerics import LEVELS

FIRST_CALLS: Final = 5
_BEFORE: Final = peak_bytes()
"""The peak of the process when nothing has been compiled yet, in bytes."""

NOTICED: Final = 1.02
"""Where the estimate of memory is above it, it is measured, in processes of their own."""

LARGEST_DIFFERENCE: Final = 1e-4
"""Of any output, in relation to its largest element: what single precision leaves after a step."""

OWN_NOISE: Final = 2.0
"""Where jit's own result moves further than that when its arguments move by a few ulps, it may
differ by so many times as much. An optimizer divides a gradient by its own size, and one that is
zero but for rounding, such as that of the bias of attention's keys, has no digits to compare."""

DRAWS: Final = 8
"""The arguments are moved so often: a number that crosses zero in front of a relu turns a whole
column of a gradient on or off, and does so in some of the draws only."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a workload, in seconds, bytes and ratios of plain jit over tracegraph.

    Attributes:
        name: the workload's.
        group: the group that it stands in.
        level: the numerics level of the tracegraph side.
        jit: seconds of a call of plain jit.
        ours: seconds of a call of tracegraph.
        speedup: the median over the pairs of jit's time over tracegraph's.
        first_call: tracegraph's first call over jit's, in seconds.
        memory: the peak of a process with tracegraph's program over that with jit's: by what XLA
            says of arguments, results and temporaries, and measured where that is noticeable.
        difference: the largest difference of any output in relation to its largest element.
        floor: the least seconds that the machine's limits allow for jit's program.
        fired: the rules and kernels that fired, each once.
        off: the largest difference of any output as a share of what that output may have, which
            is more where jit's own moves further when its arguments move by a few ulps.
        lead: how many times as fast a rewriting by hand was on another machine; 0 where none was.
        levels: the speed-ups at the numerics levels at which other rules fire.
        by_hand: how many times as fast that rewriting is here, by pairs with tracegraph's side; 0
            where there is none.
        hand_difference: the largest difference of what it gives from what jit gives.
        same_program: whether XLA made the same program of both sides.
    """

    name: str
    group: str
    level: str
    jit: float
    ours: float
    speedup: float
    first_call: float
    memory: float
    difference: float
    floor: float
    fired: tuple[str, ...]
    off: float = 0.0
    lead: float = 0.0
    levels: dict[str, float] = field(default_factory=dict[str, float])
    by_hand: float = 0.0
    hand_difference: float = 0.0
    same_program: bool = False

    @property
    def is_right(self) -> bool:
        """Whether the values agree, those of the rewriting by hand too."""
        return self.off <= 1 and self.hand_difference <= LARGEST_DIFFERENCE


def measure(workload: Workload, group: str, level: str, limits: tuple[float, float]) -> Row:
    """Measures a workload at a numerics level.

    Args:
        workload: the workload.
        group: what the row is listed under.
        level: the numerics level, where the workload names none.
        limits: FLOP/s and bytes/s of the machine.
    """
    level = workload.level or level
    call = workload.make()
    jax.block_until_ready(call.arguments)
    first = _first_calls(call, level)
    plain, ours = sides(call, level)
    expected = plain(*given(call))
    apart = _apart(expected, ours(*given(call)))
    again = partial(pairs_alone, level, workload.name)
    pairs = until_settled(in_pairs((call, plain), (call, ours)), again)
    gained = speedup(pairs)
    left, hand_difference = _by_hand(workload, call, ours, expected)
    compiled = [side.lower(*call.arguments).compile() for side in (plain, ours)]
    memory = _memory(workload.name, level, compiled)
    fired = _fired(call, ours)
    return Row(
        name=workload.name,
        group=group,
        level=level,
        jit=statistics.median(a for a, _ in pairs),
        ours=statistics.median(b for _, b in pairs),
        speedup=gained,
        first_call=first,
        memory=memory,
        difference=max(apart, default=0.0),
        floor=_floor(compiled[0], limits),
        fired=tuple(dict.fromkeys(fired)),
        off=_off(call, plain, expected, apart),
        lead=workload.lead,
        levels=_other_levels(workload, call, plain, level, fired),
        by_hand=gained * left,
        hand_difference=hand_difference,
        same_program=is_same_program(*(one.as_text() for one in compiled)),
    )


def _by_hand(workload: Workload, call: Call, ours: Any, expected: Any) -> tuple[float, float]:
    """How many times as fast as tracegraph the rewriting by hand is, and how far its values differ.

    It is the two of them that are compared: jit's side, if it is much slower, adds its noise.
    """
    if workload.by_hand is None:
        return 0.0, 0.0
    written = workload.by_hand.call(call)
    compiled = jax.jit(written.function, donate_argnums=written.donated)
    apart = _apart(workload.by_hand.kept(expected), compiled(*given(written)))
    difference = max(apart, default=0.0)
    return speedup(in_pairs((call, ours), (written, compiled))), difference


def _fired(call: Call, side: Any) -> tuple[str, ...]:
    """The rules and kernels that fired, in order, as often as they did."""
    return tuple(firing.rule for firing in side.trace(*call.arguments).rewrites)


def _other_levels(
    workload: Workload, call: Call, plain: Any, level: str, fired: tuple[str, ...]
) -> dict[str, float]:
    """The speed-ups at the levels at which other rules fire than did."""
    found: dict[str, float] = {}
    for other in (one for one in LEVELS if one != level):
        ours = sides(call, other)[1]
        if _fired(call, ours) != fired:
            again = partial(pairs_alone, other, workload.name)
            pairs = until_settled(in_pairs((call, plain), (call, ours)), again)
            found[other] = speedup(pairs)
    return found


def sides(call: Call, level: str) -> tuple[Any, Any]:
    """The workload's function compiled anew by plain jit, and by tracegraph at a level."""

    def fresh(*arguments: Any) -> Any:
        return call.function(*arguments)

    plain = jax.jit(fresh, donate_argnums=call.donated)
    return plain, tg.function(fresh, numerics=level, donate_argnums=call.donated)


def _off(call: Call, plain: Any, expected: Any, apart: Sequence[float]) -> float:
    """The largest difference of an output as a share of what it may have."""
    off = max(apart, default=0.0) / LARGEST_DIFFERENCE
    if off <= 1:
        return off
    draws = [_apart(expected, plain(*_near(call, seed))) for seed in range(DRAWS)]
    own = [max(moves) for moves in zip(*draws, strict=True)]
    return max(map(_share, apart, own))


def _share(one: float, own: float) -> float:
    """A difference as a share of what it may be, of an output that moves so far by itself."""
    allowed = max(LARGEST_DIFFERENCE, OWN_NOISE * own)
    return one / allowed if math.isfinite(one) else one  # other integers, or a nan: never right


def _near(call: Call, seed: int) -> list[Any]:
    """The arguments, their floating-point numbers moved by a few ulps."""
    rng = np.random.default_rng(seed)
    return [jax.tree.map(lambda leaf: moved(leaf, few_ulps, rng), one) for one in given(call)]


def _first_calls(call: Call, level: str) -> float:
    """The median ratio of first calls: neither side finds anything done before."""
    ratios: list[float] = []
    for turn in range(FIRST_CALLS):
        plain, ours = sides(call, level)
        seconds = {}
        for side in (plain, ours) if turn % 2 else (ours, plain):
            arguments = given(call)
            jax.clear_caches()
            gc.collect()
            start = time.perf_counter()
            jax.block_until_ready(side(*arguments))
            seconds[side] = time.perf_counter() - start
        ratios.append(seconds[ours] / seconds[plain])
    return statistics.median(ratios)


def _apart(expected: Any, found: Any) -> list[float]:
    """The largest difference of each output; infinite where nans or integers differ."""
    wanted = jax.tree.leaves(expected)
    both = differences(wanted, jax.tree.leaves(found))
    return list(map(_relative, both, map(_largest, wanted)))


def _relative(found: Difference, size: float) -> float:
    if found.same_bits:
        return 0.0
    return float("inf") if found.misplaced or not size else found.absolute / size


def _largest(array: Any) -> float:
    """The largest magnitude of an array of floats; 0 for others, which have to be equal."""
    if not jnp.issubdtype(array.dtype, np.floating) or not array.size:
        return 0.0
    return float(jnp.nanmax(jnp.abs(array.astype(jnp.float32))))


def _memory(name: str, level: str, compiled: Sequence[Any]) -> float:
    estimate = _peak(compiled[1]) / _peak(compiled[0])
    if estimate <= NOTICED:
        return estimate
    jit, ours = (peak(side, level, name) for side in SIDES)
    return ours / jit


def _peak(compiled: Any) -> float:
    found = compiled.memory_analysis()
    return (
        _BEFORE
        + found.argument_size_in_bytes
        + found.output_size_in_bytes
        + found.temp_size_in_bytes
        - found.alias_size_in_bytes
    )


def _floor(compiled: Any, limits: tuple[float, float]) -> float:
    """The time that the FLOPs or the bytes of the program take at the machine's limits."""
    cost = compiled.cost_analysis()
    return max(cost.get("flops", 0.0) / limits[0], cost.get("bytes accessed", 0.0) / limits[1])
