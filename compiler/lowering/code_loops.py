"""Whether XLA's loops for a program are as fast where it writes them element by element.

XLA fuses what is computed element by element into the loops that read it, and stores what a
library or a loop within a loop computes. Element by element three kinds of loops are not
vectorised, or less: those that overwrite an array that they read, of the size of their own result,
which nothing else needs; those that count the elements of one shape as those of another; and
those over short rows. What such loops lose was measured, and a program may lose little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum, Flag, auto
from functools import cached_property, reduce
from math import inf, prod
from typing import Final, NamedTuple

from compiler.analysis.cost import cost_of, nbytes
from compiler.analysis.flops import elements
from compiler.ir.graph import Graph, Operation, Value
from compiler.lowering.code_ops import (
    CASTS,
    DEAR,
    FACTORS,
    FREE,
    LOOPS,
    PICKING,
    STORING,
    are_apart,
    is_across,
    is_half,
    is_kept,
    is_kernel,
    is_known,
    is_loop,
    is_of_vector,
    is_return,
    is_shrinking,
    is_unwritten,
    is_written,
    rows,
)
from compiler.ops.parameters import integers


class Kind(Enum):
    """How XLA fuses a kernel with its neighbours."""

    FUSED = "it goes on in the loops of those that read it"
    WINDOWED = "likewise, and its loop reads what it reads place by place of a window"
    STORED = "what it reads is stored, and its result is"


MOST_LOOPS: Final = 8
MOST_ALIKE: Final = 2
"""Steps of gradient descent over 10 leaves, which are equal loops, take three times as long."""

LOST: Final = 0.4
LOST_OF_SERIES: Final = 3.0
"""Nanoseconds that an element takes longer where its loop is not vectorised, measured at most."""

AFTER_LIBRARY: Final = 600.0
"""Nanoseconds that a loop starts later which reads what a library stored."""

LITTLE: Final = 0.02
"""The share of a program's time that it may lose."""

CALL: Final = 5000.0
"""Nanoseconds of a call of which nothing is computed."""

FLOPS: Final = 512.0
FLOPS_OF_LOOPS: Final = 32.0
FLOPS_OF_FACTORS: Final = 1.0
"""Operations a nanosecond, at most: of products, of loops, of LAPACK on many small matrices."""

BYTES: Final = 64.0
"""Bytes a nanosecond that a library reads and writes, at most."""

SHORT_ROW: Final = 64
"""Elements of a row of which fewer do not fill the registers."""

SMALL_FACTOR: Final = 32
"""Columns of a matrix that LAPACK takes for a small one."""


class Does(Flag):
    """What decides about a loop: what it computes, and how it reads."""

    NOTHING = 0
    COMPUTES = auto()
    """Anything at all, and would compute it again for each other loop."""
    SERIES = auto()
    """A series, a quotient or a cast for each element."""
    KERNEL = auto()
    """A kernel, whose result XLA stores where it is needed again."""
    WINDOWS = auto()
    """It reads windows."""
    PICKS = auto()
    """It reads what is picked from an array."""


class Loop(NamedTuple):
    """The loop that computes a value.

    Attributes:
        does: what it does of all that decides.
        under: bytes of the stored arrays that it may overwrite.
    """

    does: Does = Does.NOTHING
    under: frozenset[int] = frozenset()

    def joined(self, other: Loop) -> Loop:
        """The loop that does what both do."""
        return Loop(self.does | other.does, self.under | other.under)


class Loops:
    """The loops of a program.

    Args:
        graph: the optimized graph.
        kernels: how those are fused that may stand in it, by name.
    """

    def __init__(self, graph: Graph, kernels: Mapping[str, Kind]) -> None:
        self._body = graph.body
        self._kernels = kernels
        self._loops: dict[Value, Loop] = {}
        self._has_loops = False

    def are_as_fast(self) -> bool:
        """Whether they run as fast element by element, but for little."""
        lost = 0.0
        for op in self._body:
            lost += self._lost(op)
            if lost == inf:
                return False
        return (not lost or lost <= self._little) and self._are_few()

    def _lost(self, op: Operation) -> float:
        """Nanoseconds that the op takes longer, at most; what it reads was looked at."""
        if is_across(op) or is_unwritten(op) or not all(map(is_known, op.results)):
            return inf
        self._has_loops = self._has_loops or is_kernel(op) or is_written(op)
        if op.name in PICKING:
            return self._lost_by_picking(op)
        if self._stores(op):
            self._loops.update((v, Loop(under=frozenset({nbytes(v)}))) for v in op.results)
            return 0.0
        return self._lost_in_a_loop(op)

    def _lost_by_picking(self, op: Operation) -> float:
        """Nanoseconds that are lost where elements are picked from an array: not of a computed one.

        A loop that does nothing else runs at 0.6 to 0.9, and one that goes on in bfloat16.
        """
        self._loops[op.result] = Loop(Does.PICKS)
        if self._does(Does.COMPUTES, op.operands[0]) or any(map(is_return, op.result.readers)):
            return inf
        is_short = op.name == "gather" and prod(integers(op, "slice_sizes")) < SHORT_ROW
        return self._late(op.operands) + (self._most_lost(op.result) if is_short else 0.0)

    def _lost_in_a_loop(self, op: Operation) -> float:
        """Nanoseconds that are lost where the op is computed in the loops of those that read it."""
        loop = self._entered(op)
        if op.name not in FREE and not self._is_fused(op):
            return inf
        if Does.PICKS in loop.does and any(map(is_half, op.results)):
            return inf
        if is_kept(op) or self._counts_otherwise(op):
            return sum(map(self._most_lost, op.results))
        if Does.COMPUTES not in loop.does:
            return 0.0
        ends = [value for value in op.results if self._is_end(value)]
        return self._late(ends) + sum(map(self._most_lost, filter(self._is_slow, ends)))

    def _entered(self, op: Operation) -> Loop:
        """The loop that computes the op's results: what those that it reads from do, and itself."""
        loop = reduce(Loop.joined, map(self._loop, op.operands), Loop(self._own(op)))
        if is_shrinking(op):
            loop = loop._replace(does=loop.does & ~Does.SERIES)
        self._loops.update(dict.fromkeys(op.results, loop))
        return loop

    def _own(self, op: Operation) -> Does:
        """What the op adds to a loop."""
        kind = self._kind(op)
        is_series = op.name in DEAR or op.name in CASTS or kind is Kind.FUSED
        found = Does.NOTHING if op.name in FREE else Does.COMPUTES
        found |= Does.SERIES if is_series else Does.NOTHING
        found |= Does.KERNEL if kind else Does.NOTHING
        return found | (Does.WINDOWS if kind is Kind.WINDOWED else Does.NOTHING)

    def _loop(self, value: Value) -> Loop:
        return self._loops.get(value, Loop())

    def _does(self, any_of: Does, value: Value) -> bool:
        return bool(self._loop(value).does & any_of)

    def _is_fused(self, op: Operation) -> bool:
        """Whether it is computed in the loops of those that read it, and can be as fast there."""
        if self._kind(op) is Kind.WINDOWED:
            dear = Does.SERIES | Does.KERNEL
            return not self._does(dear, op.operands[-1]) and are_apart(op)
        return is_kernel(op) or is_loop(op)

    def _counts_otherwise(self, op: Operation) -> bool:
        """Whether a loop finds an element's place in one shape from that in another."""
        if op.name != "reshape" or rows(op.operands[0]) == rows(op.result):
            return False
        if self._does(Does.COMPUTES, op.operands[0]):
            return True
        return not all(map(self._reads_stored, op.result.readers))

    def _reads_stored(self, op: Operation) -> bool:
        """Whether the op reads arrays as they are stored, whatever their shape."""
        return is_return(op) or (self._stores(op) and not is_of_vector(op))

    def _late(self, values: Iterable[Value]) -> float:
        """Nanoseconds that a loop starts later, where it reads what a library stored."""
        return AFTER_LIBRARY if any(self._loop(value).under for value in values) else 0.0

    def _is_slow(self, value: Value) -> bool:
        """Whether a loop that ends here overwrites what it reads, or is over short rows."""
        if nbytes(value) in self._loop(value).under:
            return True
        if self._does(Does.WINDOWS, value):
            return self._does(Does.SERIES, value)
        return rows(value)[-1] < SHORT_ROW

    def _most_lost(self, value: Value) -> float:
        return elements(value) * (LOST_OF_SERIES if self._does(Does.SERIES, value) else LOST)

    @cached_property
    def _little(self) -> float:
        """Nanoseconds that the program may lose."""
        return LITTLE * (CALL + sum(map(self._least_time, self._body)))

    def _least_time(self, op: Operation) -> float:
        """Nanoseconds that the op takes at least."""
        cost = cost_of(op)
        work = cost.flops + cost.transcendentals
        if op.name in FACTORS and rows(op.operands[0])[-1] <= SMALL_FACTOR:
            return work / FLOPS_OF_FACTORS
        if self._stores(op):
            return max(work / FLOPS, cost.bytes / BYTES)
        return work / (FLOPS_OF_LOOPS if op.name in LOOPS else FLOPS)

    def _are_few(self) -> bool:
        """Whether there are loops, none computes what another does, and they are few.

        What several loops need XLA computes in loops of its own, each of which overwrites what it
        reads. And equal loops are compiled once in MLIR, each for itself the other way.
        """
        ends: dict[Value, frozenset[Value]] = {}
        for op in reversed(self._body):
            for value in op.results:
                ends[value] = self._ends(value, ends)
        computed = [found for value, found in ends.items() if self._does(Does.COMPUTES, value)]
        loops = frozenset[Value]().union(*computed)
        alike = Counter(map(_likeness, loops)).values()
        few = len(loops) <= MOST_LOOPS and max(alike, default=0) <= MOST_ALIKE
        return self._has_loops and few and all(len(found) <= 1 for found in computed)

    def _ends(self, value: Value, ends: Mapping[Value, frozenset[Value]]) -> frozenset[Value]:
        """The stored values that the loops end in which compute a value."""
        is_end = self._is_end(value)
        if is_end and self._most_lost(value) <= self._little:
            return frozenset({value})
        results = (result for reader in value.readers for result in reader.results)
        beyond = (ends[result] for result in results if self._does(Does.COMPUTES, result))
        return frozenset({value} if is_end else ()).union(*beyond)

    def _is_end(self, value: Value) -> bool:
        return any(is_return(reader) or self._stores(reader) for reader in value.readers)

    def _stores(self, op: Operation) -> bool:
        """Whether an op's operands and results are stored."""
        return op.name in STORING or self._kind(op) is Kind.STORED

    def _kind(self, op: Operation) -> Kind | None:
        """How a kernel is fused; None for other ops."""
        if not is_kernel(op):
            return None
        kinds = [self._kernels[name] for name in op.location.rules if name in self._kernels]
        return kinds[-1] if kinds else Kind.STORED


def _likeness(value: Value) -> tuple[str, str]:
    """What loops that may be equal agree in: the op that they end in, and its type."""
    name = value.owner.name if isinstance(value.owner, Operation) else ""
    return name, str(value.type)
