"""In which blocks XLA's CPU backend keeps what a program computes in between.

It is one block, as large as it has to be, which is allocated at each call and freed at its end. The
C library takes blocks of more than 32 MiB from the system each time, and the system clears each of
their pages when it is first written: 22,000 times for a training step that needs 83 MB, which takes
a quarter of its time. Of smaller blocks, freed memory is used again.

How much freed memory glibc keeps, it learns: twice the largest block of its own that was given back
to the system, 64 MiB at most (mallopt(3), M_MMAP_THRESHOLD). A thread's memory comes in parts of
64 MiB, of which all but the first go back when they are free, so small blocks fill them better.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np

from compiler.analysis.cost import VIEWS, nbytes
from compiler.ir.graph import Graph, Operation, Value
from compiler.lowering.code_generator import Option
from compiler.ops.elementwise import ELEMENTWISE

NAME: Final = "xla_multiheap_size_constraint_per_heap"

BLOCK: Final = (16 << 20) - (128 << 10)
"""Bytes of a block: four fit into the 64 MiB that glibc gives a thread at once."""

LEAST: Final = 31 << 20
"""Bytes in between up to which one block is used again: glibc's largest such block is 32 MiB."""

_LEARNS: Final = (32 << 20) - (64 << 10)  # bytes; of blocks of 32 MiB and more it learns nothing

IN_BLOCKS: Final[Option] = (NAME, BLOCK)


def heap_options(graph: Graph) -> tuple[Option, ...]:
    """What XLA is to be told so that memory is used again from call to call.

    It changes where values lie, and no number. A value that is larger than a block has one of its
    own, which leaves others partly empty (28 % in one case), so such programs are told nothing.

    Args:
        graph: the optimized graph.
    """
    if sys.platform != "linux" or NAME in os.environ.get("XLA_FLAGS", ""):
        return ()
    computed = (op for op in _ops_of(graph) if op.name not in VIEWS)
    sizes = [nbytes(value) for op in computed for value in op.results if _is_stored(op, value)]
    if sum(sizes) <= LEAST or max(sizes) > BLOCK:
        return ()
    return (IN_BLOCKS,)


@cache
def keep_freed_memory() -> None:
    """Has glibc keep 64 MiB of what is freed, as it does once 32 MiB were given back at once.

    They are given back here without having been written to. No setting is made: where the process
    has set what glibc maps, trims or pads, as with `MALLOC_TRIM_THRESHOLD_`, it learns nothing.
    """
    np.empty(_LEARNS, np.uint8)


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
