"""Programs that compute more in between than the C library keeps, and no others, get blocks."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.lowering import heaps
from compiler.lowering.heaps import IN_BLOCKS, heap_options

MEBIBYTE = 1 << 20

COUNTS = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallinfo2")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for glibc")


def layers(count):
    def run(x, w):
        for _ in range(count):
            x = jnp.tanh(x @ w)
        return x.sum()

    return run


def found(function, *shapes):
    given = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    return heap_options(tg.function(function).trace(*given).program.unmarked.graph)


WIDE = (2048, 1024), (1024, 1024)


def test_more_than_one_block_keeps():
    assert found(layers(4), *WIDE) == (IN_BLOCKS,)


def test_less_than_one_block_keeps():
    assert found(layers(1), *WIDE) == ()
    assert found(lambda x: x, (4096, 4096)) == ()
    assert found(lambda: jnp.float32(1.0)) == ()


def test_values_as_large_as_a_block():
    rows = heaps.BLOCK // (4 * 1024)
    assert found(layers(4), (rows, 1024), (1024, 1024)) == (IN_BLOCKS,)
    assert found(layers(4), (rows + 1, 1024), (1024, 1024)) == ()


def test_other_names_for_one_value_are_not_counted():
    def renamed(x):
        for _ in range(5):
            x = x.reshape(-1).reshape(1024, 2048)
        return jnp.sin(x)

    assert found(renamed, (2048, 1024)) == ()


def test_what_the_flags_say_wins(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--{heaps.NAME}=1000000")
    assert found(layers(4), *WIDE) == ()


def test_other_systems_have_other_libraries(monkeypatch):
    monkeypatch.setattr(heaps.sys, "platform", "darwin")
    assert found(layers(4), *WIDE) == ()


def test_four_blocks_fit_into_what_a_thread_is_given():
    assert 4 * heaps.BLOCK < 64 * MEBIBYTE - 4096 < 5 * heaps.BLOCK


KEEPS = """
import ctypes
from compiler.lowering.heaps import keep_freed_memory

libc = ctypes.CDLL(None)
fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
fields = [(field, ctypes.c_size_t) for field in fields.split()]
Info = type("Info", (ctypes.Structure,), {"_fields_": fields})
libc.mallinfo2.restype, libc.malloc.restype = Info, ctypes.c_void_p

def mapped(size):
    before, block = libc.mallinfo2().hblks, ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    found = libc.mallinfo2().hblks - before
    libc.free(block)
    return found

keep_freed_memory()
print(mapped(31 << 20), mapped(33 << 20))
"""


@pytest.mark.skipif(not COUNTS, reason="glibc 2.33 and newer counts blocks")
@pytest.mark.parametrize("setting", [{}, {"MALLOC_MMAP_THRESHOLD_": "1000000"}])
def test_the_library_learns_to_keep_blocks_unless_somebody_set_what_it_keeps(setting):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MALLOC_") and name != "GLIBC_TUNABLES"
    }
    found = subprocess.run(
        [sys.executable, "-c", KEEPS],
        env={**environment, **setting},
        capture_output=True,
        text=True,
    )
    assert found.stdout == ("1 1\n" if setting else "0 1\n"), found.stderr


def test_xla_knows_the_option_and_needs_no_more_memory():
    x, w = jnp.full(WIDE[0], 0.5), jnp.eye(1024)
    step = jax.value_and_grad(layers(6))
    lowered = jax.jit(step).lower(x, w)
    plain, blocks = lowered.compile(), lowered.compile(compiler_options=dict([IN_BLOCKS]))
    sizes = [one.memory_analysis().temp_size_in_bytes for one in (plain, blocks)]
    assert sizes[1] <= 1.05 * sizes[0]
    assert sizes[0] > heaps.LEAST
    for one, other in zip(*(jax.tree.leaves(run(x, w)) for run in (plain, blocks)), strict=True):
        np.testing.assert_array_equal(one, other)
