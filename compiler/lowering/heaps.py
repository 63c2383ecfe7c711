"""In which blocks XLA's CPU backend keeps what a program computes in between.

It is one block, as large as it has to be, which is allocated at each call and freed at its end. The
C library takes blocks of more than 32 MiB from the system each time, and the system clears each of
their pages when it is first written: 20,000 times for a training step that needs 84 MB, which takes
a quarter of its time. Of smaller blocks, freed memory is used again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

from compiler.analysis.cost import VIEWS, nbytes
from compiler.ir.graph import Graph, Operation, Value
from compiler.lowering.code_generator import Option
from compiler.ops.elementwise import ELEMENTWISE

NAME: Final = "xla_multiheap_size_constraint_per_heap"

BLOCK: Final = 31 << 20
"""Bytes of a block: glibc's largest is 32 MiB, its own words and XLA's alignment included."""

MOST: Final = 16 << 20
"""Bytes of the largest value: larger ones leave much of their blocks empty (13 % in one case)."""

IN_BLOCKS: Final[Option] = (NAME, BLOCK)


def heap_options(graph: Graph) -> tuple[Option, ...]:
    """What XLA is to be told so that memory is used again from call to call.

    It changes where values lie, and no number.

    Args:
        graph: the optimized graph.
    """
    if sys.platform != "linux" or NAME in os.environ.get("XLA_FLAGS", ""):
        return ()
    computed = (op for op in _ops_of(graph) if op.name not in VIEWS)
    sizes = [nbytes(value) for op in computed for value in op.results if _is_stored(op, value)]
    if sum(sizes) <= BLOCK or max(sizes) > MOST:
        return ()
    return (IN_BLOCKS,)


def _ops_of(graph: Graph) -> Iterator[Operation]:
    """The ops, those of loops and calls too; of branches, such as kernels are in, the result."""
    pending = [graph.body]
    while pending:
        for op in pending.pop():
            yield op
            pending += () if op.name == "cond" else op.regions


def _is_stored(op: Operation, value: Value) -> bool:
    """Whether XLA may store a value among what it computes in between."""
    readers = value.readers
    if any(reader.is_terminator for reader in readers):
        return False  # it is a result, which has memory of its own
    return len(readers) > 1 or op.name not in ELEMENTWISE
