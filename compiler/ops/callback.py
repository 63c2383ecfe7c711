"""Calls out of the program, and mutable references.

A callback or foreign call that JAX gives no effect is one that its author has called pure; the ones
with effects are held in place by them.
"""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "callback"

_IMPURE: Final = (
    "addupdate",
    "debug_callback",
    "debug_print",
    "empty_ref",
    "free_ref",
    "freeze",
    "get",
    "inspect_sharding",
    "io_callback",
    "new_ref",
    "mutable_array",
    "swap",
)

DEFINITIONS: Final = (
    *(OpDef(name, FAMILY, pure=False, stable=False) for name in _IMPURE),
    # JAX says that it may drop it or run it again; but its cost is the user's, so keep the count.
    OpDef("pure_callback", FAMILY, stable=False),
)
